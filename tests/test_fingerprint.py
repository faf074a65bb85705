from novis import fingerprint
from novis.fingerprint import import_closure, model_fingerprint, stage_fingerprint

CODE = '"""Doc."""\n\ndef f(x):\n    """What it does."""\n    return x + 1\n'


def written(tmp_path, text):
    path = tmp_path / f"{abs(hash(text))}.py"
    path.write_text(text)
    return model_fingerprint(path)


def test_comments_docstrings_and_layout_change_nothing(tmp_path):
    other = '# New.\n"""Other doc."""\ndef f( x ):\n\n    # why\n    return (x\n        + 1)\n'
    assert written(tmp_path, CODE) == written(tmp_path, other)


def test_code_changes_the_fingerprint(tmp_path):
    assert written(tmp_path, CODE) != written(tmp_path, CODE.replace("+ 1", "+ 2"))


def test_a_string_that_is_no_docstring_counts(tmp_path):
    assert written(tmp_path, "x = 'a'\n") != written(tmp_path, "x = 'b'\n")


def test_the_closure_follows_imports_and_nothing_else():
    closure = import_closure("novis.clips")
    assert closure == {"novis.clips", "novis.errors"}


def test_a_package_stands_for_all_its_modules():
    assert {"novis.model.criterion", "novis.model.novis"} <= import_closure("novis.model")


def test_an_edit_of_an_imported_module_changes_the_stage(monkeypatch):
    before = stage_fingerprint("novis.clips")
    original = fingerprint._essence
    monkeypatch.setattr(
        fingerprint, "_essence", lambda path: original(path) + ("x" if path.stem == "errors" else "")
    )
    assert stage_fingerprint("novis.clips") == before, "a process answers once"
    stage_fingerprint.cache_clear()
    assert stage_fingerprint("novis.clips") != before
    stage_fingerprint.cache_clear()


def test_a_model_file_changes_with_what_it_inherits(tmp_path):
    (tmp_path / "base.py").write_text("a = 1\n")
    (tmp_path / "model.py").write_text('_base_ = ["base.py"]\nb = 2\n')
    before = model_fingerprint(tmp_path / "model.py")
    (tmp_path / "base.py").write_text("# Why.\na = 1\n")
    fingerprint._essence.cache_clear()
    assert model_fingerprint(tmp_path / "model.py") == before
    (tmp_path / "base.py").write_text("a = 3\n")
    fingerprint._essence.cache_clear()
    assert model_fingerprint(tmp_path / "model.py") != before
