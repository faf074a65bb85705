import json
import shutil

import pytest

from novis.errors import InputError
from novis.reporting.cells import Number
from novis.reporting.collect import aggregate, tidy
from novis.reporting.layouts import table_of
from novis.reporting.summary import plain_text
from novis.reporting.tables import compile_pdf, latex_fragment, write_table
from tests.reporting.benchmark_study import minvis, run, study, swin

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")


def table(folder, runs, external=None):
    made = study(folder, runs, external)
    return table_of(made, aggregate(tidy(made)))


def section(of, title):
    return next(section for section in of.sections if section.title == title).rows


def texts(row):
    return [cell.text if isinstance(cell, Number) else cell for cell in row]


def columns(of, name, group):
    return [i for i, column in enumerate(of.columns) if (column.name, column.group) == (name, group)]


@pytest.fixture
def table1(tmp_path):
    """Measured, exported and external scores of both YouTube-VIS, two backbones."""
    runs = [
        run("ytvis_2021", None),
        run("ytvis_2019", 0.52),
        run("ytvis_2019_coco", None),
        minvis("ytvis_2019", 0.55),
        swin("ytvis_2021", None),
    ]
    line = 'ytvis_2019,R50 NOVIS CC+VIS 4/2 360,53.1,76,,,,"server of 2019, by mail",2025-11-30'
    return table(tmp_path, runs, [line])


def test_the_data_sets_of_a_row_share_a_line(table1):
    assert [(c.name, c.group) for c in table1.columns][:5] == [
        ("method", ""), ("data", ""), ("T/S", ""), ("MST", ""), ("FPS", ""),
    ]  # fmt: skip
    groups = [column.group for column in table1.columns[5:]]
    assert groups == ["YouTube-VIS 2019"] * 6 + ["YouTube-VIS 2021"] * 5
    ours = section(table1, "ResNet-50, this implementation")
    vis = next(row for row in ours if row[:2] == ("NOVIS", "VIS"))
    assert texts(vis)[2:11] == ["4/2", "360", None, "52.0", "74.0", "56.0", "49.0", "60.0", "+0.6"]


def test_published_rows_come_as_printed_with_their_sources(table1):
    rows = section(table1, "ResNet-50, published")
    assert len(rows) == 15
    first, last = texts(rows[0]), texts(rows[-1])
    # Table 1 of the paper, its first and last rows of a ResNet-50.
    assert first[:6] == ["MaskTrack (Yang et al., 2019)", "VIS", "ON", None, "26.1", "30.3"]
    assert last[:6] == ["NOVIS (the paper)", "CC+VIS", "4/2", None, "19.9", "52.8"]
    assert texts(rows[0])[-5:] == ["28.6", "48.9", "29.6", "26.5", "33.8"]
    assert "arXiv 2308.15266" in table1.notes[0]


def test_ours_come_with_the_papers_method_last_and_the_better_below(table1):
    ours = section(table1, "ResNet-50, this implementation")
    assert [row[:3] for row in ours] == [
        ("MinVIS", "VIS", "ON"),
        ("NOVIS", "VIS", "4/2"),
        ("NOVIS", "CC+VIS", "4/2"),
    ]


def test_differences_are_to_the_papers_row_of_the_same_setting(table1):
    (diff,) = columns(table1, "diff.", "YouTube-VIS 2019")
    ours = section(table1, "ResNet-50, this implementation")
    # 55.0 - 47.4, 52.0 - 51.4 and 53.1 - 52.8 of Table 1.
    assert [row[diff].text for row in ours] == ["+7.6", "+0.6", "+0.3"]
    assert {row[diff] for row in section(table1, "ResNet-50, published")} == {""}


def test_the_best_is_marked_over_published_rows_and_ours(table1):
    (ap,) = columns(table1, "AP", "YouTube-VIS 2019")
    ours = section(table1, "ResNet-50, this implementation")
    published = section(table1, "ResNet-50, published")
    assert [row[ap].rank for row in ours] == [1, 0, 2]
    assert {row[ap].rank for row in published} == {0}


def test_scores_from_elsewhere_have_a_dagger_and_their_source(table1):
    row = section(table1, "ResNet-50, this implementation")[-1]
    (ap,) = columns(table1, "AP", "YouTube-VIS 2019")
    assert [(cell.text, cell.mark) for cell in row[ap : ap + 3]] == [("53.1", "†"), ("76.0", "†"), (None, "")]
    notes = [note for note in table1.notes if note.startswith("†")]
    assert notes == ["† Scored elsewhere: YouTube-VIS 2019 by server of 2019, by mail, 2025-11-30."]


def test_what_was_exported_and_not_scored_is_said(table1):
    (ap,) = columns(table1, "AP", "YouTube-VIS 2021")
    rows = section(table1, "ResNet-50, this implementation")
    assert [texts(row)[ap] for row in rows] == [None, "exported‡", None]
    assert section(table1, "Swin-L, this implementation")[0][ap] == "exported‡"
    assert any(
        note.startswith("‡ Exported, not scored") and "servers closed" in note for note in table1.notes
    )


def test_what_was_exported_lacks_no_runs(table1):
    assert not any("lack runs" in note for note in table1.notes)


def test_seeds_that_are_not_scored_yet_are_counted(tmp_path):
    made = table(tmp_path, [run("ovis", 0.3), run("ovis", None, seed=1)])
    assert any("1 of 1 rows lack runs" in note for note in made.notes)


