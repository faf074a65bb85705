"""Ranks that fail, die, fall silent or leave, as processes that do nothing else."""

import signal

from tests.engine.processes import Ranks

PREAMBLE = """
import logging, sys, time
from novis.engine import ranks, watch
from novis.errors import InputError
logging.basicConfig(level=logging.INFO, format="%(message)s")
rank = ranks.place(__import__("os").environ).rank
"""


def start(tmp_path, body, count=2):
    return Ranks(count, ["-c", PREAMBLE + body], tmp_path)


def test_an_error_of_one_rank_ends_the_others_with_its_message(tmp_path):
    body = """
with ranks.joined(3):
    if rank == 1:
        raise InputError("video_2: cannot be read")
    ranks.total([1.0])
"""
    group = start(tmp_path, body, count=3)
    assert group.finish() == [1, 1, 1]
    for rank in (0, 2):
        assert f"rank {rank}: rank 1 (" in group.said()[rank]
        assert "stopped: video_2: cannot be read; this rank ends too" in group.said()[rank]
        assert "Traceback" not in group.said()[rank]


def test_a_rank_that_is_killed_ends_the_others(tmp_path):
    body = """
with ranks.joined():
    print("joined", flush=True)
    while True:
        ranks.total([1.0])
"""
    group = start(tmp_path, body)
    group.wait_for(lambda: all("joined" in text for text in group.said()))
    group.processes[1].send_signal(signal.SIGKILL)
    assert group.finish() == [1, -signal.SIGKILL]
    assert "rank 0: another rank is gone" in group.said()[0]
    assert "Traceback" not in group.said()[0]


def test_a_silent_rank_ends_the_others(tmp_path):
    body = """
watch.PATIENCE = 3.0
with ranks.joined():
    print("joined", flush=True)
    ranks.total([1.0]) if rank == 0 else time.sleep(1000)
"""
    group = start(tmp_path, body)
    group.wait_for(lambda: all("joined" in text for text in group.said()))
    group.processes[1].send_signal(signal.SIGSTOP)
    assert group.processes[0].wait() == 1
    group.processes[1].kill()
    assert f"process {group.processes[1].pid}) has been silent for 3 s" in group.said()[0]


def test_ranks_wait_for_the_last_and_leave_together(tmp_path):
    body = """
with ranks.joined():
    time.sleep(3 * (rank == 0))
    print("written", flush=True) if rank == 0 else None
print("left", flush=True)
"""
    group = start(tmp_path, body)
    group.wait_for(lambda: True)
    assert group.processes[1].wait() == 0
    assert "written" in group.said()[0]
    assert group.finish() == [0, 0]


def test_an_orderly_exit_of_all_keeps_its_status(tmp_path):
    body = """
with ranks.joined():
    time.sleep(2 * (rank == 0))
    raise SystemExit(75)
"""
    assert start(tmp_path, body).finish() == [75, 75]
