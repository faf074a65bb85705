import itertools
from dataclasses import replace

import numpy as np
import pytest

from novis.data.annotations import write_annotations
from novis.data.splits import (
    held_out_videos,
    hold_out,
    list_videos,
    read_names,
    split,
    split_videos,
    write_names,
)
from novis.errors import InputError
from novis.structures import Annotations, Category, Instance, Video


def truth(lengths, categories, occlusion=None):
    """One video for each length; ``categories[i]`` are the categories of its instances."""
    videos = tuple(
        Video(i + 1, 8, 8, tuple(f"v{i}/{frame}.jpg" for frame in range(length)))
        for i, length in enumerate(lengths)
    )
    instances = tuple(
        Instance(
            number,
            video.id,
            category,
            (None,) * video.length,
            occlusion=occlusion and (occlusion,) * video.length,
        )
        for number, (video, category) in enumerate(
            [(v, c) for v, chosen in zip(videos, categories, strict=True) for c in chosen], start=1
        )
    )
    names = sorted({c for chosen in categories for c in chosen})
    return Annotations("truth.json", tuple(Category(c, f"c{c}") for c in names), videos, instances)


def drawn_truth(num_videos=80, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 90, num_videos).tolist()
    # A few frequent and many rare categories, as in OVIS.
    categories = [rng.geometric(0.25, rng.integers(1, 7)).tolist() for _ in lengths]
    return truth(lengths, categories)


def instances_of(annotations, fold):
    """Instances of each category in the videos of a fold."""
    ids = {video.id for video in annotations.videos if video.name in set(fold)}
    counts = dict.fromkeys((category.id for category in annotations.categories), 0)
    for instance in annotations.instances:
        counts[instance.category_id] += instance.video_id in ids
    return counts


@pytest.mark.parametrize("num_folds", [2, 3, 5])
def test_every_video_is_in_one_fold_and_sizes_differ_by_one(num_folds):
    annotations = drawn_truth(61)
    folds = split_videos(annotations, num_folds, seed=3)
    assert sorted(itertools.chain(*folds)) == sorted(video.name for video in annotations.videos)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


def test_the_split_is_this_one_on_every_machine():
    annotations = truth([3, 9, 3, 9, 5, 5], [[1], [1], [2], [2], [1], [2]])
    assert split_videos(annotations, 2, seed=0) == [["v1", "v2", "v4"], ["v0", "v3", "v5"]]
    assert split_videos(annotations, 2, seed=2) == [["v1", "v2", "v5"], ["v0", "v3", "v4"]]
    assert split_videos(annotations, 3, seed=0) == [["v0", "v3"], ["v1", "v5"], ["v2", "v4"]]


def test_a_perfect_split_is_found_where_there_is_one():
    # Pairs of equal videos: each fold must get one of every pair.
    annotations = truth([4, 4, 30, 30, 60, 60, 9, 9], [[1], [1], [2, 3], [2, 3], [3], [3], [1, 4], [1, 4]])
    for seed in range(10):
        first, second = split_videos(annotations, 2, seed)
        assert instances_of(annotations, first) == instances_of(annotations, second)


def test_folds_are_balanced_far_better_than_chance():
    annotations = drawn_truth()
    names = [video.name for video in annotations.videos]
    length = {video.name: video.length for video in annotations.videos}

    def unevenness(folds):
        a, b = (instances_of(annotations, fold) for fold in folds)
        frames = abs(sum(map(length.get, folds[0])) - sum(map(length.get, folds[1])))
        return sum((a[c] - b[c]) ** 2 / (a[c] + b[c]) for c in a), frames

    found = [unevenness(split_videos(annotations, 2, seed)) for seed in range(5)]
    rng = np.random.default_rng(0)
    by_chance = [unevenness(np.split(rng.permutation(names), 2)) for _ in range(200)]
    categories, frames = zip(*found, strict=True)
    assert max(categories) < min(chance for chance, _ in by_chance)
    assert max(frames) < 0.05 * sum(length.values())


def test_another_seed_gives_another_split():
    annotations = drawn_truth()
    assert split_videos(annotations, 2, 0) == split_videos(annotations, 2, 0)
    assert split_videos(annotations, 2, 0) != split_videos(annotations, 2, 1)


def test_the_order_of_the_file_does_not_matter():
    annotations = drawn_truth()
    shuffled = Annotations(
        "other.json", annotations.categories, annotations.videos[::-1], annotations.instances[::-1]
    )
    folds = {frozenset(fold) for fold in split_videos(annotations, 2, 0)}
    assert {frozenset(fold) for fold in split_videos(shuffled, 2, 0)} == folds


def test_sequences_of_one_video_stay_together():
    annotations = drawn_truth(10)
    halves = tuple(Video(100 + video.id, 8, 8, video.file_names[:2]) for video in annotations.videos)
    cut = Annotations("cut.json", annotations.categories, annotations.videos + halves, annotations.instances)
    folds = split_videos(cut, 2, 0)
    assert sorted(itertools.chain(*folds)) == sorted(video.name for video in annotations.videos)


