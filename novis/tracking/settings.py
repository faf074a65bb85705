"""What can be chosen about a tracker: one entry of ``trackers`` in a configuration.

The standard library only: the workflow checks every entry before anything runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from novis.errors import InputError
from novis.experiment import nearest

# How clips are linked. The first four compare queries of adjacent clips; see novis.tracking.similarity.
KINDS = ("heuristic", "embed", "overlap_embed", "identity", "oracle", "unlinked")
# Those that may look further back than the last clip: as many clips as `buffer_length` says.
BUFFERED = ("embed",)
MASK_MERGING = ("mean_logits", "mean_probabilities", "first_clip", "higher_score")
CLASS_MERGING = ("mean_logits", "mean_probabilities")


@dataclass(frozen=True)
class TrackerSettings:
    """How clips are linked and how linked clips are merged.

    Attributes:
        kind: one of :data:`KINDS`.
        buffer_length: :data:`BUFFERED` only: how many clips of a track the next one is compared
            with; ``embed`` with their mean.
        mask_weight: ``heuristic`` only: of the volumetric soft IoU on shared frames.
        class_weight: ``heuristic`` only: of equal most likely classes.
        score_weight: ``heuristic`` only: of the difference of their probabilities.
        mask_merging: what several clips say about a frame becomes the mean of their mask
            logits, the mean of their probabilities, the first clip's word, or that of the
            clip with the highest class probability.
        class_merging: mean over clips of the class logits, then softmax; or of probabilities.

    Raises:
        InputError: a value is not among those allowed.
    """

    kind: str
    buffer_length: int = 1
    mask_weight: float = 1.0
    class_weight: float = 1.0
    score_weight: float = 0.0
    mask_merging: str = "mean_logits"
    class_merging: str = "mean_logits"

    def __post_init__(self) -> None:
        for name, known in (
            ("kind", KINDS),
            ("mask_merging", MASK_MERGING),
            ("class_merging", CLASS_MERGING),
        ):
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"tracker setting {name}: unknown value '{value}'{nearest(str(value), [*known])}"
                )
        if type(self.buffer_length) is not int or self.buffer_length < 1:
            raise InputError(
                f"tracker setting buffer_length: {self.buffer_length!r} must be a whole number from 1"
            )
        if self.buffer_length > 1 and self.kind not in BUFFERED:
            known = ", ".join(BUFFERED)
            raise InputError(f"tracker setting buffer_length: only {known} may have one, not '{self.kind}'")
        for name in ("mask_weight", "class_weight", "score_weight"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 <= value < float("inf"):
                raise InputError(f"tracker setting {name}: {value!r} must be a number from 0")

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The settings of a configuration entry.

        Raises:
            InputError: an unknown key (the nearest is named) or value, or no kind.
        """
        known = [field.name for field in fields(cls)]
        for key in settings:
            if key not in known:
                raise InputError(f"unknown tracker setting '{key}'{nearest(str(key), known)}")
        if "kind" not in settings:
            raise InputError(f"a tracker needs a kind: {', '.join(KINDS)}")
        return cls(**settings)


def check_trackers(trackers: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse the first entry of a configuration's ``trackers`` that is no tracker.

    Raises:
        InputError: its name, and what is wrong with it.
    """
    for name, settings in trackers.items():
        try:
            TrackerSettings.from_dict(settings)
        except InputError as error:
            raise InputError(f"trackers.{name}: {error}") from error
