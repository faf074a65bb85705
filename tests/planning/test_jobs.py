import pytest

from novis.errors import InputError
from novis.experiment import Prediction, Tracking, Training
from novis.planning.jobs import read_counts, read_summary, run_of, schedule

TRAINING = Training("ovis", "fold0", "novis_r50", "novis", 4, 2)
TRACKING = Tracking(Prediction(TRAINING, 4, "all", 360), 2, "overlap_embed")

COLUMNS = "output_file\tdate\trule\tlog-file(s)\tinput-file(s)\tshellcmd\tstatus\tplan"
DRY_RUN = """Building DAG of jobs...
Job stats:
job           count
----------  -------
all               1
configure         4
track            20
total            25

[Mon Nov 23 00:00:00 2026]
"""


def summary(*lines):
    return "\n".join(
        [
            COLUMNS,
            *("\t".join((path, "-", rule, "-", "-", "-", "missing", plan)) for path, rule, plan in lines),
        ]
    )


def test_a_file_belongs_to_the_run_whose_folder_holds_it():
    for run in (TRAINING, TRACKING.prediction, TRACKING):
        folder, fields = run_of(f"results/{run.folder}/file.json", "results")
        assert folder == f"results/{run.folder}"
        assert fields["dataset"] == "ovis"
        assert fields["train_clip_length"] == "4"
    assert (fields["stride"], fields["tracker"]) == ("2", "overlap_embed")
    features, fields = run_of(f"results/{TRAINING.folder}/features-360px.h5", "results")
    assert features == f"results/{TRAINING.folder}/features-360px"
    assert (fields["min_size"], fields["seed"]) == ("360", "2")
    assert run_of("data/ovis/train.json", "results") == ("data/ovis", {})


def test_files_of_one_rule_and_run_are_one_job():
    folder = f"results/{TRACKING.folder}"
    text = summary(
        (f"{folder}/results.json", "track", "update pending"),
        (f"{folder}/linking.json", "track", "update pending"),
        (f"{folder}/metrics.json", "evaluate", "no update"),
        (f"results/{TRAINING.folder}/checkpoint.pth", "train", "no update"),
    )
    track, evaluate, train = read_summary(text, "results")
    assert (track.rule, len(track.outputs), track.pending) == ("track", 2, True)
    assert (evaluate.rule, evaluate.pending) == ("evaluate", False)
    assert train.fields["seed"] == "2"


def test_jobs_are_counted_as_the_dry_run_counts_them():
    assert read_counts(DRY_RUN) == {"configure": 4, "track": 20}
    assert read_counts("Nothing to be done\n") == {}


def test_outside_a_checkout_nothing_can_be_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="plan in the root of the checkout"):
        schedule("all", None, "results")
