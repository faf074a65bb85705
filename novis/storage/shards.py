"""A prediction in parts: each process writes a clip cache of its own videos, then they become one."""

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from novis.errors import InputError
from novis.storage.clip_cache import ClipCache, ClipCacheWriter
from novis.structures import Video

_LOG = logging.getLogger(__name__)

# Root attributes that the cache of a part has and the whole one has not.
_SHARD, _OF_VIDEOS, _OF_FRAMES = "shard", "shard_of_videos", "shard_of_frames"


@dataclass(frozen=True)
class Shard:
    """Part ``number`` (1..count) of a prediction."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``2/4``.

        Raises:
            InputError: it is none.
        """
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"shard '{text}': must be a part and the number of parts, such as '2/4'")
        return cls(int(found[1]), int(found[2]))

    def choose(self, videos: Sequence[Video]) -> tuple[Video, ...]:
        """This part's videos, in their order. The parts are about equal in frames.

        The longest video goes first, each to the part with the fewest frames so far.
        """
        frames = [0] * self.count
        chosen = set()
        for video in sorted(videos, key=lambda video: (-video.length, video.id)):
            part = frames.index(min(frames))
            frames[part] += video.length
            if part == self.number - 1:
                chosen.add(video.id)
        return tuple(video for video in videos if video.id in chosen)

    def attributes(self, videos: Sequence[Video]) -> dict[str, str]:
        """What the part's cache says beside the attributes of the whole: which part, of which videos.

        Their sizes and frames are there as a checksum.
        """
        frames = json.dumps([asdict(video) for video in videos])
        return {
            _SHARD: f"{self.number}/{self.count}",
            _OF_VIDEOS: json.dumps([video.id for video in videos]),
            _OF_FRAMES: hashlib.sha256(frames.encode()).hexdigest(),
        }


def merge(shards: list[Path], output: Path) -> None:
    """Make one clip cache of those that 'novis predict --shard' wrote: the same as without shards.

    Run again after an interruption, it goes on at the next video. The shards stay.

    Args:
        shards: the caches of all parts, in any order
        output: the clip cache to write (HDF5)

    Raises:
        InputError: none is given, a part is missing, there twice, or of another prediction.
    """
    if not shards:
        raise InputError(f"{output}: --shards names no cache to merge; give those of all parts")
    with ExitStack() as stack:
        caches = [stack.enter_context(ClipCache(path)) for path in shards]
        attributes = _common_attributes(caches)
        order = json.loads(attributes.pop(_OF_VIDEOS))
        place = {video_id: cache for cache in caches for video_id in cache.video_ids}
        absent = [video_id for video_id in order if video_id not in place]
        if absent:
            raise InputError(f"{output}: no shard holds video {absent[0]}; predict the shards again")
        writer = stack.enter_context(ClipCacheWriter(output, attributes))
        for video in writer.waiting([place[video_id].video(video_id) for video_id in order]):
            writer.copy(place[video.id], video.id)
        writer.finish()
    _LOG.info("%s: %d videos of %d shards", output, len(order), len(shards))


def _common_attributes(caches: Sequence[ClipCache]) -> dict[str, Any]:
    """What all parts of one prediction say, once it is sure that they are that."""
    first = caches[0].attributes
    found = {}
    for cache in caches:
        if _SHARD not in cache.attributes:
            raise InputError(f"{cache.path}: is no shard; it was predicted without --shard")
        shard = Shard.parse(cache.attributes[_SHARD])
        if shard in found:
            raise InputError(f"{cache.path}: is shard {shard.number}, as is {found[shard]}; give each once")
        found[shard] = cache.path
        for name in first.keys() | cache.attributes.keys():
            if name != _SHARD and cache.attributes.get(name) != first.get(name):
                raise InputError(
                    f"{cache.path}: its {name} is not that of {caches[0].path}; predict the shards again"
                )
    missing = [n for n in range(1, shard.count + 1) if Shard(n, shard.count) not in found]
    if missing:
        raise InputError(f"shard {missing[0]}/{shard.count} is missing beside {caches[0].path}")
    own = (_SHARD, _OF_FRAMES, "kind", "schema_version")
    return {name: value for name, value in first.items() if name not in own}
