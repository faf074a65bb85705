import pandas as pd
import pytest
from PIL import Image

from novis.errors import InputError
from novis.reporting import report as module
from novis.reporting.report import report


@pytest.fixture(scope="module")
def written(ablation_file, clip_file, finished, tmp_path_factory):
    """A report of both studies; measuring them again would be the slow part."""
    measured = {ablation_file: finished[0], clip_file: finished[1]}
    folder = tmp_path_factory.mktemp("report")
    pictures = folder / "overlays"
    pictures.mkdir()
    for name in "gbfadce":
        Image.new("RGB", (40, 20)).save(pictures / f"{name}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "study_report", lambda path, _: measured[path])
        report([ablation_file, clip_file], folder / "out", [pictures])
    return folder / "out"


def test_report_leaves_its_files(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "figure3.csv",
        "figure3.tex",
        "figure3_differences.tex",
        "figure3_differences_fragment.tex",
        "figure3_figure.pdf",
        "figure3_figure.png",
        "figure3_fragment.tex",
        "figure3_mean.csv",
        "report.html",
        "summary.txt",
        "table3.csv",
        "table3.tex",
        "table3_differences.tex",
        "table3_differences_fragment.tex",
        "table3_fragment.tex",
        "table3_mean.csv",
    ]


def test_tables_agree_with_the_measured_numbers(written, finished):
    means = pd.read_csv(written / "table3_mean.csv")
    assert means["AP"].to_numpy() == pytest.approx(finished[0].results["AP"].to_numpy(), rel=1e-5)
    best = finished[0].results[finished[0].results["role"] == "row"]["AP"].max()
    assert rf"\textbf{{{best:.1f}}}" in (written / "table3.tex").read_text()
    assert len(pd.read_csv(written / "table3.csv")) == 28


def test_summary_names_files_that_exist(written):
    lines = (written / "summary.txt").read_text().splitlines()
    named = [line.split()[-1] for line in lines if str(written) in line]
    assert len(named) == 11
    assert all((written / name.rpartition("/")[2]).exists() for name in named)


def test_pictures_of_a_folder_are_in_order(written):
    text = (written / "report.html").read_text()
    places = [text.index(f"<figcaption>{name}</figcaption>") for name in "abcdefg"]
    assert places == sorted(places)


def test_report_without_a_study_is_refused(tmp_path):
    with pytest.raises(InputError, match="no study was named"):
        report([], tmp_path)


def test_studies_of_one_name_would_overwrite_each_other(ablation_file, tmp_path):
    with pytest.raises(InputError, match="'table3' is named twice"):
        report([ablation_file, ablation_file], tmp_path)
