"""The configuration as it was when a run began: what its jobs read, whatever is edited meanwhile.

A job of a cluster reads the workflow anew when it starts, hours after it was submitted. The run
writes its configuration, and the fingerprints of the code that its results depend on, to a file
named by its content, and hands its path to the jobs in their environment.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novis.errors import InputError
from novis.experiment import STAGES, VERSIONS, stage_code
from novis.files import read_json, write_json

_VARIABLE = "NOVIS_FROZEN"


def freeze(config: Mapping[str, Any], folder: Path) -> Path:
    """Write the configuration and the code's fingerprints below ``folder``, for all jobs from now on."""
    cheap = [stage for stage in STAGES if stage not in VERSIONS]
    content = {"config": dict(config), "code": {stage: stage_code(stage) for stage in cheap}}
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{name}.json"
    write_json(path, content, indent=1)
    os.environ[_VARIABLE] = str(path.resolve())
    return path


def thaw(config: dict[str, Any]) -> None:
    """In a job: put the configuration that it was submitted with into the place of the present one.

    Raises:
        InputError: the file is gone; the job cannot know what it was submitted for.
    """
    path = os.environ.get(_VARIABLE)
    if path:
        frozen = read_json(path, "configuration of the run that submitted this job")["config"]
        config.clear()
        config.update(frozen)


def code_of(stage: str, job: bool) -> str:
    """The fingerprint of a stage's code, for the parameters of its rule.

    Args:
        stage: such as ``track``.
        job: whether this process is a job, which must run what it was submitted for.

    Raises:
        InputError: in a job, the code was edited after it was submitted.
    """
    present, path = stage_code(stage), os.environ.get(_VARIABLE)
    if job and path and read_json(path)["code"].get(stage, present) != present:
        raise InputError(
            f"the code behind '{stage}' was edited while this job waited, which was submitted for other "
            "code: it stops. Run snakemake again"
        )
    return present
