"""The stage ``report``: finished studies become tables, figures, one page and a summary."""

import shutil
from pathlib import Path

from novis.errors import InputError
from novis.files import replacing
from novis.reporting.collect import aggregate, tidy, write_csv
from novis.reporting.figures import FIGURES
from novis.reporting.html import write_page
from novis.reporting.layouts import table_of
from novis.reporting.plotting import write_figure
from novis.reporting.significance import comparison_table, comparisons
from novis.reporting.study import read_study
from novis.reporting.summary import StudyReport, summary
from novis.reporting.tables import write_table


def report(studies: list[Path], output: Path, overlays: list[Path] = (), num_resamples: int = 2000) -> None:
    """Write the tables, figures, page and summary of some studies.

    In the output folder: report.html, summary.txt, and for every study STUDY.csv (every
    fold and seed), STUDY_mean.csv, STUDY.tex with STUDY_fragment.tex, and where its layout
    has them STUDY_differences.tex and STUDY.pdf with STUDY.png.

    Args:
        studies: the study.json files, in the order of the page
        output: the folder to write into
        overlays: pictures for the page, or folders of them
        num_resamples: draws of the bootstrap behind the intervals of differences
    """
    if not studies:
        raise InputError("no study was named; give at least one study.json")
    names = [read_study(path).name for path in studies]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"study '{name}' is named twice; its files would overwrite each other")
    reports = [study_report(path, num_resamples) for path in studies]
    experiment = reports[0].study.experiment
    files = {"page": output / "report.html"}
    for one in reports:
        files |= write_study(one, output)
    files["summary"] = output / "summary.txt"
    write_page(experiment, reports, _pictures(overlays), files["page"])
    with replacing(files["summary"]) as temporary:
        temporary.write_text(summary(experiment, reports, files))


def study_report(path: Path, num_resamples: int = 2000) -> StudyReport:
    """Read a study and measure all that is said about it."""
    study = read_study(path)
    runs = tidy(study)
    results = aggregate(runs)
    table = table_of(study, results, all_yardsticks=True)
    return StudyReport(study, runs, results, table, comparisons(study, runs, results, num_resamples))


def write_study(one: StudyReport, output: Path) -> dict[str, Path]:
    """Write a study's tables and figure; return the files by what they are."""
    name = one.study.name
    files = {
        f"{name}, every run": output / f"{name}.csv",
        f"{name}, means": output / f"{name}_mean.csv",
        f"{name}, table": output / f"{name}.tex",
    }
    write_csv(one.runs, output / f"{name}.csv")
    write_csv(one.results, output / f"{name}_mean.csv")
    write_table(table_of(one.study, one.results), output / f"{name}.tex")
    if one.comparisons:
        files[f"{name}, differences"] = output / f"{name}_differences.tex"
        write_table(comparison_table(one.study, list(one.comparisons)), output / f"{name}_differences.tex")
    pdf, png = (output / f"{name}_figure.{ending}" for ending in ("pdf", "png"))
    if one.study.layout in FIGURES:
        write_figure(FIGURES[one.study.layout](one.results), pdf, png)
        files[f"{name}, figure"] = pdf
    if one.study.gallery:
        for path in (pdf, png):
            with replacing(path) as temporary:
                shutil.copyfile(Path(one.study.gallery).with_suffix(path.suffix), temporary)
        files[f"{name}, figure"] = pdf
    return files


def _pictures(overlays: list[Path]) -> list[Path]:
    pictures: list[Path] = []
    for path in overlays:
        pictures += sorted(path.glob("*.png")) if path.is_dir() else [path]
    return pictures
