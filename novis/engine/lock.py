"""One writer of a folder: a training that finds another at work there is refused.

The lock is a file that says who holds it, and that the holder touches every few seconds. It
needs nothing of the file system but creating a file once and renaming one, which hold on
network disks too, where locks of the operating system often do not. A holder that was killed
leaves it behind; the next one takes it over as soon as it is sure that the holder is gone: by
the process on the same machine, by Slurm where the holder was a job, by its silence else.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from novis.cluster import slurm
from novis.errors import InputError
from novis.files import writing

_LOG = logging.getLogger(__name__)

# Seconds between two signs of life, and of silence after which a holder elsewhere counts as gone;
# network disks show a change only after a minute.
BEAT = 15.0
PATIENCE = 120.0

# States in which a job's processes stand still and may go on.
_PAUSED = ("SUSPENDED", "STOPPED")
# States in which they may be at work.
_AT_WORK = ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "CONFIGURING", "RESIZING")

State = Literal["at work", "gone", "unknown"]


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, as the next one must be able to recognise it.

    Attributes:
        host: its machine.
        machine: what tells the machine's boots, and containers in it, apart.
        process: its number there.
        started: when it started, in ticks since the boot: numbers are used again.
        job: the Slurm job, or empty.
        restart: how often Slurm has started that job again.
        token: of this lock alone.
    """

    host: str
    machine: str
    process: int
    started: str
    job: str
    restart: str
    token: str

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> "Holder":
        """This process."""
        return cls(
            socket.gethostname(),
            _machine(),
            os.getpid(),
            _started(os.getpid()),
            environment.get("SLURM_JOB_ID", ""),
            environment.get("SLURM_RESTART_COUNT", "0"),
            uuid.uuid4().hex,
        )

    def __str__(self) -> str:
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.process} on {self.host}{job}"


class Lock:
    """Holds a folder for the time of a ``with`` block.

    Args:
        folder: to be held; the lock is the file ``.holder`` in it.

    Raises:
        InputError: another process holds it, which is at work, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".holder"
        self.own = Holder.here()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    def __enter__(self) -> Self:
        while not self._create():
            other = _read(self.path)
            if self._state(other) == "at work":
                raise InputError(
                    f"{self.path.parent}: another process trains in this folder ({other}); wait for it or "
                    "end it"
                )
            self._remove(other)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if _read(self.path) == self.own:
            self.path.unlink(missing_ok=True)

    def confirm(self) -> None:
        """To be asked before every write.

        Raises:
            InputError: this process was silent for so long that another one took over.
        """
        if (holder := _read(self.path)) != self.own:
            raise InputError(
                f"{self.path.parent}: was taken over by another process ({holder or 'unknown'}) while this "
                "one stood still; this one ends, and has not written"
            )

    def _create(self) -> bool:
        with writing(self.path):
            try:
                with self.path.open("x") as file:
                    json.dump(asdict(self.own), file)
                    file.flush()
                    os.fsync(file.fileno())
            except FileExistsError:
                return False
        return True

    def _state(self, other: Holder | None) -> State:
        """What has become of the holder; where nothing else tells, wait for a sign of life."""
        state = _known_state(other, self.own) if other else "unknown"
        if state != "unknown":
            return state
        _LOG.warning(
            "%s: held by %s; waiting up to %.0f s for a sign of life", self.path, other or "nobody", PATIENCE
        )
        seen, until = _touched(self.path), time.monotonic() + PATIENCE
        while time.monotonic() < until:
            time.sleep(min(BEAT / 3, PATIENCE / 3))
            if _touched(self.path) != seen:
                return "at work" if self.path.exists() else "gone"
        return "gone"

    def _remove(self, other: Holder | None) -> None:
        """Take the lock of a holder that is gone away; what is another's by now is put back."""
        aside = self.path.with_name(f".holder.{self.own.token}")
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            if _read(aside) != other:
                aside.rename(self.path)
            else:
                _LOG.warning("%s: taken over from %s, which is gone", self.path, other or "nobody")
                aside.unlink()

    def _beat(self) -> None:
        while not self._done.wait(BEAT):
            if _read(self.path) == self.own:
                with suppress(OSError):
                    os.utime(self.path)


def _known_state(other: Holder, own: Holder) -> State:
    """What the machine or Slurm says of the holder."""
    if other.machine == own.machine:
        return "at work" if _started(other.process) == other.started else "gone"
    if other.job and (other.job, other.restart) != (own.job, own.restart):
        if other.job == own.job:
            return "gone"
        return _state_of_job(other.job)
    return "unknown"


def _state_of_job(job: str) -> State:
    """What Slurm says of a job; a running one may hold more than the process in question."""
    try:
        state = slurm.state_of(job)
    except InputError:
        return "unknown"
    if state in _PAUSED:
        return "at work"
    return "unknown" if state in _AT_WORK else "gone"


def _read(path: Path) -> Holder | None:
    """Who holds a lock; nobody where there is none, or one that was never written to its end."""
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _touched(path: Path) -> int | None:
    """When the lock was touched last. It is opened, for a network disk to ask its server."""
    try:
        with path.open() as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


def _machine() -> str:
    """The boot and the process numbers' name space; a name of its own where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _started(process: int) -> str:
    """When a process started; empty if it is no more (or a zombie), ``alive`` where only that is known."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "" if Path("/proc/self").exists() else _alive(process)
    return "" if fields[0] == "Z" else fields[19]


def _alive(process: int) -> str:
    try:
        # Another user's process may not be asked, but is there.
        with suppress(PermissionError):
            os.kill(process, 0)
    except ProcessLookupError:
        return ""
    return "alive"
