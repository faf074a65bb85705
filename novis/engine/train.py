"""Training on a data set: its clips, alone or mixed with still images, one checkpoint."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from novis.data.annotations import read_annotations
from novis.data.clip_dataset import ClipDataset
from novis.data.clip_sampler import ClipSchedule
from novis.data.coco import read_category_map, read_coco
from novis.data.coco_clips import ClipMixture, CocoClipDataset
from novis.data.splits import read_names
from novis.data.staging import staged
from novis.engine.fit import TrainingData, fit, use_threads
from novis.engine.ranks import joined
from novis.engine.training_settings import load_training
from novis.engine.validation import Validation
from novis.errors import InputError
from novis.structures import Category


def train(
    config: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    videos: Path | None = None,
    validation_videos: Path | None = None,
    init: Path | None = None,
    work: Path | None = None,
    workers: int = 0,
    threads: int | None = None,
    images: Path | None = None,
    image_annotations: Path | None = None,
    category_map: str | None = None,
    ranks: int | None = None,
    scratch: Path | None = None,
) -> None:
    """Train a network on clips of T frames.

    With images each clip is either of a video or made of an image, drawn by the
    configuration's training.mixing_weights (CC+VIS). Run again after any interruption, it
    continues from its last saved state, with as many ranks as there are then.

    Args:
        config: the resolved configuration ('novis configure')
        annotations: the data set's JSON file
        frames: the folder that its file names start from
        output: the checkpoint to write
        videos: a file that names the videos to train on; all of them without it
        validation_videos: a file of videos for validation AP during training
        init: a checkpoint to start from
        work: folder for the state of the running training, logs and TensorBoard scalars
        workers: processes that load clips
        threads: CPU threads of the network; as many as torch chooses without it
        images: the folder of the images to mix in
        image_annotations: their JSON file, in COCO's layout
        category_map: from their categories to the videos', such as coco_to_ovis, or a JSON file
        ranks: how many processes must train together; as many as 'torchrun' or 'srun' started without it
        scratch: a folder on the node's own disk that the videos' frames are copied to first
    """
    use_threads(threads)
    if 0 < sum(option is not None for option in (images, image_annotations, category_map)) < 3:
        raise InputError("--images, --image-annotations and --category-map go together; give all or none")
    with joined(ranks):
        settings = load_training(config)
        truth = read_annotations(annotations, read_names(videos) if videos else None)
        training, clip_length = settings.training, settings.model.instance_decoder.clip_length
        local = staged(frames, truth.videos, scratch)
        dataset = ClipDataset(truth, local, clip_length, training.augmentation)
        mapping = read_category_map(category_map) if images else {}
        categories = sorted(truth.categories, key=lambda category: category.id)
        if images:
            stills = _still_clips(settings, images, image_annotations, mapping, categories)
            dataset = ClipMixture([dataset, stills])
        weights = training.mixing_weights
        schedule = ClipSchedule(dataset.num_items, training.batch_size, training.seed, weights)
        validation = _validation(settings, annotations, frames, validation_videos)
        files = [path for path in (annotations, videos, image_annotations) if path]
        data = TrainingData(categories, dataset, schedule, files, {"category_map": mapping})
        fit(settings, data, output, init, work, workers, validation)


def _validation(
    settings: Config, annotations: Path, frames: Path, validation_videos: Path | None
) -> Validation | None:
    """Validation on the first of the named videos, if there is to be any."""
    training = settings.training
    if not validation_videos or not training.validation_interval:
        return None
    names = read_names(validation_videos)[: training.validation_videos]
    clip_length = settings.model.instance_decoder.clip_length
    return Validation(read_annotations(annotations, names), frames, clip_length, training.validation_size)


def _still_clips(
    settings: Config,
    images: Path,
    image_annotations: Path,
    category_map: Mapping[int, int],
    categories: Sequence[Category],
) -> CocoClipDataset:
    """Clips made of images, in the categories and with the augmentation of the videos."""
    stills = read_coco(image_annotations, category_map, categories)
    clip_length = settings.model.instance_decoder.clip_length
    return CocoClipDataset(stills, images, clip_length, settings.training.augmentation)
