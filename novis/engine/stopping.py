"""Told to stop: a stage ends where it can go on later, and says so by its exit status."""

import os
import signal
from types import FrameType

# By which a process is told.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Interrupted(SystemExit):
    """The run was told to stop, and has saved its state. Exit status 75: try again later."""

    def __init__(self) -> None:
        super().__init__(os.EX_TEMPFAIL)


class Told:
    """Whether the process was told to stop, by a time limit, a preemption or a user, since this was made."""

    def __init__(self) -> None:
        self.told = False
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.told = True

    def stop_if_told(self) -> None:
        """To be asked where all that was done is saved.

        Raises:
            Interrupted: the process was told to stop.
        """
        if self.told:
            raise Interrupted