def test_a_run_that_has_not_come_so_far_is_missing_not_exported(tmp_path):
    made = table(tmp_path, [run("ytvis_2019", None, exported=False)])
    assert texts(section(made, "ResNet-50, this implementation")[0])[5] is None
    assert not any("‡" in note for note in made.notes)


def test_folds_of_the_training_set_are_not_compared_with_the_validation_set(tmp_path):
    runs = [run("ovis", ap, split=f"fold{fold}", **more) for fold in (0, 1) for ap, more in (
        (0.9, {}), (0.8, {"variant": "novis_large", "min_size": 720}))]  # fmt: skip
    made = table(tmp_path, runs)
    assert not columns(made, "diff.", "OVIS")
    (ap,) = columns(made, "AP", "OVIS")
    published = section(made, "ResNet-50, published")
    assert [row[ap].rank for row in section(made, "ResNet-50, this implementation")] == [2, 1]
    # 30.8 and 32.7 of Table 2.
    assert [row[ap].rank for row in published[-2:]] == [2, 1]
    assert any("held-out folds of the training set" in note for note in made.notes)


def test_table_2_has_its_own_columns_and_footnotes(tmp_path):
    made = table(tmp_path, [run("ovis", 0.31), swin("ovis", 0.44), swin("ovis", 0.441, min_size=720)])
    assert [column.name for column in made.columns] == [
        "method", "data", "T/S", "MST", "AP", "AP50", "AP75", "AR1", "AR10", "diff.",
    ]  # fmt: skip
    vita = next(row for row in section(made, "ResNet-50, published") if str(row[0]).startswith("VITA"))
    assert vita[:2] == ("VITA (Heo et al., 2022)*", "CC+VIS")
    assert "* Trained jointly on clips simulated from COCO images." in made.notes
    # Tested at 480, as the paper's text has it where the table says 360: 44.0 - 43.0; 44.1 - 43.5 at 720.
    assert [row[-1].text for row in section(made, "Swin-L, this implementation")] == ["+1.0", "+0.6"]


def test_another_data_set_has_only_our_rows(tmp_path):
    made = table(tmp_path, [run("shapes", 0.6, model="novis_shapes", min_size=96)])
    assert [section.title for section in made.sections] == ["novis shapes, this implementation"]
    assert len(made.columns) == 4 + 5


def test_the_tables_cannot_be_mixed(tmp_path):
    with pytest.raises(InputError, match="make a study of each"):
        table(tmp_path, [run("ovis", 0.3), run("ytvis_2019", 0.5)])


def test_text_and_latex_have_the_signs(table1):
    lines = plain_text(table1)
    assert any("53.1†" in line for line in lines)
    latex = latex_fragment(table1)
    assert r"\underline{53.1}$^\dagger$" in latex
    assert r"exported$^\ddagger$" in latex
    assert latex.isascii()


@needs_latex
def test_the_table_compiles(table1, tmp_path):
    write_table(table1, tmp_path / "compiled.tex")
    compile_pdf(tmp_path / "compiled.tex")
    assert (tmp_path / "compiled.pdf").read_bytes().startswith(b"%PDF")


def timed(folder, fps, **fields):
    """A run whose speed was measured."""
    path = folder / f"speed_{fps}.json"
    path.write_text(json.dumps({"fps": fps, "hardware": {"device": "a GPU"}}))
    return run("ytvis_2019", 0.5, speed=str(path), **fields)


def test_speed_and_latency_stand_where_they_were_measured_and_nowhere_else(tmp_path):
    whole = {"clip_length": "video", "variant": "mask2former_vis", "tracker": "identity", "stride": 1}
    whole["tracker_settings"] = {"kind": "identity"}
    runs = [timed(tmp_path, 19.5), swin("ytvis_2019", 0.6), timed(tmp_path, 25.0, **whole)]
    made = table(tmp_path, runs)
    fps, latency = columns(made, "FPS", "")[0], columns(made, "lat.", "")[0]
    ours = {row[0]: texts(row) for row in section(made, "ResNet-50, this implementation")}
    assert (ours["Mask2Former"][fps], ours["Mask2Former"][latency]) == ("25.0", None)
    assert (ours["NOVIS"][fps], ours["NOVIS"][latency]) == ("19.5", "1/3")
    large = texts(section(made, "Swin-L, this implementation")[0])
    assert (large[fps], large[latency]) == (None, None)
    assert "Lat.: frames that must be seen" in " ".join(made.notes)
    fragment = latex_fragment(made)
    assert "lat." in fragment
    assert "1/3" in fragment


def test_without_a_measured_speed_there_is_no_latency(table1):
    assert columns(table1, "FPS", ""), "the paper reports some"
    assert not columns(table1, "lat.", "")
    assert not any("Our FPS" in note for note in table1.notes)


def test_every_row_of_ours_names_the_rows_of_the_study_that_it_is_made_of(table1):
    ours = next(s for s in table1.sections if s.title == "ResNet-50, this implementation")
    origins = dict(zip([row[:2] for row in ours.rows], ours.origins, strict=True))
    # KEY begins with the role and the data set.
    assert [key[1] for key in origins["NOVIS", "VIS"]] == ["ytvis_2021", "ytvis_2019"]
    assert [key[1] for key in origins["MinVIS", "VIS"]] == ["ytvis_2019"]
    published = next(s for s in table1.sections if s.title == "ResNet-50, published")
    assert published.origins == ()
