"""The criterion against the numbers of the published code."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from novis.model.criterion import Criterion
from novis.model.structures import ClipTarget

GOLDEN = Path(__file__).parent / "golden"
TERMS = ("class", "mask", "dice")


class Published:
    """Losses of the published code on saved head outputs, its random points replaced by a table."""

    def __init__(self, outputs, losses):
        with np.load(outputs) as file:
            saved = {name: torch.from_numpy(file[name]) for name in file.files}
        with np.load(losses) as file:
            self.values = {name: file[name] for name in file.files}
        layers = [f"aux{layer}_" for layer in range(9)] + [""]
        self.outputs = [
            (saved[f"{layer}pred_logits"].clone(), _with_frames(saved[f"{layer}pred_masks"]))
            for layer in layers
        ]
        for logits in (logits for layer in self.outputs for logits in layer):
            logits.requires_grad_()
        self.targets = [
            ClipTarget(self.tensor(f"target/b{clip}/labels"), self.tensor(f"target/b{clip}/masks"))
            for clip in range(len(self.outputs[0][0]))
        ]

    def tensor(self, name):
        return torch.from_numpy(self.values[name])

    def criterion(self):
        points = self.tensor("points/384")
        return Criterion(
            num_points=384,
            oversample=1,
            importance=0,
            dice_loss="per_frame",
            draw=lambda rows, num_points, *_: points[:, :num_points].expand(rows, -1, -1),
        )


def _with_frames(masks):
    return (masks if masks.dim() == 5 else masks[:, :, None]).clone()


def _minvis():
    folder = os.environ.get("NOVIS_GOLDEN")
    if not folder:
        pytest.skip(
            "NOVIS_GOLDEN does not name the folder of MinVIS' reference numbers (non-commercial licence)"
        )
    return Published(
        Path(folder) / "head_small_out_image_N3.npz", Path(folder) / "loss_minvis_frame_grid.npz"
    )


@pytest.fixture(params=["video", "minvis"])
def published(request):
    if request.param == "minvis":
        return _minvis()
    return Published(GOLDEN / "head_small_out_video_T3.npz", GOLDEN / "loss_video_grid.npz")


def test_losses_equal_the_published_code(published):
    losses = published.criterion()(published.outputs, published.targets)
    weights = dict(zip(TERMS, (2, 5, 5), strict=True))
    for term, weight in weights.items():
        for layer in ["", *(f"_{layer}" for layer in range(9))]:
            expected = published.values[f"loss/loss_{term.replace('class', 'ce')}{layer}"]
            assert losses[f"loss_{term}{layer}"].item() == pytest.approx(weight * expected, rel=1e-5)
    assert len(losses) == 30
    assert sum(losses.values()).item() == pytest.approx(published.values["total_weighted"], rel=1e-5)


def test_matches_equal_the_published_code(published):
    matching = published.criterion().matcher(published.outputs, published.targets)
    first = 0
    for clip, target in enumerate(published.targets):
        for layer in range(10):
            name = "final" if layer == 9 else f"aux{layer}"
            pairs = torch.stack([matching.queries[layer], matching.instances[layer] - first])
            pairs = pairs[:, matching.clips == clip].T.tolist()
            assert sorted(pairs) == sorted(published.values[f"match/{name}/b{clip}"].T.tolist())
        first += len(target.labels)


def test_gradients_equal_the_published_code(published):
    sum(published.criterion()(published.outputs, published.targets).values()).backward()
    for prefix, layer in (("", published.outputs[-1]), ("aux0_", published.outputs[0])):
        for name, logits in zip(("pred_logits", "pred_masks"), layer, strict=True):
            expected = published.tensor(f"grad/{prefix}{name}")
            scale = expected.abs().max().item()
            torch.testing.assert_close(logits.grad, expected.view_as(logits), rtol=1e-4, atol=1e-5 * scale)
