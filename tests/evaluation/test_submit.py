import json
import subprocess
import sys
import zipfile

import pytest

from novis import cli
from novis.data.annotations import write_annotations
from novis.errors import InputError
from novis.evaluation.submit import submit
from novis.storage.results_json import writing_results
from tests.evaluation.builders import annotations, box, track, video

MASK = box(0, 0, 4, 5)


@pytest.fixture
def files(tmp_path):
    """Three videos whose ground truth is held back, and two tracks of the second of them."""
    write_annotations(tmp_path / "valid.json", annotations([video(i, 2) for i in (1, 2, 3)], None))
    with writing_results(tmp_path / "anything.json") as results:
        results.write(track(2, 1, 0.5, [MASK, None]))
        results.write(track(2, 2, 0.25, [None, MASK]))
    return tmp_path / "anything.json", tmp_path / "valid.json"


def test_the_zip_holds_the_tracks_as_results_json_at_its_root(files, tmp_path):
    submit(*files, tmp_path / "out" / "submission.zip")
    with zipfile.ZipFile(tmp_path / "out" / "submission.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["results.json"]
        assert archive.read("results.json") == files[0].read_bytes()


def test_the_message_counts_tracks_and_videos(files, tmp_path, caplog):
    with caplog.at_level("INFO"):
        submit(*files, tmp_path / "submission.zip")
    assert caplog.messages == [f"{tmp_path / 'submission.zip'}: 2 tracks in 1 of 3 videos, 0.0 MB"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": 4}, "anything.json: track 1: video 4 is not in the annotations, which have 3 videos"),
        ({"category_id": 3}, "track 1: category 3 is not in the annotations"),
        ({"segmentations": [None]}, "track 1: 1 segmentations, but video 2 has 2 frames"),
        ({"score": "high"}, "track 1: 'score' is 'high'"),
    ],
)
def test_tracks_that_do_not_fit_leave_no_zip(files, tmp_path, changes, message):
    content = json.loads(files[0].read_text())
    content[1] |= changes
    files[0].write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        submit(*files, tmp_path / "submission.zip")
    assert not (tmp_path / "submission.zip").exists()


def test_the_command_line_submits(files, tmp_path):
    words = ["--results", files[0], "--annotations", files[1], "--output", tmp_path / "submission.zip"]
    assert cli.main(["submit", *map(str, words)]) == 0
    assert zipfile.is_zipfile(tmp_path / "submission.zip")


def test_no_torch_is_needed():
    code = "import sys, novis.evaluation.submit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
