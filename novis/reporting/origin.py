"""Where a run comes from: its resolved configuration, checkpoint, code and logs, found by its folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novis.errors import InputError
from novis.experiment import PREDICTION, TRACKING, TRAINING, stage_code
from novis.files import read_json, sha256
from novis.planning.jobs import wildcard_pattern
from novis.storage.clip_cache import ClipCache

# What makes one clip cache of its shards.
_SHARDED = ("merge",)
_LEVELS = {"track": TRACKING, "predict": PREDICTION, "train": TRAINING}
_FILES = {
    "evaluate": ("metrics.json", "matches.npz"),
    "speed": ("speed.json",),
    "track": ("results.json", "linking.json"),
    "predict": ("clips.h5",),
    "train": ("checkpoint.pth", "training.json"),
    "configure": ("config.json",),
}


@dataclass(frozen=True)
class Provenance:
    """Where the files of a run come from.

    Attributes:
        run: its folder.
        fields: data set, split, model, T, seed, and so on.
        files: those that are there, by the stage that made them.
        logs: of these stages, those that are there; of shards one each, such as ``predict 2``.
        config: the resolved configuration of the training.
        checkpoint: its path.
        checkpoint_sha256: as recorded when it was written, None where it was not.
        checkpoint_is_that: whether the file has this hash, None where either is missing.
        cache_sha256: the hash of the checkpoint that the clip cache was predicted with.
        cache_problem: why the clip cache cannot be read, None where it can.
        code: fingerprint of the code by stage, as recorded, and whether the present code differs.
        training: what the training recorded of itself.
    """

    run: str
    fields: Mapping[str, str]
    files: Mapping[str, list[str]]
    logs: Mapping[str, str]
    config: str | None
    checkpoint: str | None
    checkpoint_sha256: str | None
    checkpoint_is_that: bool | None
    cache_sha256: str | None
    cache_problem: str | None
    code: Mapping[str, tuple[str, bool]]
    training: Mapping[str, Any]


def provenance(path: Path) -> Provenance:
    """Where a file or folder of a run comes from; the checkpoint is read, to see if it is the recorded one.

    Raises:
        InputError: it does not belong to a run.
    """
    levels = _levels(path)
    if not levels:
        raise InputError(
            f"{path}: belongs to no run; give a number, a cell of a table (FILE.csv:LINE:COLUMN), or a file "
            "in the folder of a run"
        )
    most = next(iter(levels.values()))
    if not Path(most.group(0)).is_dir():
        raise InputError(f"{most.group(0)}: no such run")
    return _found(levels, most, rehash=True)


def known_provenance(path: Path) -> Provenance | None:
    """The same without reading the checkpoint; None where the file belongs to no run that is there."""
    levels = _levels(path)
    most = next(iter(levels.values()), None)
    return _found(levels, most, rehash=False) if most and Path(most.group(0)).is_dir() else None


def _levels(path: Path) -> dict[str, re.Match[str]]:
    """The folders of tracks, clip cache and training that a path lies in, the innermost first."""
    return {stage: match for stage, template in _LEVELS.items() if (match := _run(path, template))}


def _found(levels: Mapping[str, re.Match[str]], most: re.Match[str], rehash: bool) -> Provenance:
    folders = {stage: Path(match.group(0)) for stage, match in levels.items()}
    owners = {"evaluate": "track", "speed": "track", "configure": "train", "merge": "predict"}
    files = {
        stage: [str(folder / name) for name in names if (folder / name).exists()]
        for stage, names in _FILES.items()
        if (folder := folders.get(owners.get(stage, stage)))
    }
    training = _json(folders["train"] / "training.json")
    checkpoint, cache = folders["train"] / "checkpoint.pth", _cache_attributes(folders.get("predict"))
    recorded = training.get("sha256")
    checked = rehash and recorded and checkpoint.exists()
    return Provenance(
        run=str(most.group(0)),
        fields={key: value for key, value in most.groupdict().items() if key != "results" and value},
        files={stage: names for stage, names in files.items() if names},
        logs=_logs(most["results"], folders, owners),
        config=_if_there(folders["train"] / "config.json"),
        checkpoint=_if_there(checkpoint),
        checkpoint_sha256=recorded,
        checkpoint_is_that=sha256(checkpoint) == recorded if checked else None,
        cache_sha256=cache.get("checkpoint_sha256"),
        cache_problem=cache.get("problem"),
        code=_code(training, cache, folders.get("track")),
        training={k: training[k] for k in ("iterations", "seconds", "torch", "init_sha256") if k in training},
    )


def describe(found: Provenance) -> list[str]:
    """Provenance as text, one fact a line."""
    lines = [f"run          {found.run}"]
    lines += [f"             {', '.join(f'{key} {value}' for key, value in found.fields.items())}"]
    lines += [f"config       {found.config or 'missing'}"]
    state = {
        True: "",
        False: "  (the file is ANOTHER one now)",
        None: "  (not checked: file or record missing)",
    }
    lines += [f"checkpoint   {found.checkpoint or 'missing'}"]
    lines += [f"  sha256     {found.checkpoint_sha256 or 'not recorded'}{state[found.checkpoint_is_that]}"]
    if found.cache_sha256 and found.cache_sha256 != found.checkpoint_sha256:
        lines += [f"  predicted  with ANOTHER checkpoint: {found.cache_sha256}"]
    if found.cache_problem:
        lines += [f"  predicted  {found.cache_problem}"]
    lines += [f"  {key.removesuffix('_sha256'):<10} {value}" for key, value in found.training.items()]
    lines += [
        f"code         {stage}: {code}{', other than the present' * changed}"
        for stage, (code, changed) in found.code.items()
    ]
    lines += [f"file         {stage}: {name}" for stage, names in found.files.items() for name in names]
    return lines + [f"log          {stage}: {path}" for stage, path in found.logs.items()]


def _run(path: Path, template: str) -> re.Match[str] | None:
    return re.match(rf"^(?P<results>.*?)/?{wildcard_pattern(template)}(?=/|$)", path.as_posix())


def _logs(results: str, folders: Mapping[str, Path], owners: Mapping[str, str]) -> dict[str, str]:
    root = Path(results)
    found = {}
    for stage in (*_FILES, *_SHARDED):
        if folder := folders.get(owners.get(stage, stage)):
            log = root / "logs" / stage / f"{folder.relative_to(root)}.log"
            found |= {stage: str(log)} if log.exists() else _logs_of_shards(stage, log)
    return found


def _logs_of_shards(stage: str, log: Path) -> dict[str, str]:
    """The logs of the jobs among which the videos were divided, in order."""
    numbered = re.compile(rf"{re.escape(log.stem)}-(\d+)\.log")
    names = (path.name for path in log.parent.glob("*.log"))
    numbers = sorted(int(match[1]) for name in names if (match := numbered.fullmatch(name)))
    return {f"{stage} {number}": str(log.with_name(f"{log.stem}-{number}.log")) for number in numbers}


def _code(
    training: Mapping[str, Any], cache: Mapping[str, Any], tracking: Path | None
) -> dict[str, tuple[str, bool]]:
    linking = _json(tracking / "linking.json") if tracking else {}
    recorded = {"train": training.get("code"), "predict": cache.get("code"), "track": linking.get("code")}
    return {stage: (code, code != stage_code(stage)) for stage, code in recorded.items() if code}


def _cache_attributes(folder: Path | None) -> Mapping[str, Any]:
    if folder is None or not (folder / "clips.h5").exists():
        return {}
    try:
        with ClipCache(folder / "clips.h5") as cache:
            return dict(cache.attributes)
    except InputError as error:
        return {"problem": str(error)}


def _json(path: Path) -> Mapping[str, Any]:
    return read_json(path, "record of a run") if path.exists() else {}


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None
