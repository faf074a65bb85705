"""The command line: every stage as ``novis VERB``, generated from the stage's own signature.

A stage is an ordinary function whose parameters are paths, numbers, strings, flags,
lists of these, or ``dict`` for KEY=VALUE settings. What Python takes by position alone
(``def run(video, /, ...)``) the command line does, too; the rest are options. Its
docstring's first paragraph and its ``Args:`` section are the help. So shell and Python
users call the same thing by the same names, and only the chosen stage is imported.
"""

import argparse
import importlib
import inspect
import json
import logging
import os
import re
import signal
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from novis.cluster import devices, requeue
from novis.errors import InputError

# verb: (module, function, what it does)
COMMANDS = {
    "download": ("novis.data.downloads.stage", "download", "bring a public data set or checkpoint"),
    "shapes": ("novis.data.shapes.writing", "shapes", "generate the embedded benchmark"),
    "check-data": ("novis.data.check", "check_data", "look over a data set and name what is wrong with it"),
    "split": ("novis.data.splits", "split", "divide a training set into balanced folds"),
    "hold-out": ("novis.data.splits", "hold_out", "hold out a balanced part of a training set"),
    "list-videos": ("novis.data.splits", "list_videos", "list the videos of a data set"),
    "subsequences": (
        "novis.data.subsequences",
        "subsequences",
        "cut a validation set into short sequences",
    ),
    "plan": ("novis.planning.plan", "plan", "jobs, hours and disk of a study before it runs"),
    "calibrate": ("novis.engine.calibrate", "calibrate", "measure what plan reckons with, on this machine"),
    "configure": ("novis.config", "configure", "resolve a model file and switches into one configuration"),
    "convert": ("novis.engine.convert", "convert", "turn official Mask2Former weights into ours"),
    "train": ("novis.engine.train", "train", "train a network on clips"),
    "pretrain": ("novis.engine.pretrain", "pretrain", "train a network on generated still images"),
    "pretrain-images": ("novis.engine.pretrain", "pretrain_images", "train a network on annotated images"),
    "features": ("novis.engine.features", "features", "keep the frame features of a checkpoint"),
    "predict": ("novis.engine.predict", "predict", "write the clip cache of a checkpoint"),
    "merge": ("novis.storage.shards", "merge", "make one clip cache of a prediction's shards"),
    "track": ("novis.tracking.track", "track", "link the clips of a cache into results.json"),
    "run": ("novis.run", "run", "segment and track a video of one's own"),
    "speed": ("novis.engine.speed", "speed", "measure frames a second, from decoded frames to masks"),
    "evaluate": ("novis.evaluation.evaluate", "evaluate", "score a results.json against annotations"),
    "submit": (
        "novis.evaluation.submit",
        "submit",
        "check a results.json and zip it for a benchmark's server",
    ),
    "overlays": ("novis.visualisation.overlays", "overlays", "draw tracks over four frames of each video"),
    "gallery": ("novis.visualisation.gallery", "gallery", "draw tracks of several videos on one page"),
    "report": ("novis.reporting.report", "report", "tables, figures and the page of studies"),
    "trace": ("novis.reporting.trace", "trace", "from a number or a file to the run that made it"),
    "compile": ("novis.reporting.tables", "compile_pdf", "compile a LaTeX table to PDF"),
}

# These want a GPU: one of their own where a run shares several among its jobs.
ON_A_GPU = ("train", "pretrain", "pretrain-images", "features", "predict", "speed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``novis VERB ...``; return the exit status (2 for bad input, without a traceback)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    verb, *rest = arguments
    if verb not in COMMANDS:
        from novis.experiment import nearest

        print(f"novis: unknown command '{verb}'{nearest(verb, COMMANDS)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    module, name, _ = COMMANDS[verb]
    function = getattr(importlib.import_module(module), name)
    options = vars(_parser(verb, function).parse_args(rest))
    positional = [options.pop(name) for name in _by_position(function)]
    try:
        if verb in ON_A_GPU:
            devices.take()
        function(*positional, **{key: value for key, value in options.items() if value is not None})
        sys.stdout.flush()
    except InputError as error:
        print(f"novis {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as ending:
        # A stage that was told to stop, and has saved its work.
        if ending.code == os.EX_TEMPFAIL:
            requeue.wish()
        raise
    except BrokenPipeError:
        # Whoever read the output has had enough of it; nothing more may be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


def _overview() -> str:
    lines = [f"  {verb:<17}{what}" for verb, (_, _, what) in COMMANDS.items()]
    return "\n".join(["usage: novis VERB [--help] ...", "", *lines])


def _parser(verb: str, function: Callable[..., Any]) -> argparse.ArgumentParser:
    summary, helps = _read_docstring(inspect.getdoc(function) or "")
    parser = argparse.ArgumentParser(prog=f"novis {verb}", description=summary, allow_abbrev=False)
    types_of = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        help_text = helps.get(name, "").replace("%", "%%")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            kind = _kind(types_of[name]) | {"metavar": name.upper()}
            parser.add_argument(name, help=help_text, **kind)
            continue
        required = parameter.default is parameter.empty
        if not required and parameter.default not in (None, False, (), {}):
            help_text += f" (default: {parameter.default})"
        parser.add_argument(
            "--" + name.replace("_", "-"), help=help_text, required=required, **_kind(types_of[name])
        )
    return parser


def _by_position(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_ONLY]


def _kind(annotation: Any) -> dict[str, Any]:
    """How argparse is to read a parameter of this type."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _kind(next(option for option in inner if option is not type(None)))
    if annotation is bool:
        return {"action": "store_true", "default": None}
    if origin is dict:
        return {"action": _Settings, "nargs": "*", "metavar": "KEY=VALUE"}
    if origin in (list, tuple):
        return {"type": inner[0], "nargs": "*", "metavar": inner[0].__name__.upper()}
    if origin is typing.Literal:
        return {"choices": list(inner)}
    return {"type": annotation, "metavar": annotation.__name__.upper()}


class _Settings(argparse.Action):
    """KEY=VALUE pairs as a dict; values are JSON where they parse, strings otherwise."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        settings = dict(getattr(namespace, self.dest) or {})
        for pair in values:
            key, equals, text = pair.partition("=")
            if not equals or not key:
                parser.error(f"{option_string}: '{pair}' is not of the form KEY=VALUE")
            try:
                settings[key] = json.loads(text)
            except json.JSONDecodeError:
                settings[key] = text
        setattr(namespace, self.dest, settings)


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a docstring, and the help of each name under ``Args:``."""
    summary = " ".join(text.split("\n\n")[0].split())
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    helps: dict[str, str] = {}
    name = None
    for line in section.group(1).splitlines() if section else []:
        entry = re.match(r" {4}(\w+): *(.*)", line)
        if entry:
            name = entry.group(1)
            helps[name] = entry.group(2)
        elif name and line.strip():
            helps[name] += " " + line.strip()
    return summary, helps


if __name__ == "__main__":
    sys.exit(main())
