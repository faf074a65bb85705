"""A job that was told to stop and has saved its work asks Slurm to run it again."""

import logging
import os

from novis.cluster import slurm
from novis.errors import InputError

_LOG = logging.getLogger(__name__)
# Set by a run for the jobs that it submits; a command that a user starts is never started again by itself.
_VARIABLE = "NOVIS_REQUEUE"


def allow() -> None:
    """Let the jobs that are started from now on be run again."""
    os.environ[_VARIABLE] = "1"


def again() -> bool:
    """Ask for the present job to be run again, where it is one of a run's; whether it will be.

    A job that someone cancels, or that is over its limit already, is not running any more by
    Slurm's account: it is left alone.
    """
    job = os.environ.get("SLURM_JOB_ID")
    first_rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    if not job or not first_rank or _VARIABLE not in os.environ or slurm.state_of(job) != "RUNNING":
        return False
    try:
        slurm.ask("scontrol", "requeue", job)
    except InputError as error:
        _LOG.warning("%s", error)
        return False
    _LOG.info("job %s will go on as soon as Slurm starts it again", job)
    return True
