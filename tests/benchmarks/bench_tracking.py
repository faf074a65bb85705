"""Time every tracker on a cache as large as an OVIS fold: blob-like masks, no network.

    python tests/benchmarks/bench_tracking.py FOLDER --videos 300 --frames 70

The cache is made in FOLDER once and kept. For each tracker, linking and export of masks
are printed apart, with the peak memory of the process.
"""

import argparse
import logging
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from novis.clips import clip_starts, overlap_lengths
from novis.storage.clip_cache import ClipCache, ClipCacheWriter, categories_json
from novis.structures import Category, Video, VideoPrediction, encode_logits
from novis.tracking.track import track

HEIGHT, WIDTH = 720, 1280
INPUT_SIZE, PADDED_SIZE = (360, 640), (384, 640)
NUM_CLASSES, HIDDEN_DIM = 25, 256
TRACKERS = ("embed", "overlap_embed", "heuristic")


def main() -> None:
    """Make the cache if it is not there, then run the trackers, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--distinct", type=int, default=12, help="videos to draw; the rest are copies")
    parser.add_argument("--frames", type=int, default=70)
    parser.add_argument("--clip-length", type=int, default=4)
    parser.add_argument("--stride", type=int, default=2)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--objects", type=int, default=12, help="queries with a confident mask")
    parser.add_argument("--top-k", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trackers", nargs="*", default=TRACKERS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    cache = options.folder / f"{options.videos}x{options.frames}-T{options.clip_length}.h5"
    if options.only:
        run_tracker(cache, options)
        return
    if not cache.exists():
        begin = time.perf_counter()
        make_cache(cache, options)
        print(f"cache made in {time.perf_counter() - begin:.0f} s, {cache.stat().st_size / 1e9:.2f} GB")
    for kind in options.trackers:
        subprocess.run([sys.executable, *sys.argv, "--only", kind], check=True)


def run_tracker(cache: Path, options: argparse.Namespace) -> None:
    """Track the cache once and print times and memory."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    begin = time.perf_counter()
    output = options.folder / options.only / "results.json"
    settings = {"kind": options.only}
    track(cache, output, settings, options.stride, options.top_k, workers=options.workers)
    wall = time.perf_counter() - begin
    # getrusage would count as memory what the parent held when it forked.
    status = Path("/proc/self/status").read_text()
    own_peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e6
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    print(
        f"{options.only}: wall {wall:.1f} s with {options.workers} workers, {cpu:.1f} s of processor time; "
        f"peak memory {own_peak:.2f} GB + at most {workers.ru_maxrss / 1e6:.2f} GB a worker; "
        f"results {output.stat().st_size / 1e6:.0f} MB",
        flush=True,
    )


def make_cache(path: Path, options: argparse.Namespace) -> None:
    """Write a cache of drifting blobs and drifting embeddings, query order shuffled in every clip.

    Only ``--distinct`` videos are drawn; the others are copies of them, byte for byte.
    """
    attributes = {
        "config": "benchmark",
        "checkpoint_sha256": "0" * 64,
        "clip_length": options.clip_length,
        "starts": f"every{options.stride}",
        "min_size": min(INPUT_SIZE),
        "categories": categories_json([Category(i + 1, f"class {i + 1}") for i in range(NUM_CLASSES)]),
    }
    drawn = path.with_name(f"distinct-{path.name}")
    with ClipCacheWriter(drawn, attributes) as writer:
        for video_id in range(1, options.distinct + 1):
            if video_id not in writer.finished:
                writer.write(make_video(video_id, options))
        writer.finish()
    with ClipCache(drawn) as source, ClipCacheWriter(path, attributes) as writer:
        for video_id in range(1, options.videos + 1):
            original = source.group((video_id - 1) % options.distinct + 1)
            with writer.group(replace(source.video(original.attrs["id"]), id=video_id)) as group:
                for name in original:
                    original.copy(name, group)
                for name in ("clip_length", "input_size", "padded_size"):
                    group.attrs[name] = original.attrs[name]
        writer.finish()
    drawn.unlink()


def make_video(video_id: int, options: argparse.Namespace) -> VideoPrediction:
    """One video of blobs that wander over the frame; most queries see nothing."""
    rng = np.random.default_rng(video_id)
    length, stride = options.clip_length, options.stride
    starts = np.array(clip_starts(options.frames, length, stride))
    lengths = np.array(overlap_lengths(options.frames, length, stride), int)
    orders = np.stack([rng.permutation(options.queries) for _ in starts])
    plan = list(zip(starts, orders, strict=True))
    codes = make_masks(rng, options)
    embeddings = rng.normal(size=(options.queries, HIDDEN_DIM)).astype(np.float32)
    drift = 0.05 * rng.normal(size=(len(starts), *embeddings.shape)).astype(np.float32).cumsum(0)
    classes = np.zeros((options.queries, NUM_CLASSES + 1), np.float32)
    classes[np.arange(options.objects), rng.integers(NUM_CLASSES, size=options.objects)] = 6
    classes[options.objects :, -1] = 6
    noisy_classes = classes + rng.normal(size=(len(starts), *classes.shape))
    clips = np.arange(len(starts))[:, None]
    overlap = (embeddings + drift)[clips, orders]
    return VideoPrediction(
        video=Video(video_id, WIDTH, HEIGHT, tuple(f"{video_id}/{i:05}.jpg" for i in range(options.frames))),
        clip_length=length,
        input_size=INPUT_SIZE,
        padded_size=PADDED_SIZE,
        starts=starts,
        class_logits=noisy_classes[clips, orders].astype(np.float32),
        embeddings=overlap,
        overlap_lengths=lengths,
        overlap_embeddings=np.broadcast_to(
            overlap[:, None, None].astype(np.float16), (len(starts), 2, len(lengths), *overlap.shape[1:])
        ),
        mask_codes=np.stack(
            [codes[start + np.arange(length)[None], order[:, None]] for start, order in plan]
        ),
    )


def make_masks(rng: np.random.Generator, options: argparse.Namespace) -> np.ndarray:
    """Mask codes of every query in every frame, (frames, N, h, w) uint8: ellipses with soft, noisy rims."""
    height, width = (side // 4 for side in PADDED_SIZE)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform((0, 0), (height, width), (options.queries, 2)) + rng.normal(
        size=(options.frames, options.queries, 2)
    ).cumsum(0)
    radius = rng.uniform(4, 24, (options.queries, 2))
    noise = rng.normal(0, 1, (height, width)).astype(np.float32)
    codes = np.empty((options.frames, options.queries, height, width), np.uint8)
    for frame in range(options.frames):
        for query in range(options.queries):
            (cy, cx), (ry, rx) = centre[frame, query], radius[query]
            distance = np.sqrt(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)
            logits = 12 * (1 - distance).clip(-1.5, 1) + noise
            codes[frame, query] = encode_logits(logits)
    return codes


if __name__ == "__main__":
    main()
