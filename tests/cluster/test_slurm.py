"""What Slurm prints, read; the texts are those of Slurm 22.05 and of its manual pages."""

import pytest

from novis.cluster import slurm
from novis.errors import InputError

CONFIGURATION = """\
Configuration data as of 2024-05-02T10:00:00
AccountingStorageHost   = localhost
AccountingStorageType   = {accounting}
MinJobAge               = 300 sec
"""
PARTITIONS = """\
PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES QoS=N/A \
MaxTime=10:00:00 MinNodes=0 Nodes=n[1-2] State=UP TotalCPUs=8 TotalNodes=2
PartitionName=long AllowGroups=ALL AllowAccounts=lab,guests AllowQos=ALL Default=NO DenyAccounts=old \
MaxTime=UNLIMITED Nodes=n3 State=DRAIN
"""
NODES = """\
NodeName=n1 Arch=x86_64 CoresPerSocket=4 CPUAlloc=0 CPUTot=4 CPULoad=2.74 Gres=gpu:a100:2(S:0-1),gpu:v100:1 \
NodeHostName=localhost OS=Linux 6.1 #1 SMP RealMemory=8000 AllocMem=0 State=IDLE Partitions=gpu,urgent
NodeName=n2 CPUTot=8 Gres=gpu:2 RealMemory=16000 State=IDLE Partitions=gpu
NodeName=n3 CPUTot=64 Gres=(null) RealMemory=16000 State=IDLE Partitions=long
"""


@pytest.fixture
def answers(monkeypatch):
    """Slurm's answers by the last word of the question."""
    known = {
        "config": CONFIGURATION.format(accounting="accounting_storage/none"),
        "partitions": PARTITIONS,
        "nodes": NODES,
        "format=account": "lab\nguests\nlab\n",
    }
    monkeypatch.setattr(slurm, "ask", lambda *words: known[words[-1]])
    return known


def test_partitions_are_read(answers):
    gpu, long = slurm.describe().partitions
    assert gpu == slurm.Partition("gpu", minutes=600, up=True, default=True, accounts=None)
    assert long == slurm.Partition("long", None, False, False, ("lab", "guests"), ("old",))
    assert slurm.describe().default == gpu


def test_nodes_are_read_with_gpus_by_type(answers):
    n1, n2, n3 = slurm.describe().nodes
    assert n1 == slurm.Node("n1", 4, 8000, {"a100": 2, "v100": 1}, ("gpu", "urgent"))
    assert n2.gpus == {"": 2}
    assert n3.gpus == {}


def test_accounts_are_asked_for_only_where_they_are_kept(answers):
    assert slurm.describe().accounts is None
    assert slurm.status_command() == "squeue"
    answers["config"] = CONFIGURATION.format(accounting="accounting_storage/slurmdbd")
    assert slurm.describe().accounts == ("lab", "guests")
    assert slurm.status_command() == "sacct"
    assert slurm.describe().min_job_age == 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UNLIMITED", None),
        ("01:00:00", 60),
        ("2-12:30:00", 3630),
        ("1-00", 1440),
        ("90", 90),
        ("10:30", 10.5),
        ("00:00:30", 0.5),
    ],
)
def test_times_are_read_as_the_manual_of_sbatch_defines_them(text, expected):
    assert slurm.minutes(text) == expected


def test_the_jobs_of_a_checkout_are_told_from_all_others(monkeypatch, tmp_path):
    lines = [
        f"12|ada|RUNNING|rule_train_wildcards_a|novis_1234|{tmp_path}",
        f"13|ada|PENDING|(null)|jupyter|{tmp_path}",
        "14|ada|RUNNING|rule_train|novis_1234|/elsewhere",
    ]
    monkeypatch.setattr(slurm, "ask", lambda *words: "\n".join(lines) + "\n")
    assert slurm.jobs_of(tmp_path) == [slurm.Job("12", "ada", "RUNNING", "rule_train_wildcards_a")]


def test_a_job_that_slurm_has_forgotten_is_told_from_a_slurm_that_does_not_answer(monkeypatch):
    said = ["Slurm refuses 'squeue': slurm_load_jobs error: Invalid job id specified"]

    def refuse(*words):
        raise InputError(said[0])

    monkeypatch.setattr(slurm, "ask", refuse)
    assert slurm.state_of("7") == ""
    said[0] = "Slurm refuses 'squeue': slurm_load_jobs error: Unable to contact slurm controller"
    with pytest.raises(InputError, match="Unable to contact"):
        slurm.state_of("7")


def test_a_missing_command_is_told():
    with pytest.raises(InputError, match="'no-such-command' is not here"):
        slurm.ask("no-such-command")


def test_what_slurm_says_against_a_question_is_told():
    with pytest.raises(InputError, match=r"Slurm refuses 'ls --no-such-option'.*unrecognized"):
        slurm.ask("ls", "--no-such-option")
