"""HDF5 files with one group a video, each there whole or not at all: what both caches share."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py

from novis.errors import InputError
from novis.storage.atomic_file import AtomicFile
from novis.structures import Video

logger = logging.getLogger(__name__)

# Chunk indices of fixed size and compact groups; every HDF5 since 1.10 reads it.
_FORMAT = ("v110", "v110")


class VideoStoreWriter:
    """Writes a store video by video into ``<path>.partial``; :meth:`finish` renames it to ``path``.

    A run that was killed goes on: videos that are in the partial file with the same
    attributes count as finished. With other attributes, or other videos (:meth:`waiting`),
    it starts over and says so.

    Args:
        path: the file to make.
        kind: what the file is, in words; a reader asks for it.
        schema_version: of the layout below a video's group.
        attributes: everything that decides what the videos hold (str, int or float each).

    Raises:
        InputError: the folder cannot be written, or another process writes the same file.
    """

    def __init__(
        self, path: Path | str, kind: str, schema_version: int, attributes: Mapping[str, str | int | float]
    ) -> None:
        self.path = Path(path)
        self._attributes = {"kind": kind, "schema_version": schema_version, **attributes}
        self._file = AtomicFile(self.path.with_name(self.path.name + ".partial"))
        self._finished = self._resume()

    @property
    def finished(self) -> frozenset[int]:
        """The ids of the videos that are in the file."""
        return frozenset(self._finished)

    def waiting(self, videos: Sequence[Video]) -> list[Video]:
        """Which of all videos that the file is to hold are not in it yet, in their order.

        A file of an earlier run with another video, or with one of these at another size or
        with other frames, is begun anew: its annotations have changed.
        """
        wanted = {video.id: video for video in videos}
        if any(wanted.get(number) != video for number, video in self._finished.items()):
            self._finished = self._begin("other videos")
        return [video for video in videos if video.id not in self._finished]

    @contextmanager
    def group(self, video: Video) -> Iterator[h5py.Group]:
        """Yield the new group of a video; it is in the file if and only if the block ends well.

        Raises:
            InputError: no space left on the disk; the videos before are kept.
            ValueError: the video is in the file already.
        """
        if video.id in self._finished:
            raise ValueError(f"{self.path}: video {video.id} is there already")
        with self._transaction() as file:
            group = file.create_group(str(video.id))
            group.attrs.update(
                id=video.id,
                width=video.width,
                height=video.height,
                file_names=json.dumps(video.file_names),
            )
            yield group
        self._finished[video.id] = video

    def copy(self, store: "VideoStore", video_id: int) -> None:
        """Take a video over from another store as it is, compressed data included.

        Raises:
            InputError: no space left on the disk, or the other store is damaged.
        """
        source = store.group(video_id)
        with self._transaction() as file:
            try:
                source.copy(source, file, str(video_id))
            except (OSError, RuntimeError) as error:
                self.check()
                raise InputError(
                    f"{store.path}: video {video_id} cannot be copied ({error}); delete the file and predict "
                    "again"
                ) from error
        self._finished[video_id] = store.video(video_id)

    def check(self) -> None:
        """Raise if the disk refused something; see :meth:`AtomicFile.check`."""
        self._file.check()

    def finish(self, **measured: str | int | float) -> None:
        """Add ``measured`` attributes and rename the file into place, whole."""
        if measured:
            with self._transaction() as file:
                file.attrs.update(measured)
        self._file.publish(self.path)

    def close(self) -> None:
        """Release the partial file, which stays for the next run."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _resume(self) -> dict[int, Video]:
        """The videos of an earlier run of the same settings; else an empty file is begun."""
        if not self._file.seek(0, 2):
            return self._begin()
        with suppress(OSError, LookupError, ValueError), h5py.File(self._file, "r") as file:
            if dict(file.attrs) == self._attributes:
                return {video.id: video for video in map(_video, file.values())}
        return self._begin("another configuration or checkpoint, or is damaged")

    def _begin(self, reason: str = "") -> dict[int, Video]:
        """An empty file; ``reason`` says what the one before was begun with."""
        if reason:
            logger.warning("%s: was begun with %s; starting it over", self._file.path, reason)
        # To HDF5 a file given as an object is never new: the groups of before would stay.
        self._file.truncate(0)
        with self._transaction(mode="w") as file:
            file.attrs.update(self._attributes)
        return {}

    @contextmanager
    def _transaction(self, mode: str = "r+") -> Iterator[h5py.File]:
        file = h5py.File(self._file, mode, libver=_FORMAT)
        try:
            yield file
            file.close()
            self._file.commit()
        except BaseException:
            # What a failed transaction still had to say is of no interest: it is rolled back.
            with suppress(OSError, RuntimeError):
                file.close()
            self._file.rollback()
            raise


class VideoStore:
    """Reads a finished store. Any number of processes may; a copy in another process reopens it.

    Raises:
        InputError: the file is missing, truncated, foreign, or of another schema version.
    """

    def __init__(self, path: Path | str, kind: str, schema_version: int) -> None:
        self.path = Path(path)
        self._file = _open(self.path, kind)
        found = self._file.attrs.get("schema_version")
        if self._file.attrs.get("kind") != kind:
            raise InputError(f"{self.path}: is an HDF5 file, but no {kind}; check the path")
        if found != schema_version:
            raise InputError(
                f"{self.path}: {kind} of schema version {found}, this program reads {schema_version}; "
                "delete it and predict again"
            )

    @property
    def attributes(self) -> dict[str, Any]:
        """The root attributes, as Python values."""
        return {name: getattr(value, "item", lambda v=value: v)() for name, value in self._file.attrs.items()}

    @property
    def video_ids(self) -> tuple[int, ...]:
        """The ids of all videos, ascending."""
        return tuple(sorted(int(name) for name in self._file))

    def group(self, video_id: int) -> h5py.Group:
        """The group of a video.

        Raises:
            InputError: the file does not hold this video.
        """
        if str(video_id) not in self._file:
            raise InputError(f"{self.path}: holds no video {video_id}")
        return self._file[str(video_id)]

    def video(self, video_id: int) -> Video:
        """Name, size and frames of a video, as annotated."""
        return _video(self.group(video_id))

    def close(self) -> None:
        """Close the file; arrays that are read lazily end with it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LazyArray:
    """An array of a store that is read where it is indexed; a damaged part names its file."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape

    def __getitem__(self, index: Any) -> Any:
        return read_array(self._dataset, index)


def read_array(dataset: h5py.Dataset, index: Any = ()) -> Any:
    """A part of a dataset as NumPy array.

    Raises:
        InputError: this part of the file is damaged.
    """
    try:
        return dataset[index]
    except OSError as error:
        raise InputError(
            f"{dataset.file.filename}: {dataset.name} is damaged ({error}); delete the file and predict again"
        ) from error


def _video(group: h5py.Group) -> Video:
    attributes = group.attrs
    return Video(
        id=int(attributes["id"]),
        width=int(attributes["width"]),
        height=int(attributes["height"]),
        file_names=tuple(json.loads(attributes["file_names"])),
    )


def _open(path: Path, kind: str) -> h5py.File:
    if not path.is_file():
        raise InputError(f"{path}: no such {kind}")
    try:
        # Finished stores are never written again, so no lock is needed (some network disks have none).
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as {kind}; it is truncated or no HDF5 file: delete it and predict again"
        ) from error
