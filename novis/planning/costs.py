"""What a job takes: seconds and bytes from its configuration and the rates.

The model is linear in frames and pixels. What a rate is missing for is left unknown, and
named, never counted as nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from novis import config as configuration
from novis.clips import clip_starts, overlap_lengths
from novis.data.annotations import read_annotations
from novis.data.shapes.settings import ShapesSettings
from novis.data.transforms import test_size
from novis.experiment import FULL, HOLDOUT, TRAINING, WHOLE_VIDEO, Training, benchmark_of, overrides
from novis.planning.jobs import Job
from novis.planning.rates import ANY, DatasetSize, Rate, Rates

# Videos that `novis speed` runs unless told otherwise.
_TIMED_VIDEOS = 5
_DIVISOR = 32


@dataclass
class Cost:
    """Seconds by device, bytes, and what they rest on."""

    gpu_seconds: float = 0.0
    cpu_seconds: float = 0.0
    num_bytes: float = 0.0
    temporary_bytes: float = 0.0
    rates: set[Rate] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def add(self, other: "Cost") -> None:
        """Add another job's cost to this one."""
        self.gpu_seconds += other.gpu_seconds
        self.cpu_seconds += other.cpu_seconds
        self.num_bytes += other.num_bytes
        self.temporary_bytes += other.temporary_bytes
        self.rates |= other.rates
        self.unknown |= other.unknown


@dataclass(frozen=True)
class _Clips:
    """Sizes of one prediction: V videos taken as of equal length, their clips, the network's input."""

    num_videos: int
    length: int
    clip_length: int
    num_clips: int
    num_overlaps: int
    cells: int

    @property
    def megapixels(self) -> float:
        return 16 * self.cells / 1e6

    @property
    def num_frames(self) -> int:
        return self.num_videos * self.length


