"""A checkout of its own for a test: it may edit, run and break everything in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

PARTS = ("Snakefile", "workflow", "config", "slurm", "local", "novis")


class Checkout:
    """A copy of what the workflow needs, with ``snakemake`` run inside it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.folder / part, ignore=ignored)
            else:
                shutil.copy(source, self.folder / part)

    def copy(self, folder):
        """The same state in another folder, times of files included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = object.__new__(Checkout)
        other.folder = Path(folder)
        return other

    def snakemake(self, *words, check=True):
        """Run snakemake; its output, both streams, as text."""
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", *words],
            cwd=self.folder,
            env=environment(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or run.returncode == 0, run.stdout[-5000:]
        return run.stdout

    def planned(self, *words):
        """The number of jobs of each rule that a dry run plans, and what it prints."""
        text = self.snakemake("-n", *words)
        found = re.search(r"Job stats:\njob +count\n-+ +-+\n(.*?)\n\n", text, re.DOTALL)
        lines = found.group(1).splitlines() if found else []
        counts = dict(line.rsplit(maxsplit=1) for line in lines)
        return {
            name.strip(): int(count) for name, count in counts.items() if name.strip() not in ("total", "all")
        }, text

    def edit(self, path, before, after):
        """Replace text in a file; it must be there."""
        file = self.folder / path
        text = file.read_text()
        assert before in text, f"{path} does not hold {before!r}"
        file.write_text(text.replace(before, after))


def environment(folder):
    """The folder's own package comes before the installed one, its command line too."""
    return os.environ | {
        "PYTHONPATH": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
