"""Tables in LaTeX: booktabs, best bold, second underlined, spread in small type."""

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import jinja2
import pandas as pd

from novis.errors import InputError
from novis.files import replacing
from novis.reporting.cells import Cell, Column, Number, Table, groups

# What a document needs that includes a fragment by \input.
PACKAGES = ("amssymb", "booktabs", "multirow", "threeparttable", "xcolor")
_MISSING = "---"
# Signs of footnotes and of names, in ASCII.
_SIGNS = str.maketrans({"\N{DAGGER}": r"$^\dagger$", "\N{DOUBLE DAGGER}": r"$^\ddagger$", "\N{PRIME}": "$'$"})
_INSTALL = "texlive-latex-base texlive-latex-recommended texlive-latex-extra latexmk"


def write_table(table: Table, output: Path) -> None:
    """Write ``output`` (a document that compiles alone) and ``NAME_fragment.tex`` for ``\\input``."""
    fragment = latex_fragment(table)
    document = _templates().get_template("document.tex.j2").render(fragment=fragment, packages=PACKAGES)
    for path, text in ((output.with_name(f"{output.stem}_fragment.tex"), fragment), (output, document)):
        with replacing(path) as temporary:
            temporary.write_text(text)


def latex_fragment(table: Table) -> str:
    """The ``table`` environment of a table, in ASCII; needs :data:`PACKAGES`."""
    heads = groups(table.columns)
    grouped = any(group for group, _ in heads)
    sections = [
        {"title": section.title, "rows": [_row(row, table.columns) for row in section.rows]}
        for section in table.sections
    ]
    return (
        _templates()
        .get_template("table.tex.j2")
        .render(
            table=table,
            sections=sections,
            alignment="".join(column.align[0] for column in table.columns),
            headings=_headings(table.columns) if grouped else [],
            rules=_rules(heads),
            names=_names(table.columns, grouped),
        )
    )


def compile_pdf(tex: Path, output: Path | None = None) -> None:
    """Compile a table into a PDF, with latexmk or pdflatex.

    Args:
        tex: a document written by write_table
        output: the PDF to write; beside the document without it

    Raises:
        InputError: LaTeX is not installed, or the document does not compile.
    """
    if not tex.exists():
        raise InputError(f"{tex}: no such LaTeX document; build the report first")
    command = _latex_command()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(tex, Path(folder) / "table.tex")
        run = subprocess.run(
            [*command, "table.tex"], cwd=folder, capture_output=True, text=True, errors="replace"
        )
        pdf = Path(folder) / "table.pdf"
        if run.returncode or not pdf.exists():
            errors = [line for line in run.stdout.splitlines() if line.startswith("!")] or ["no PDF was made"]
            raise InputError(f"{tex}: does not compile: {errors[0]}; are all of these installed? {_INSTALL}")
        with replacing(output or tex.with_suffix(".pdf")) as temporary:
            shutil.copy(pdf, temporary)


@cache
def escape(text: str) -> str:
    """Text with LaTeX's special characters escaped (by pandas), signs of footnotes raised."""
    frame = pd.DataFrame([[" ".join(text.split())]])
    lines = frame.style.format(escape="latex").hide(axis="index").hide(axis="columns").to_latex().splitlines()
    return lines[1].removesuffix(r" \\").translate(_SIGNS)


def _latex_command() -> list[str]:
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    if shutil.which("latexmk") and shutil.which("pdflatex"):
        return ["latexmk", "-pdf", *options]
    if shutil.which("pdflatex"):
        return ["pdflatex", *options]
    raise InputError(f"LaTeX is not installed, so no PDF can be made; on Debian: apt-get install {_INSTALL}")


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("novis.reporting"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="((*",
        block_end_string="*))",
        variable_start_string="(((",
        variable_end_string=")))",
        comment_start_string="((#",
        comment_end_string="#))",
    )
    environment.filters["escape"] = escape
    environment.filters["label"] = lambda name: re.sub(r"[^A-Za-z0-9:-]", "-", name)
    return environment


def _headings(columns: tuple[Column, ...]) -> list[str]:
    """The upper line of the head: groups over their columns, names that span both lines."""
    cells, position = [], 0
    for group, width in groups(columns):
        if group:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_metric_name(group)}}}")
        else:
            cells.append(rf"\multirow{{2}}{{*}}[-0.5ex]{{{_metric_name(columns[position].name)}}}")
        position += width
    return cells


def _rules(heads: list[tuple[str, int]]) -> list[str]:
    rules, first = [], 1
    for group, width in heads:
        if group:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return rules


def _names(columns: tuple[Column, ...], grouped: bool) -> list[str]:
    """The lower line of the head; names without a group stand in the upper one."""
    return ["" if grouped and not column.group else _metric_name(column.name) for column in columns]


def _metric_name(name: str) -> str:
    """AP75 with its number below the line, T and S in italics, other names as they are."""
    metric = re.fullmatch(r"(AP|AR)(\d+)", name)
    if metric:
        return rf"{metric[1]}$_{{{metric[2]}}}$"
    return f"${name}$" if name in ("T", "S") else escape(name)


def _row(cells: tuple[Cell, ...], columns: tuple[Column, ...]) -> list[str]:
    return [_cell(cell, column.reference) for cell, column in zip(cells, columns, strict=True)]


def _cell(cell: Cell, reference: bool) -> str:
    if cell is None:
        return _MISSING
    if isinstance(cell, bool):
        return r"\checkmark" if cell else ""
    text = escape(cell) if isinstance(cell, str) else _number(cell)
    return rf"\textcolor{{gray}}{{{text}}}" if reference else text


def _number(cell: Number) -> str:
    if cell.text is None:
        return _MISSING
    text = cell.text.replace("-", "$-$")
    text = {0: text, 1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}[cell.rank] + escape(cell.mark)
    return text if cell.spread_text is None else rf"{text}\,{{\scriptsize$\pm$\,{cell.spread_text}}}"
