"""Requests held against a cluster that is described by hand; against a real one: test_mistakes.py."""

import dataclasses

import pytest

from novis.cluster.preflight import Request, cap_memory, check_polling, grown, objections
from novis.cluster.slurm import Cluster, Node, Partition
from novis.errors import InputError

CLUSTER = Cluster(
    partitions=(
        Partition("gpu", minutes=600, up=True, default=True, accounts=None),
        Partition("cpu", minutes=None, up=True, default=False, accounts=("lab",), denied=()),
        Partition("old", minutes=60, up=False, default=False, accounts=None, denied=("lab",)),
    ),
    nodes=(
        Node("n1", cpus=8, memory=64000, gpus={"a100": 4}, partitions=("gpu",)),
        Node("n2", cpus=32, memory=32000, gpus={"v100": 2}, partitions=("gpu",)),
        Node("n3", cpus=64, memory=16000, gpus={}, partitions=("cpu", "old")),
    ),
    accounts=("lab", "guests"),
    min_job_age=300,
)
REQUEST = Request("train", "gpu", "lab", minutes=600, memory=64000, cpus=8, gpus=4, gpu_type="a100")


def told(cluster=CLUSTER, **change):
    return list(objections(dataclasses.replace(REQUEST, **change), cluster))


def test_what_fits_is_not_objected_to():
    assert told() == []
    assert told(partition="cpu", gpus=0, gpu_type=None, memory=16000, minutes=100000) == []
    assert told(partition=None) == [], "the cluster's default partition"
    assert told(gpu_type=None, gpus=8, nodes=2) == [], "eight on two nodes"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partition": "gpus"}, "partitions: there is no 'gpus'; did you mean 'gpu'?"),
        ({"account": "lap"}, "account: you have no account 'lap'; did you mean 'lab'?"),
        ({"minutes": 601}, "601 minutes asked for, partition 'gpu' allows 600; set hours to 10 or less"),
        ({"minutes": 601, "rules": "track"}, "allows 600; name one that allows it under 'partitions: cpu'"),
        ({"gpus": 5}, "5 GPUs of type 'a100' asked for, a node of 'gpu' has 4; set gpus_per_job"),
        (
            {"gpu_type": "h100"},
            "no node of partition 'gpu' has GPUs of type 'h100' (gres); there are: a100, v100",
        ),
        ({"cpus": 33}, "33 CPUs asked for, a node of 'gpu' has 32"),
        ({"memory": 64001}, "64001 MB of memory asked for, a node of 'gpu' has 64000"),
    ],
)
def test_what_the_cluster_cannot_do_is_told(change, message):
    texts = told(**change)
    assert len(texts) == 1
    assert message in texts[0]


def test_a_partition_without_gpus_is_told_apart_from_one_of_another_type():
    assert told(partition="cpu", gpu_type=None, gpus=1, memory=1, minutes=1) == [
        "train: no node of partition 'cpu' has GPUs (gres); name one that has under 'partitions: gpu'"
    ]


def test_closed_partitions_are_told():
    texts = told(partition="old", gpus=0, minutes=1, memory=1)
    assert any("'old' is not up" in text for text in texts)
    assert any("'old' is not open to account 'lab'" in text for text in texts)
    assert told(partition="cpu", account="guests", gpus=0, memory=1) == [
        "partition 'cpu' is not open to account 'guests'"
    ]


def test_accounts_count_only_where_there_are_any():
    without = dataclasses.replace(CLUSTER, accounts=None)
    assert told(without, account="whatever", partition="gpu") == []
    none = dataclasses.replace(CLUSTER, accounts=())
    assert "you have none on this cluster" in told(none, account=None)[0]


def test_a_cluster_without_default_partition_wants_names():
    unnamed = dataclasses.replace(CLUSTER, partitions=CLUSTER.partitions[1:])
    assert told(unnamed, partition=None) == [
        "partitions: the cluster has no default; name one for gpu and one for cpu"
    ]


def test_a_request_follows_from_snakemakes_resources():
    resources = {"slurm_partition": "gpu", "runtime": 5, "mem_mb": 100, "gpu": 2, "nodes": 1, "mem_mib": 96}
    assert Request.of("train", 4, resources) == Request("train", "gpu", None, 5, 100, 4, gpus=2)


def test_jobs_that_would_be_forgotten_before_their_end_is_seen_are_told():
    forgetful = dataclasses.replace(CLUSTER, min_job_age=199, accounts=None)
    with pytest.raises(InputError, match="forgets jobs 199 s after their end"):
        check_polling(forgetful, "squeue", 1)
    check_polling(dataclasses.replace(forgetful, min_job_age=200), "squeue", 1)
    with pytest.raises(InputError, match="It needs 300 s"):
        check_polling(dataclasses.replace(forgetful, min_job_age=299), "squeue", 100)
    check_polling(dataclasses.replace(forgetful, accounts=("lab",)), "sacct", 100)


def test_asking_accounts_that_are_not_kept_is_refused():
    with pytest.raises(InputError, match="would wait for ever"):
        check_polling(dataclasses.replace(CLUSTER, accounts=None), "sacct", 1)


def test_memory_doubles_with_each_attempt_up_to_what_nodes_have(monkeypatch):
    monkeypatch.delenv("NOVIS_MEMORY_CAP", raising=False)
    assert [grown(16000, attempt) for attempt in (1, 2, 3)] == [16000, 32000, 64000]
    monkeypatch.setenv("NOVIS_MEMORY_CAP", "")
    cap_memory([REQUEST, dataclasses.replace(REQUEST, partition="cpu")], CLUSTER)
    assert [grown(9000, attempt) for attempt in (1, 2, 3)] == [9000, 16000, 16000], "n3, the largest of 'cpu'"
    assert grown(17000, 2) == 17000, "never less than was asked for first"
