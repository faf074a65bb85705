"""Frames on a node's own disk: copied there once, as shared file systems are slow with many small files."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from novis.errors import InputError
from novis.files import replacing
from novis.structures import Video

_LOG = logging.getLogger(__name__)


def staged(frames: Path, videos: Iterable[Video], scratch: Path | None) -> Path:
    """The folder to read frames from: a copy of those of ``videos`` below ``scratch``, where that is given.

    A frame that is there already, with its size and time, is not copied again: jobs of one node
    share what they copied, and a job that goes on finds its own. Nothing is removed; scratch
    folders are cleared by the cluster.

    Raises:
        InputError: the folder cannot be written, or has no space.
    """
    if scratch is None:
        return frames
    # Users share a node's disk; a folder of one data set is told from others by its path.
    name = hashlib.sha256(str(frames.resolve()).encode()).hexdigest()[:8]
    folder = Path(os.path.expandvars(scratch)) / f"novis-{os.getuid()}-{name}"
    missing = [
        file
        for video in videos
        for file in video.file_names
        if not _same(frames / file, folder / file) and (frames / file).is_file()
    ]
    wanted = sum((frames / file).stat().st_size for file in missing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another scratch") from error
    if wanted > shutil.disk_usage(folder).free:
        raise InputError(
            f"{folder}: {wanted / 1e9:.1f} GB of frames do not fit; choose another scratch folder, or none"
        )
    for file in missing:
        with replacing(folder / file) as temporary:
            shutil.copy2(frames / file, temporary)
    _LOG.info("%d frames (%.1f GB) copied to %s", len(missing), wanted / 1e9, folder)
    return folder


def _same(source: Path, copy: Path) -> bool:
    try:
        here, there = source.stat(), copy.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (here.st_size, int(here.st_mtime)) == (there.st_size, int(there.st_mtime))
