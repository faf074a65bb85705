from dataclasses import replace

import pytest

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.subsequences import cut_annotations, subsequences
from novis.errors import InputError


def test_every_sequence_has_the_length_asked_for_and_ends_with_its_video(toy_dataset):
    # Videos of 8, 5, 1 and 3 frames; only those shorter than a sequence are shorter.
    cut = cut_annotations(toy_dataset.annotations, 3)
    assert [video.length for video in cut.videos] == [3, 3, 3, 3, 3, 1, 3]
    assert [video.id for video in cut.videos] == [100000, 100003, 100005, 200000, 200002, 300000, 400000]
    whole = {video.id: video.file_names for video in toy_dataset.annotations.videos}
    for video in cut.videos:
        first = video.id % 100000
        assert video.file_names == whole[video.id // 100000][first : first + video.length]


@pytest.mark.parametrize("length", [1, 2, 3, 8, 100])
def test_masks_stay_with_their_frames_and_none_is_lost(toy_dataset, length):
    annotations = toy_dataset.annotations
    file_names = {video.id: video.file_names for video in annotations.videos}

    def masks_by_frame(source, names):
        return {
            (names[i.video_id][frame], i.category_id, rle["counts"])
            for i in source.instances
            for frame, rle in enumerate(i.segmentations)
            if rle is not None
        }

    cut = cut_annotations(annotations, length)
    cut_names = {video.id: video.file_names for video in cut.videos}
    assert masks_by_frame(cut, cut_names) == masks_by_frame(annotations, file_names)
    assert [instance.id for instance in cut.instances] == list(range(1, len(cut.instances) + 1))


def test_an_instance_is_only_in_sequences_that_show_it(toy_dataset):
    first, *rest = toy_dataset.annotations.instances
    shown = tuple(None if frame >= 4 else rle for frame, rle in enumerate(first.segmentations))
    labels = ("no_occlusion", "slight_occlusion") * 2 + (None,) * 4
    changed = (replace(first, segmentations=shown, occlusion=labels), *rest)
    cut = cut_annotations(replace(toy_dataset.annotations, instances=changed), 2)
    parts = [i for i in cut.instances if i.occlusion is not None]
    assert [part.video_id for part in parts] == [100000, 100002]
    assert all(part.occlusion == ("no_occlusion", "slight_occlusion") for part in parts)


def test_without_ground_truth_only_videos_are_cut(toy_dataset):
    cut = cut_annotations(replace(toy_dataset.annotations, instances=None), 4)
    assert cut.instances is None
    assert len(cut.videos) == 6


def test_a_length_below_one_is_refused(toy_dataset):
    with pytest.raises(InputError, match="sequences of 0 frames"):
        cut_annotations(toy_dataset.annotations, 0)


def test_the_stage_writes_a_file_whose_frames_are_found(toy_dataset, tmp_path):
    subsequences(toy_dataset.annotation_file, 4, tmp_path / "cut.json")
    cut = read_annotations(tmp_path / "cut.json")
    assert cut.instances == cut_annotations(toy_dataset.annotations, 4).instances
    assert read_frame(toy_dataset.frames, cut.videos[1], 3).shape == (48, 64, 3)
