import os

from novis.cluster.ending import Finished, efficiency, failure

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_a_failed_job_ends_with_its_own_message(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("started from weights\nresumed\n\nnovis train: data/x.jpg: cannot be read\n")
    text = failure("train (dataset=tiny)", [log], [])
    assert text.startswith("train (dataset=tiny)\n")
    assert "    novis train: data/x.jpg: cannot be read\n" in text
    assert text.endswith(f"log: {log}")


def test_what_ranks_say_is_not_lost_below_their_launchers_report(tmp_path):
    """The report is torchrun's own, of torch 2.13."""
    log = tmp_path / "train.log"
    log.write_text(
        "rank 1: started from weights\n"
        "novis train: a batch of 2 clips cannot be divided\n"
        "novis train: a batch of 2 clips cannot be divided\n"
        "E1123 03:52:17.487000 17929 torch/distributed/elastic/multiprocessing/api.py:1002] failed "
        "(exitcode: 2) local_rank: 0 (pid: 18296) of binary: novis\n"
        "Traceback (most recent call last):\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "============================================================\n"
    )
    said = failure("train ()", [log], []).splitlines()[1:-1]
    assert [line.strip() for line in said] == [
        "rank 1: started from weights",
        "novis train: a batch of 2 clips cannot be divided",
    ]


def test_what_slurm_did_to_it_is_taken_from_the_newest_of_its_logs(tmp_path):
    old, new = tmp_path / "1.log", tmp_path / "2.log"
    old.write_text("slurmstepd: error: *** STEP 1.0 ON n1 CANCELLED AT 2024-01-01 ***\n")
    new.write_text(
        "Building DAG\nslurmstepd: error: Detected 1 oom_kill event in StepId=2.0.\nsrun: error: n1: killed\n"
    )
    os.utime(old, (1, 1))
    text = failure("train ()", [], [old, new])
    assert "Slurm: Detected 1 oom_kill event" in text
    assert "CANCELLED" not in text
    assert text.endswith(f"log: {new}")


def test_a_job_that_wrote_nothing_is_told_too(tmp_path):
    (tmp_path / "empty.log").write_text("\n")
    text = failure("track ()", [tmp_path / "none.log", tmp_path / "empty.log"], [])
    assert "(no log was written)" in text
    assert "(nothing in its log)" in text


def test_what_was_used_stands_beside_what_was_asked_for(tmp_path):
    first, second = tmp_path / "a.tsv", tmp_path / "b.tsv"
    first.write_text(HEAD + "60.0\t0:01:00\t500.00\t1\t1\t1\t0\t0\t100\t60.0\n")
    second.write_text(HEAD + "180.0\t0:03:00\t300.00\t1\t1\t1\t0\t0\t200\t420.0\n")
    jobs = [Finished("train", path, minutes=60, memory=16000, cpus=4) for path in (first, second)]
    head, row = efficiency(jobs).splitlines()
    assert head.split() == ["rule", "jobs", "longest", "of", "memory", "of", "CPUs", "of"]
    assert row.split() == ["train", "2", "3.0", "min", "60", "500", "MB", "16000", "2.0", "4"]


def test_jobs_too_short_to_be_measured_count_as_nothing_used(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(HEAD + "0.2\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n")
    assert efficiency([Finished("track", path, 10, 100, 1)]).splitlines()[1].split()[5] == "0"
    assert efficiency([Finished("track", tmp_path / "none.tsv", 10, 100, 1)]) == ""
