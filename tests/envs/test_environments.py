"""Conda and the container install what pip does: the one lock."""

import re
import tomllib

import yaml

from tests.paths import ROOT

ENVS = ROOT / "envs"


def lowest_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))


def conda():
    return yaml.safe_load((ENVS / "environment.yaml").read_text())["dependencies"]


def conda_python():
    return next(entry for entry in conda() if str(entry).startswith("python=")).removeprefix("python=")


def test_every_package_of_the_conda_environment_comes_from_the_lock():
    (pip,) = (entry["pip"] for entry in conda() if isinstance(entry, dict))
    assert pip == ["--requirement requirements.lock"]
    assert {re.split("[=<>]", entry)[0] for entry in conda() if isinstance(entry, str)} == {
        "python",
        "pip",
        "git",
    }


def test_every_package_of_the_container_comes_from_the_lock():
    recipe = (ENVS / "novis.def").read_text()
    assert re.findall(r"pip install.*", recipe) == [
        "pip install --no-cache-dir --requirement /opt/requirements.lock"
    ]
    assert "envs/requirements.lock /opt/requirements.lock" in recipe


def test_both_bring_the_same_python_and_one_that_the_package_allows():
    image = re.search(r"From: python:([0-9.]+)-slim", (ENVS / "novis.def").read_text()).group(1)
    assert image == conda_python()
    assert tuple(map(int, image.split("."))) >= lowest_python()


def test_the_lock_pins_every_package_exactly():
    lines = [line.strip() for line in (ENVS / "requirements.lock").read_text().splitlines()]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[^=<>~]+", line) for line in lines if line and line[0] != "#")