@pytest.mark.parametrize("num_folds", [1, 4])
def test_impossible_numbers_of_folds_are_refused(num_folds):
    with pytest.raises(InputError, match=f"3 videos cannot be divided into {num_folds} folds"):
        split_videos(truth([1, 1, 1], [[1], [1], [1]]), num_folds, 0)


def test_one_video_in_so_many_is_held_out():
    annotations = drawn_truth(80)
    train, valid = held_out_videos(annotations, 7, seed=0)
    assert len(valid) in (80 // 7, 80 // 7 + 1)
    assert sorted(train + valid) == sorted(video.name for video in annotations.videos)


def test_what_is_held_out_is_this_on_every_machine():
    annotations = truth([3, 9, 3, 9, 5, 5], [[1], [1], [2], [2], [1], [2]])
    assert held_out_videos(annotations, 3, seed=0) == [["v0", "v3", "v4", "v5"], ["v1", "v2"]]


def test_a_perfect_part_is_held_out_where_there_is_one():
    # Triples of equal videos: one of each must be held out.
    lengths = [4] * 3 + [30] * 3 + [60] * 3
    annotations = truth(lengths, [[1]] * 3 + [[2, 3]] * 3 + [[3]] * 3)
    for seed in range(10):
        train, valid = held_out_videos(annotations, 3, seed)
        held, kept = instances_of(annotations, valid), instances_of(annotations, train)
        assert {category: 2 * count for category, count in held.items()} == kept
        assert sorted(int(name[1:]) // 3 for name in valid) == [0, 1, 2]


def test_what_is_held_out_has_its_share_of_what_is_rare():
    annotations = drawn_truth(300)
    _, valid = held_out_videos(annotations, 5, seed=0)
    every = instances_of(annotations, [video.name for video in annotations.videos])
    for category, count in instances_of(annotations, valid).items():
        assert abs(count - every[category] / 5) <= max(1, 0.02 * every[category])


@pytest.mark.parametrize("one_in", [1, 4])
def test_impossible_shares_are_refused(one_in):
    with pytest.raises(InputError, match=f"one video in {one_in} cannot be held out of 3"):
        held_out_videos(truth([1, 1, 1], [[1], [1], [1]]), one_in, 0)


def test_the_stage_holds_out_and_writes_the_table(tmp_path):
    annotations = truth([2, 2, 2, 2], [[], [], [], []])
    write_annotations(tmp_path / "a.json", replace(annotations, categories=(Category(1, "c1"),)))
    hold_out(tmp_path / "a.json", 4, 0, tmp_path / "t.txt", tmp_path / "v.txt", tmp_path / "table.txt")
    train, valid = held_out_videos(annotations, 4, 0)
    assert (read_names(tmp_path / "t.txt"), read_names(tmp_path / "v.txt")) == (train, valid)
    assert (tmp_path / "table.txt").read_text().split()[:3] == ["train", "valid", "all"]


def test_no_ground_truth_is_refused():
    annotations = Annotations("valid.json", (Category(1, "c"),), truth([1, 1], [[1], [1]]).videos, None)
    with pytest.raises(InputError, match=r"valid\.json: holds no ground truth"):
        split_videos(annotations, 2, 0)


def test_the_stage_writes_both_parts_and_the_table(tmp_path):
    annotations = drawn_truth(9)
    instances = tuple(
        Instance(i.id, i.video_id, i.category_id, i.segmentations) for i in annotations.instances
    )
    write_annotations(
        tmp_path / "a.json", Annotations("", annotations.categories, annotations.videos, instances)
    )
    split(tmp_path / "a.json", 3, 0, 1, tmp_path / "t.txt", tmp_path / "v.txt", tmp_path / "table.txt")
    folds = split_videos(annotations, 3, 0)
    assert read_names(tmp_path / "v.txt") == folds[1]
    assert sorted(read_names(tmp_path / "t.txt")) == sorted(folds[0] + folds[2])
    assert (tmp_path / "table.txt").read_text().startswith(" ")
    with pytest.raises(InputError, match="fold 3 of 3"):
        split(tmp_path / "a.json", 3, 0, 3, tmp_path / "t.txt", tmp_path / "v.txt")


def test_all_videos_are_listed_with_or_without_ground_truth(tmp_path):
    videos = truth([3, 1, 2], [[1], [1], [1]]).videos
    write_annotations(tmp_path / "valid.json", Annotations("", (Category(1, "c1"),), videos, None))
    list_videos(tmp_path / "valid.json", tmp_path / "names.txt")
    assert read_names(tmp_path / "names.txt") == ["v0", "v1", "v2"]


def test_names_survive_writing_and_comments(tmp_path):
    write_names(tmp_path / "names.txt", ["one", "two words", "drei/ü"])
    text = (tmp_path / "names.txt").read_text(encoding="utf-8")
    (tmp_path / "names.txt").write_text("# a comment\n\n" + text, encoding="utf-8")
    assert read_names(tmp_path / "names.txt") == ["one", "two words", "drei/ü"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "names no video"), (b"a\nb\na\n", '"a" twice'), (b"\xff\xfe", "cannot be read")],
)
def test_broken_lists_of_names_are_refused(tmp_path, content, message):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_names(tmp_path / "names.txt")


def test_a_missing_list_of_names_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent\.txt: cannot be read"):
        read_names(tmp_path / "absent.txt")
