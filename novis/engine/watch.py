"""A watch over the ranks of a training: when one is gone, all end, and say why.

Collective operations wait for every rank; without a watch, that of a dead one is waited
for until a timeout of many minutes, or for ever. Here each rank has a thread that counts
up a number of its own in a store that all share. Rank 0 looks whether the numbers of the
others move, and the others look at that of rank 0.
"""

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from torch import distributed

from novis.errors import InputError

_LOG = logging.getLogger(__name__)

# Seconds between two looks, and of silence after which a rank counts as gone.
BEAT = 1.0
PATIENCE = 60.0

_FAILURE = "failure"


class Watch:
    """For the time of a ``with`` block: ends this process if another rank fails or falls silent.

    The block is left when all ranks have come to its end, or to the same ``SystemExit`` in
    it. Any other exception is told to the others, who then end with status 1; so do those
    whose exchange with another rank broke off.

    Args:
        store: that all ranks share.
        rank: this one.
        num_ranks: of all.
    """

    def __init__(self, store: distributed.Store, rank: int, num_ranks: int) -> None:
        self.store = store
        self.rank = rank
        self.num_ranks = num_ranks
        # The thread has a connection of its own: that of the training may be waiting.
        self._own = store.clone()
        self._done = threading.Event()
        self._heard: dict[int, tuple[int, float]] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self.store.set(f"where/{self.rank}", f"{socket.gethostname()}, process {os.getpid()}")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, SystemExit):
            self._leave()
        elif isinstance(value, distributed.DistError) or "gloo" in str(value):
            # If a rank told why it stopped, the thread reads that first.
            time.sleep(3 * BEAT)
            self._end(f"another rank is gone ({_first_line(value)})")
        else:
            self._tell(value)

    def exchange(self, name: str, value: str) -> list[str]:
        """The values that all ranks give under a name, by rank."""
        self.store.set(f"{name}/{self.rank}", value)
        return [self.store.get(f"{name}/{rank}").decode() for rank in range(self.num_ranks)]

    def _leave(self) -> None:
        """Wait for all, then go: rank 0, who may keep the store, as the last."""
        self._count_to_all("arrived")
        if distributed.is_initialized():
            distributed.destroy_process_group()
        if self.rank:
            self._stop()
            self.store.add("left", 1)
        else:
            self._count_to_all("left")
            self._stop()

    def _count_to_all(self, name: str) -> None:
        count = self.store.add(name, 1)
        while count < self.num_ranks:
            time.sleep(BEAT / 10)
            count = self.store.add(name, 0)

    def _stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _tell(self, error: BaseException) -> None:
        """Let the others know, and stay until they have read it."""
        self._stop()
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.store.set(_FAILURE, f"rank {self.rank} ({self._where(self.rank)}) stopped: {reason}")
        time.sleep(3 * BEAT)

    def _run(self) -> None:
        while not self._done.wait(BEAT):
            try:
                self._look()
            except RuntimeError as error:
                # Whoever keeps the store is no more.
                self._end(f"rank 0 or its launcher is gone ({_first_line(error)})")

    def _look(self) -> None:
        self._own.add(f"beat/{self.rank}", 1)
        if self._own.check([_FAILURE]):
            self._end(self._own.get(_FAILURE).decode())
        now = time.monotonic()
        for other in range(1, self.num_ranks) if self.rank == 0 else [0]:
            beat = self._own.add(f"beat/{other}", 0)
            before, since = self._heard.get(other, (-1, now))
            self._heard[other] = (beat, since if beat == before else now)
            if now - self._heard[other][1] > PATIENCE:
                self._end(f"rank {other} ({self._where(other)}) has been silent for {PATIENCE:.0f} s")

    def _where(self, rank: int) -> str:
        key = f"where/{rank}"
        return self._own.get(key).decode() if self._own.check([key]) else "never came"

    def _end(self, reason: str) -> None:
        if self._done.is_set():
            return
        self._done.set()
        _LOG.error("%s; this rank ends too. Run again to go on from the last saved state", reason)
        if self.rank == 0:
            self._pass_on(reason)
        logging.shutdown()
        os._exit(1)

    def _pass_on(self, reason: str) -> None:
        """The store may end with this process: the others are to read the reason first."""
        with suppress(RuntimeError):
            if not self._own.check([_FAILURE]):
                self._own.set(_FAILURE, reason)
            time.sleep(3 * BEAT)


def _first_line(error: BaseException) -> str:
    """What happened; gloo goes on with advice."""
    return str(error).split("\n")[0].split(". ")[0]
