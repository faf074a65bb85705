"""Training on a data set: its clips, its validation, one checkpoint."""

from pathlib import Path

from novis import config as configuration
from novis.data.annotations import read_annotations
from novis.data.clip_dataset import ClipDataset
from novis.data.clip_sampler import ClipSchedule
from novis.data.splits import read_names
from novis.engine.fit import fit, use_threads
from novis.engine.validation import Validation


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
) -> None:
    """Train a network on clips of T frames.

    Run again after any interruption, it continues from its last saved state.

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
    """
    use_threads(threads)
    settings = configuration.load(config)
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    training = settings.training
    validation = None
    if validation_videos and training.validation_interval:
        names = read_names(validation_videos)[: training.validation_videos]
        held_out = read_annotations(annotations, names)
        clip_length = settings.model.instance_decoder.clip_length
        validation = Validation(held_out, frames, clip_length, training.validation_size)
    dataset = ClipDataset(truth, frames, settings.model.instance_decoder.clip_length, training.augmentation)
    schedule = ClipSchedule(dataset.num_items, training.batch_size, training.seed)
    categories = sorted(truth.categories, key=lambda category: category.id)
    fit(settings, categories, dataset, schedule, output, init, work, workers, validation)
