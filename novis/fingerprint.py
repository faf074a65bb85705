"""What code made a file: a hash over a stage's sources that ignores comments and layout.

Standard library only, because the workflow asks it for every rule. The cheap stages
(tracking, evaluation, report) carry the fingerprint as a rule parameter and rerun when
it changes; training and prediction record it, so that a report can mark results that
were made by other code than the present one.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


@cache
def stage_fingerprint(*modules: str) -> str:
    """Hash of the given modules and of all modules of this package that they import.

    Two sources that differ only in comments, formatting or docstrings agree. A process answers
    once, since the workflow asks for every job: what is edited meanwhile counts for the next.

    Args:
        modules: dotted names such as ``novis.tracking.track``, or a package such as
            ``novis.model``, which stands for all modules in it.

    Returns:
        16 hexadecimal digits.
    """
    closure = import_closure(*modules)
    digest = hashlib.sha256()
    for name in sorted(closure):
        digest.update(f"{name}\n{_essence(_source_of(name))}\n".encode())
    return digest.hexdigest()[:16]


def model_fingerprint(path: Path | str) -> str:
    """Hash of a model file and of all that it inherits (``_base_``); comments and layout do not count."""
    digest = hashlib.sha256()
    for part in _with_bases(Path(path)):
        digest.update(f"{_essence(part)}\n".encode())
    return digest.hexdigest()[:16]


def _with_bases(path: Path) -> list[Path]:
    """A model file and the files that it inherits from, in order."""
    found = [path]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["_base_"]:
            bases = ast.literal_eval(node.value)
            for base in [bases] if isinstance(bases, str) else bases:
                found += _with_bases(path.parent / base)
    return found


def import_closure(*modules: str) -> set[str]:
    """Names of all modules of this package that the given ones import, themselves included."""
    found: set[str] = set()
    waiting = [name for module in modules for name in _members(module)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_imports(_source_of(name)))
    return found


def _source_of(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _members(module: str) -> list[str]:
    """The module itself, or all modules of a package."""
    source = _source_of(module)
    if source.name != "__init__.py":
        return [module]
    return [module, *(f"{module}.{path.stem}" for path in source.parent.glob("*.py") if path != source)]


def _is_module(name: str) -> bool:
    return name.split(".")[0] == _PACKAGE.name and _source_of(name).is_file()


@cache
def _imports(source: Path) -> frozenset[str]:
    """Modules of this package imported anywhere in a source file, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if _is_module(name))


@cache
def _essence(source: Path) -> str:
    """The syntax tree of a file as text, without docstrings and positions."""
    tree = ast.parse(source.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return ast.dump(tree)
