import re
from itertools import product

import pytest

from novis.paths import TRACKING, WILDCARDS, Prediction, Tracking, Training

TRAINING = Training("ovis", "fold0", "novis_r50", "novis", 4, 1)
PREDICTIONS = [
    Prediction(TRAINING, length, starts, 360, reading)
    for length, starts, reading in product((4, "video"), ("all", "every2"), ("own", "output_query"))
]
TRACKINGS = [Tracking(p, 2, "overlap_embed", cut) for p, cut in product(PREDICTIONS, (16, "video"))]


def test_a_folder_names_what_differs():
    folder = str(Tracking(Prediction(TRAINING, 4, "all", 360), 2, "embed").folder)
    assert folder == "ovis/fold0/novis_r50-novis/T4-seed1/test-T4-all-360px/S2-embed"


def test_no_two_runs_share_a_folder():
    assert len({str(tracking.folder) for tracking in TRACKINGS}) == len(TRACKINGS)


@pytest.mark.parametrize("tracking", TRACKINGS, ids=lambda tracking: str(tracking.folder))
def test_the_workflow_reads_back_what_the_path_says(tracking):
    pattern = re.escape(TRACKING).replace(r"\{", "{").replace(r"\}", "}")
    for name, expression in WILDCARDS.items():
        pattern = pattern.replace("{" + name + "}", f"(?P<{name}>{expression})", 1)
    found = re.fullmatch(pattern, str(tracking.folder)).groupdict()
    assert found == {key: str(value) for key, value in tracking.fields.items()}
