import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Literal

import pytest

from novis import cli
from novis.errors import InputError


def stage(
    source: Path,
    count: int,
    ratio: float = 0.5,
    flag: bool = False,
    kind: Literal["a", "b"] = "a",
    names: list[str] | None = None,
    settings: dict[str, object] | None = None,
) -> None:
    """Do a thing
    over two lines.

    More of it.

    Args:
        source: where from, 100%
        count: how many
            of them
    """
    stage.called = dict(locals())


def by_position(source: Path, /, count: int = 1) -> None:
    """Do a thing to a file.

    Args:
        source: the file
        count: how often
    """
    by_position.called = (source, count)


@pytest.fixture(autouse=True)
def stage_module(monkeypatch):
    module = types.ModuleType("stage_module")
    module.stage = stage
    module.fail = fail
    module.by_position = by_position
    monkeypatch.setitem(sys.modules, "stage_module", module)
    monkeypatch.setitem(cli.COMMANDS, "stage", ("stage_module", "stage", "a thing"))
    monkeypatch.setitem(cli.COMMANDS, "fail", ("stage_module", "fail", "fails"))
    monkeypatch.setitem(cli.COMMANDS, "by-position", ("stage_module", "by_position", "takes a file"))
    stage.called = None


def fail() -> None:
    raise InputError("file.json: is broken")


def test_arguments_reach_the_function_with_their_types():
    words = "--source a/b --count 3 --flag --kind b --names x y --settings k=1 m=text n=[1,2]"
    assert cli.main(["stage", *words.split()]) == 0
    assert stage.called == {
        "source": Path("a/b"),
        "count": 3,
        "ratio": 0.5,
        "flag": True,
        "kind": "b",
        "names": ["x", "y"],
        "settings": {"k": 1, "m": "text", "n": [1, 2]},
    }


def test_what_the_function_takes_by_position_the_command_line_does_too(capsys):
    assert cli.main(["by-position", "a/b", "--count", "2"]) == 0
    assert by_position.called == (Path("a/b"), 2)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["by-position"])
    assert "required: SOURCE" in capsys.readouterr().err


def test_bad_input_is_one_message_without_a_traceback(capsys):
    assert cli.main(["fail"]) == 2
    assert capsys.readouterr().err == "novis fail: file.json: is broken\n"


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    (tmp_path / "loud.py").write_text("def loud() -> None:\n    'Print a lot.'\n    print('x' * 100_000)\n")
    run = "from novis import cli; cli.COMMANDS['loud'] = ('loud', 'loud', ''); exit(cli.main(['loud']))"
    command = f'{sys.executable} -c "{run}" | true; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_a_missing_argument_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["stage", "--source", "a"])
    assert "--count" in capsys.readouterr().err


def test_settings_must_be_pairs(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["stage", "--source", "a", "--count", "1", "--settings", "k"])
    assert "'k' is not of the form KEY=VALUE" in capsys.readouterr().err


def test_an_unknown_command_names_the_nearest(capsys):
    assert cli.main(["trian"]) == 2
    assert "did you mean 'train'" in capsys.readouterr().err


def test_help_comes_from_the_docstring(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["stage", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Do a thing over two lines." in text
    assert "where from, 100%" in text
    assert "how many of them" in text
    assert "(default: 0.5)" in text


def test_the_overview_names_every_command(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in cli.COMMANDS)


@pytest.mark.parametrize(
    "verb", [verb for verb in cli.COMMANDS if verb not in ("stage", "fail", "by-position")]
)
def test_every_argument_of_every_command_is_documented(verb, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([verb, "--help"])
    module, name, _ = cli.COMMANDS[verb]
    function = getattr(sys.modules[module], name)
    _, helps = cli._read_docstring(function.__doc__.replace("\n    ", "\n"))
    arguments = set(function.__annotations__) - {"return"}
    assert arguments == {name for name, text in helps.items() if text}
