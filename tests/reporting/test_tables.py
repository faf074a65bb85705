import re
import shutil

import pytest

from novis.errors import InputError
from novis.reporting.cells import Column, Number, Section, Table
from novis.reporting.tables import compile_pdf, escape, latex_fragment, write_table

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")


@pytest.fixture
def table():
    columns = (
        Column("TE", align="centre"),
        Column("tracking", align="left"),
        Column("ours", "AP75"),
        Column("paper", "AP75", reference=True),
    )
    rows = (
        (True, "heuristic_50% & more", Number(21.4, 0.3, 2), Number(20.9)),
        (False, "embed", Number(23.25, 1.0, 1), Number(None)),
    )
    yardsticks = ((None, "oracle", Number(-1.5), Number(None)),)
    sections = (Section(rows), Section(yardsticks, "Yardsticks"))
    return Table("table_3", "50% of #1 & more", columns, sections, ("A note_with {braces} ~ ^ \\.",))


def lines(latex):
    return [line.strip() for line in latex.splitlines()]


def test_cells_are_set_as_the_papers(table):
    body = lines(latex_fragment(table))
    assert (
        r"\checkmark & heuristic\_50\% \& more & \underline{21.4}\,{\scriptsize$\pm$\,0.3} & "
        r"\textcolor{gray}{20.9} \\" in body
    )
    assert r" & embed & \textbf{23.2}\,{\scriptsize$\pm$\,1.0} & \textcolor{gray}{---} \\".strip() in body


def test_missing_and_unknown_are_em_dashes_and_minus_is_a_minus(table):
    assert r"--- & oracle & $-$1.5 & \textcolor{gray}{---} \\" in lines(latex_fragment(table))


def test_heads_are_grouped_over_their_columns(table):
    body = lines(latex_fragment(table))
    heading, rule, names = body[body.index(r"\toprule") + 1 :][:3]
    assert r"\multicolumn{2}{c}{AP$_{75}$}" in heading
    assert rule == r"\cmidrule(lr){3-4}"
    assert names == r"&  & ours & paper \\"
    assert body.count(r"\midrule") == 2
    assert r"\begin{tabular}{clrr}" in body


def test_caption_notes_and_label_are_safe(table):
    latex = latex_fragment(table)
    assert r"\caption{50\% of \#1 \& more}" in latex
    assert r"note\_with \{braces\}" in latex
    assert r"\label{tab:table-3}" in latex


@pytest.mark.parametrize("character", "&%$#_{}")
def test_special_characters_are_escaped(character):
    assert escape(f"a{character}b") == f"a\\{character}b"


def test_escape_joins_lines_that_would_end_a_paragraph():
    assert escape("a\n\n b") == "a b"


def test_document_holds_the_fragment_and_its_packages(table, tmp_path):
    write_table(table, tmp_path / "table3.tex")
    document, fragment = ((tmp_path / f"table3{end}.tex").read_text() for end in ("", "_fragment"))
    assert fragment == latex_fragment(table)
    assert fragment in document
    assert r"\usepackage{booktabs}" in document
    assert not re.search("[^\x00-\x7f]", document)


@needs_latex
def test_document_compiles_alone(table, tmp_path):
    write_table(table, tmp_path / "table3.tex")
    compile_pdf(tmp_path / "table3.tex")
    assert (tmp_path / "table3.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "table3.pdf",
        "table3.tex",
        "table3_fragment.tex",
    ]


@needs_latex
def test_fragment_compiles_by_input(table, tmp_path):
    write_table(table, tmp_path / "table3.tex")
    document = (tmp_path / "table3.tex").read_text().replace(latex_fragment(table), latex_fragment(table) * 2)
    (tmp_path / "paper.tex").write_text(
        document.replace("standalone", "article").replace("varwidth=40cm,border=8pt", "")
    )
    compile_pdf(tmp_path / "paper.tex", tmp_path / "out" / "paper.pdf")
    assert (tmp_path / "out" / "paper.pdf").exists()


@needs_latex
def test_document_that_does_not_compile_is_named(tmp_path):
    (tmp_path / "broken.tex").write_text(
        r"\documentclass{article}\begin{document}\undefinedmacro\end{document}"
    )
    with pytest.raises(InputError, match=r"broken\.tex: does not compile: ! Undefined control sequence"):
        compile_pdf(tmp_path / "broken.tex")
    assert not (tmp_path / "broken.pdf").exists()


def test_without_latex_the_message_says_what_to_install(table, tmp_path, monkeypatch):
    write_table(table, tmp_path / "table3.tex")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt-get install texlive"):
        compile_pdf(tmp_path / "table3.tex")


def test_missing_document_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tex: no such LaTeX document"):
        compile_pdf(tmp_path / "none.tex")
