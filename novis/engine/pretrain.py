"""Pre-training on still images: COCO's at full scale, generated ones for ``shapes``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from novis.data.clip_sampler import ClipSchedule
from novis.data.coco import read_coco
from novis.data.coco_clips import CocoClipDataset
from novis.data.shapes import CATEGORY_NAMES, ShapesImages, ShapesSettings
from novis.engine.fit import TrainingData, fit, use_threads
from novis.engine.ranks import joined
from novis.engine.training_settings import load_training
from novis.structures import Category


def pretrain(
    config: Path,
    output: Path,
    seed: int,
    settings: dict[str, Any] | None = None,
    init: Path | None = None,
    work: Path | None = None,
    workers: int = 0,
    threads: int | None = None,
    half: bool = False,
    ranks: int | None = None,
) -> None:
    """Train a network on generated still images, each seen once.

    Args:
        config: the resolved configuration ('novis configure'), with clip length 1
        output: the checkpoint to write
        seed: of the images; no video shares a scene with them
        settings: of the generator, KEY=VALUE as for 'novis shapes'
        init: a checkpoint to start from
        work: folder for the state of the running training
        workers: processes that render images
        threads: CPU threads of the network
        half: round the weights to float16, half the space, enough to start from
        ranks: as for 'novis train'
    """
    use_threads(threads)
    resolved = load_training(config)
    source = ShapesSettings.from_config(settings or {})
    images = GeneratedImages(ShapesImages(source, seed))
    names = CATEGORY_NAMES[: source.num_categories]
    categories = [Category(number, name) for number, name in enumerate(names, 1)]
    schedule = EndlessSchedule(resolved.training.batch_size)
    data = TrainingData(categories, images, schedule, settings={"seed": seed, "generator": asdict(source)})
    with joined(ranks):
        fit(resolved, data, output, init, work, workers, half=half)


def pretrain_images(
    config: Path,
    images: Path,
    annotations: Path,
    output: Path,
    init: Path | None = None,
    work: Path | None = None,
    workers: int = 0,
    threads: int | None = None,
    ranks: int | None = None,
) -> None:
    """Train a network on annotated still images, such as COCO's.

    Images are augmented as the configuration says (training.augmentation.jitter: large-scale
    jitter). Run again after any interruption, it continues from its last saved state.

    Args:
        config: the resolved configuration ('novis configure'), with clip length 1
        images: the folder of the images
        annotations: their JSON file, in COCO's layout
        output: the checkpoint to write
        init: a checkpoint to start from: of a backbone alone ('novis convert'), or of a whole network
        work: folder for the state of the running training, logs and TensorBoard scalars
        workers: processes that load images
        threads: CPU threads of the network
        ranks: as for 'novis train'
    """
    use_threads(threads)
    with joined(ranks):
        settings = load_training(config)
        training = settings.training
        truth = read_coco(annotations)
        clip_length = settings.model.instance_decoder.clip_length
        dataset = CocoClipDataset(truth, images, clip_length, training.augmentation)
        categories = sorted(truth.categories, key=lambda category: category.id)
        schedule = ClipSchedule(dataset.num_items, training.batch_size, training.seed)
        data = TrainingData(categories, dataset, schedule, files=[annotations])
        fit(settings, data, output, init, work, workers)


class GeneratedImages(Dataset):
    """Generated images as clips of one frame, by index."""

    def __init__(self, images: ShapesImages) -> None:
        self.images = images

    def __getitem__(self, index: int) -> dict[str, Any]:
        frame, labels, masks = self.images.image(index)
        return {
            "frames": torch.from_numpy(frame).permute(2, 0, 1)[None].contiguous(),
            "labels": torch.from_numpy(labels),
            "masks": torch.from_numpy(masks)[:, None],
            "name": f"image {index}",
        }


class EndlessSchedule:
    """Batches of consecutive indices: every iteration has images of its own."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def __getitem__(self, iteration: int) -> list[int]:
        return list(range(iteration * self.batch_size, (iteration + 1) * self.batch_size))
