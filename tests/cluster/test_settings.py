import os
import subprocess
import sys

import pytest
import yaml

from novis.cluster.settings import Settings, for_profile, read
from novis.errors import InputError
from tests.paths import ROOT


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "cluster.yaml"
        path.write_text(text)
        return path

    return write


def test_the_file_that_is_shipped_sets_nothing_but_defaults(write):
    assert read(ROOT / "slurm" / "cluster.yaml") == read(write(""))


def test_every_setting_is_in_the_file_that_is_shipped():
    shipped = yaml.safe_load((ROOT / "slurm" / "cluster.yaml").read_text())
    assert set(shipped) == set(Settings.__dataclass_fields__)


def test_what_is_given_reaches_the_jobs(write):
    settings = read(
        write(
            "account: lab\npartitions: {gpu: a100, cpu: long}\ngpus_per_job: 4\ngpu_type: a100\n"
            "hours: {train: 2}\nscratch: /scratch/$USER\nmodules: [cuda/12.4, gcc]\ncpus_per_job: 8\n"
        )
    )
    # Snakemake evaluates resources of a profile: strings carry quotes of their own.
    assert settings.default_resources["slurm_account"] == "'lab'"
    assert settings.default_resources["slurm_partition"] == "'long'"
    assert settings.scratch == "/scratch/$USER"
    assert settings.rule_resources["train"] == {
        "runtime": 120,
        "slurm_extra": "'--signal=TERM@120'",
        "slurm_partition": "'a100'",
        "gpu_model": "'a100'",
        "gpu": 4,
    }
    assert settings.rule_resources["predict"]["runtime"] == 480
    assert settings.threads["predict"] == 8
    assert settings.threads["train"] == 4 * 8, "each of the four ranks has its share"
    assert settings.precommand.endswith(" && module load cuda/12.4 gcc")


def test_a_jobs_script_outlives_the_signal_and_acts_at_its_end(write, tmp_path):
    """As Slurm starts it: by sh, told to stop while the work goes on."""
    work = "sh -c 'kill -TERM $PPID; sleep 0.1; echo worked'"
    command = read(write("")).precommand.replace(
        f"{sys.executable} -m novis.cluster.requeue", "echo at the end"
    )
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n{command} && {work}\n")
    ended = subprocess.run(["sh", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "worked\nat the end\n"


def test_a_job_is_always_on_one_node(write):
    assert read(write("")).default_resources["nodes"] == 1


def test_a_short_limit_leaves_time_to_train(write):
    extra = read(write("hours: {train: 0.0167}")).rule_resources["train"]["slurm_extra"]
    assert extra == "'--signal=TERM@15'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acount: lab", "unknown key 'acount'; did you mean 'account'?"),
        ("partitions: {gpus: a}", "partitions: unknown key 'gpus'; did you mean 'gpu'?"),
        ("partitions: a100", "partitions: must hold gpu, cpu"),
        ("hours: {train: soon}", "hours.train: must be a number above 0"),
        ("hours: {train: true}", "hours.train: must be a number above 0"),
        ("gpus_per_job: 0", "gpus_per_job: must be a whole number of at least 1"),
        ("cpus_per_job: 1.5", "cpus_per_job: must be a whole number"),
        ("modules: cuda", "modules: must be a list"),
        ("- a\n- b", "must hold 'key: value' lines"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_mistake_is_named_with_the_file(write, text, message):
    path = write(text)
    with pytest.raises(InputError, match=r"cluster\.yaml") as raised:
        read(path)
    assert message in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "cluster.yaml")


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """Environment variables that are put back afterwards; the working folder is a checkout's."""
    monkeypatch.setenv("NOVIS_CONTAINER", "")
    monkeypatch.setenv("NOVIS_SCRATCH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.chdir(tmp_path)


def test_the_profile_ends_with_the_message_alone(write):
    with pytest.raises(SystemExit, match="did you mean 'account'"):
        for_profile(write("acount: lab"))


def test_what_programs_keep_lies_inside_the_checkout(write, surroundings, tmp_path):
    for_profile(write(""))
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".snakemake" / "cache")


def test_container_and_scratch_folder_are_handed_on(write, surroundings):
    settings = for_profile(write("container: images/novis.sif\nscratch: /scratch/$USER\n"))
    assert os.environ["NOVIS_SCRATCH"] == "/scratch/$USER", "the node's variables, not this machine's"
    assert settings.deployment == "apptainer"
    assert settings.container_options == "--nv --bind /scratch/$USER"
    assert os.environ["NOVIS_CONTAINER"] == "images/novis.sif"
    assert read(write("")).deployment is None
    assert read(write("")).container_options is None
