"""Slurm is asked for the state of jobs until it answers.

Where it does not answer for a while (its controller is started anew, its accounting is down), the
executor of Snakemake gives up and forgets its jobs: the run would wait for ever, and say nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

# States by job and the seconds that the answer took; None and None without an answer.
Answer = tuple[dict[str, str] | None, float | None]
Question = Callable[[str, Any], Awaitable[Answer]]


def insist(executor: ModuleType, min_job_age: int, say: Callable[[str], None]) -> None:
    """Let the executor ask until there is an answer.

    Args:
        executor: its module, ``snakemake_executor_plugin_slurm``.
        min_job_age: seconds that Slurm remembers finished jobs. Where it has to ask for them and gets no
            answer, the executor turns to the accounting, even where there is none.
        say: told when there is no answer.
    """
    executor.query_job_status = patient(executor.query_job_status, say)
    executor.get_min_job_age = lambda: min_job_age


def patient(ask: Question, say: Callable[[str], None], pause: float = 20) -> Question:
    """A question that is asked again every ``pause`` seconds, until there is an answer."""

    async def ask_until_answered(command: str, logger: Any) -> Answer:
        answer = await ask(command, logger)
        if answer[0] is None:
            say(f"Slurm does not answer ('{command}'). Its jobs go on; it is asked again every {pause:.0f} s")
        while answer[0] is None:
            await asyncio.sleep(pause)
            answer = await ask(command, logger)
        return answer

    return ask_until_answered
