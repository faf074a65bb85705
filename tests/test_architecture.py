"""The walls of docs/architecture.md, read from the imports."""

import ast
import sys
from pathlib import Path

import pytest

from novis.fingerprint import import_closure

ROOT = Path(__file__).parents[1]
FLOORS = {
    0: (
        "errors",
        "files",
        "locks",
        "structures",
        "clips",
        "masks",
        "assignment",
        "blocks",
        "experiment",
        "paths",
        "fingerprint",
        "ground_truth",
        "config",
    ),
    1: ("model", "data", "storage", "cluster"),
    2: ("tracking", "evaluation", "planning"),
    3: ("engine", "reporting", "visualisation"),
    4: ("cli", "run"),
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
TORCH_FREE = ("tracking", "evaluation", "storage", "reporting", "visualisation")
TORCH_LIKE = {"torch", "transformers", "mmengine", "safetensors", "tensorboard"}


def modules():
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "novis").rglob("*.py")
    )


def imported(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def source(module):
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def room(module):
    return module.split(".")[1] if "." in module else None


def test_every_room_has_a_floor():
    assert {room(module) for module in modules()} - {None} == set(FLOOR_OF)


@pytest.mark.parametrize("module", [m for m in modules() if room(m)])
def test_a_room_imports_only_from_the_floors_below(module):
    for name in imported(source(module)):
        if name.startswith("novis.") and room(name) != room(module):
            floor, other = FLOOR_OF[room(module)], FLOOR_OF[room(name)]
            # Floor 0 is one room: its modules may use each other.
            assert other < floor or floor == other == 0, f"{module} imports {name}"


@pytest.mark.parametrize("module", [m for m in modules() if room(m) in TORCH_FREE])
def test_torch_is_not_reached(module):
    for name in import_closure(module):
        used = {other.split(".")[0] for other in imported(source(name))} & TORCH_LIKE
        assert not used, f"{module} reaches {used} through {name}"


@pytest.mark.parametrize("module", [m for m in modules() if room(m) == "model"])
def test_the_network_knows_nothing_of_files(module):
    forbidden = {"h5py", "json", "pathlib", "os", "cv2", "pycocotools", "novis.files", "novis.structures"}
    assert not imported(source(module)) & forbidden


def test_the_workflow_needs_only_the_experiment_the_settings_of_trackers_and_the_cluster():
    allowed = ("from novis import experiment", "from novis.tracking.settings import check_trackers")
    for path in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]:
        for line in path.read_text().splitlines():
            if "novis" in line and line.strip().startswith(("import ", "from ")):
                known = line.strip() in allowed or "from novis.cluster import" in line
                assert known, f"{path}: {line}"


@pytest.mark.parametrize("module", ["novis.experiment", "novis.tracking.settings"])
def test_what_the_workflow_reads_needs_only_the_standard_library(module):
    for name in import_closure(module):
        for other in imported(source(name)):
            top = other.split(".")[0]
            assert top == "novis" or top in sys.stdlib_module_names, f"{name} imports {other}"


@pytest.mark.parametrize("module", [m for m in modules() if room(m) == "cluster"])
def test_the_cluster_needs_only_the_standard_library_and_yaml(module):
    for name in import_closure(module):
        tops = {other.split(".")[0] for other in imported(source(name))}
        assert tops <= sys.stdlib_module_names | {"novis", "yaml"}, f"{module} reaches {name}"


def test_every_module_has_its_test_file():
    mirrors = [Path(*module.split(".")[1:]) for module in modules() if source(module).name != "__init__.py"]
    absent = [str(m) for m in mirrors if not (ROOT / "tests" / m.parent / f"test_{m.name}.py").is_file()]
    assert not absent