class CostModel:
    """Costs of jobs under one configuration.

    Args:
        config: the workflow's configuration, merged.
        rates: what things take.
        jobs: all jobs of the target; predictions take frame features from those that keep them.
    """

    def __init__(self, config: Mapping[str, Any], rates: Rates, jobs: Iterable[Job] = ()) -> None:
        self._config = config
        self._rates = rates
        self._kept = {_use(job.fields) for job in jobs if job.rule == "features"}
        self._sizes: dict[str, DatasetSize | None] = {}
        self._settings: dict[tuple[str, ...], Mapping[str, Any]] = {}
        self._stages = {
            "train": self._train,
            "features": self._features,
            "predict": self._predict,
            "track": self._track,
            "evaluate": self._evaluate,
            "speed": self._speed,
        }

    def cost(self, job: Job) -> Cost:
        """What one job takes; of rules without a model of their own, its start."""
        bill = _Bill(self._rates)
        stage = self._stages.get(job.rule)
        if stage:
            name, split = job.fields["dataset"], job.fields["split"]
            size = self.size(name) if job.rule == "train" else self.tested(name, split)
            if size is None:
                missing = validation_of(name) if job.rule != "train" and split == FULL else name
                bill.cost.unknown.add(f"size of data set '{missing}'")
            else:
                stage(bill, job.fields, size)
        bill.seconds("startup", ANY, 1)
        return bill.cost

    def size(self, dataset: str) -> DatasetSize | None:
        """Videos and frames of a data set: counted, generated, or stated among the rates."""
        return self._known(dataset, self._config["datasets"][dataset], benchmark_of(dataset))

    def tested(self, dataset: str, split: str) -> DatasetSize | None:
        """Videos and frames that a split is tested on: a part of the data set, or its validation set."""
        settings = self._config["datasets"][dataset]
        if split == FULL:
            other = validation_of(benchmark_of(dataset))
            return self._known(validation_of(dataset), settings["validation"], other)
        whole = self.size(dataset)
        if whole is None:
            return None
        parts = settings.get("holdout", 7) if split == HOLDOUT else settings.get("folds", 2)
        videos = max(round(whole.videos / parts), 1)
        return replace(whole, videos=videos, frames=round(whole.frames * videos / whole.videos))

    def _known(self, name: str, found: Mapping[str, Any], benchmark: str) -> DatasetSize | None:
        if name not in self._sizes:
            stated = self._rates.datasets
            self._sizes[name] = self._there(found) or stated.get(name) or stated.get(benchmark)
        return self._sizes[name]

    def _there(self, dataset: Mapping[str, Any]) -> DatasetSize | None:
        """The size of a set of videos whose annotations lie here, or that is generated."""
        candidates = [Path(self._config["data_root"]) / path for path in dataset["annotations"]]
        present = next((path for path in candidates if path.exists()), None)
        if present:
            videos = read_annotations(present).videos
            frames = sum(video.length for video in videos)
            return DatasetSize(len(videos), frames, videos[0].height, videos[0].width, "counted")
        if "generate" in dataset:
            drawn = ShapesSettings.from_config(dataset["generate"].get("settings", {}))
            count = dataset["generate"]["num_videos"]
            return DatasetSize(count, count * drawn.num_frames, *drawn.frame_size, "configured")
        return None

    def _train(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        settings = self._model(fields)
        training, sides = settings["training"], settings["training"]["augmentation"]["short_sides"]
        height, width = test_size(
            size.height,
            size.width,
            sum(sides) // len(sides),
            settings["training"]["augmentation"]["max_size"],
        )
        frames = training["iterations"] * training["batch_size"] * int(fields["train_clip_length"])
        bill.seconds("train", fields["model"], frames * height * width / 1e6)
        bill.bytes("checkpoint_bytes", fields["model"], 1)
        # The state of a running training: the weights and Adam's two moments.
        bill.cost.temporary_bytes += 3 * bill.cost.num_bytes

    def _features(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        clips = self._clips({**fields, "clip_length": "1", "starts": "all"}, size)
        decoder = self._model(fields)["model"]["pixel_decoder"]
        bill.seconds("frame_features", fields["model"], clips.num_frames * clips.megapixels)
        # float16 maps at strides 4, 8, 16 and 32.
        maps = decoder["mask_dim"] + decoder["dim"] * (1 / 4 + 1 / 16 + 1 / 64)
        bill.cost.temporary_bytes += clips.num_frames * clips.cells * maps * 2

    def _predict(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        clips, decoder = self._clips(fields, size), self._model(fields)["model"]["instance_decoder"]
        if _use(fields) not in self._kept:
            bill.seconds("frame_features", fields["model"], clips.num_frames * clips.megapixels)
        decoded = clips.num_clips * clips.clip_length
        bill.seconds("clip_decoding", fields["model"], decoded * clips.megapixels)
        queries = clips.num_clips * decoder["num_queries"]
        bill.bytes("mask_bytes", ANY, queries * clips.clip_length * clips.cells)
        vectors = 4 * decoder["dim"] + 2 * 2 * clips.num_overlaps * decoder["dim"]
        bill.cost.num_bytes += queries * (vectors + 4 * (decoder["num_classes"] + 1))

    def _track(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        linked = self._clips({**fields, "starts": f"every{fields['stride']}"}, size)
        kind = self._config["trackers"][fields["tracker"]]["kind"]
        masks = linked.num_frames * self._config["datasets"][fields["dataset"]]["top_k"]
        if kind != "unlinked":
            bill.seconds("linking", kind, linked.num_clips)
        bill.seconds("export", ANY, masks)
        bill.bytes("result_bytes", ANY, masks)

    def _evaluate(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        bill.seconds("evaluation", ANY, self._clips(fields, size).num_frames)

    def _speed(self, bill: "_Bill", fields: Mapping[str, str], size: DatasetSize) -> None:
        clips = self._clips({**fields, "starts": f"every{fields['stride']}"}, size)
        share = min(_TIMED_VIDEOS / clips.num_videos, 1.0)
        decoded = clips.num_clips * clips.clip_length
        bill.seconds("frame_features", fields["model"], share * clips.num_frames * clips.megapixels)
        bill.seconds("clip_decoding", fields["model"], share * decoded * clips.megapixels)

    def _clips(self, fields: Mapping[str, str], size: DatasetSize) -> _Clips:
        """The clips of the videos that a run is tested on."""
        num_videos, length = size.videos, max(round(size.frames / size.videos), 1)
        whole = fields["clip_length"] == WHOLE_VIDEO
        clip_length = length if whole else int(fields["clip_length"])
        stride = 1 if fields["starts"] == "all" else int(fields["starts"].removeprefix("every"))
        starts = clip_starts(length, clip_length, min(stride, clip_length))
        every = fields["starts"] == "all" and len(starts) > 1
        overlaps = clip_length - 1 if every else len(overlap_lengths(length, clip_length, stride))
        height, width = test_size(size.height, size.width, int(fields["min_size"]))
        rows, columns = (-(-side // _DIVISOR) * _DIVISOR // 4 for side in (height, width))
        return _Clips(num_videos, length, clip_length, num_videos * len(starts), overlaps, rows * columns)

    def _model(self, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """The resolved configuration of a run's training."""
        key = tuple(fields[name] for name in ("dataset", "model", "variant", "train_clip_length"))
        if key not in self._settings:
            training = Training(key[0], fields["split"], key[1], key[2], int(key[3]), int(fields["seed"]))
            file = self._config["models"][fields["model"]]["file"]
            self._settings[key] = configuration.load(file, overrides(training, self._config)).to_dict()
        return self._settings[key]


def validation_of(dataset: str) -> str:
    """The name among rates of a data set's official validation set."""
    return f"{dataset}_validation"


def _use(fields: Mapping[str, str]) -> tuple[str, str]:
    """What frame features belong to: a training and a size at test."""
    return TRAINING.format(**fields), fields["min_size"]


class _Bill:
    """A job's cost while it is added up."""

    def __init__(self, rates: Rates) -> None:
        self.cost = Cost()
        self._rates = rates

    def seconds(self, quantity: str, of: str, amount: float) -> None:
        """Add a time, if its rate is known."""
        rate = self._known(quantity, of)
        if rate and rate.device == "gpu":
            self.cost.gpu_seconds += rate.value * amount
        elif rate:
            self.cost.cpu_seconds += rate.value * amount

    def bytes(self, quantity: str, of: str, amount: float) -> None:
        """Add disk space, if its rate is known."""
        rate = self._known(quantity, of)
        self.cost.num_bytes += rate.value * amount if rate else 0

    def _known(self, quantity: str, of: str) -> Rate | None:
        rate = self._rates.find(quantity, of)
        if rate:
            self.cost.rates.add(rate)
        else:
            self.cost.unknown.add(f"{quantity} of {of}")
        return rate
