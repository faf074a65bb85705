"""A job that was told to stop and has saved its work is run again.

In two steps, as the work may go on in a container that knows nothing of Slurm, or below a
launcher that ends with a status of its own. The work leaves a mark; the job's script, which
outlives it, looks for the mark at its end and asks Slurm (``python -m novis.cluster.requeue``).
"""

import logging
import os
from pathlib import Path

from novis.cluster import slurm
from novis.errors import InputError

_LOG = logging.getLogger(__name__)
# The folder of the marks. Set by a run for the jobs that it submits; a command that a user starts is never
# started again by itself.
_VARIABLE = "NOVIS_REQUEUE"


def allow(folder: Path) -> None:
    """Let the jobs that are started from now on be run again, with marks in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[_VARIABLE] = str(folder.resolve())


def wish() -> None:
    """At the end of the work: leave the mark, where this is a job of a run."""
    first_rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    if first_rank and (mark := _mark()):
        mark.touch()


def again() -> bool:
    """At the end of the job's script: have the job run again if its work wishes so; whether it will be.

    A job that someone cancels, or that is over its limit already, is not running any more by
    Slurm's account: it is left alone.
    """
    mark = _mark()
    if not mark or not mark.exists():
        return False
    mark.unlink()
    try:
        if slurm.state_of(mark.name) != "RUNNING":
            return False
        slurm.ask("scontrol", "requeue", mark.name)
    except InputError as error:
        _LOG.warning("%s", error)
        return False
    return True


def _mark() -> Path | None:
    """The mark of the present job, named by its number, if it is one of a run's."""
    if _VARIABLE not in os.environ or "SLURM_JOB_ID" not in os.environ:
        return None
    return Path(os.environ[_VARIABLE]) / os.environ["SLURM_JOB_ID"]


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    again()
