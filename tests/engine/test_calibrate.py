import pytest
import torch

from novis.engine import calibrate as module
from novis.engine import live
from novis.engine.calibrate import calibrate
from novis.errors import InputError
from novis.planning.rates import QUANTITIES, read_rates
from tests.engine.small_network import SMALL
from tests.paths import ROOT


@pytest.fixture
def small_model(monkeypatch):
    """The model file of the small networks, made smaller still."""
    original = module.configuration.configure

    def configure(model, output, settings):
        original(model, output, SMALL | {"training.batch_size": 2} | settings)

    monkeypatch.setattr(module.configuration, "configure", configure)
    return ROOT / "config" / "models" / "novis_shapes.py"


def arguments(toy_dataset, model, output, **changes):
    return {
        "model": model,
        "annotations": toy_dataset.annotation_file,
        "frames": toy_dataset.frames,
        "output": output,
        "clip_length": 2,
        "stride": 1,
        "min_size": 48,
        "top_k": 3,
        "num_videos": 2,
        "threads": 1,
    } | changes


def test_every_quantity_is_measured_with_machine_and_date(toy_dataset, small_model, tmp_path, monkeypatch):
    # Steps that take a known time: 0.5 s each, and 3 s whatever their number.
    real = module.read_json

    def read_json(path, *rest):
        content = real(path, *rest)
        if path.name == "training.json":
            content["seconds"] = 3 + 0.5 * content["iterations"]
        return content

    monkeypatch.setattr(module, "read_json", read_json)
    calibrate(**arguments(toy_dataset, small_model, tmp_path / "rates.yaml", iterations=2))
    rates = read_rates([tmp_path / "rates.yaml"])
    assert {quantity for quantity, _ in rates.rates} == set(QUANTITIES)
    for rate in rates.rates.values():
        assert rate.value > 0
        assert not rate.estimated
        assert "thread(s), on " in rate.origin
        assert rate.origin[-10:-6].isdigit()
    # 2 clips of 2 frames a step; the mean short side of 32 and 48 is 40, so 40 x 53.
    assert rates.find("train", "novis_shapes").value == pytest.approx(0.5 / (2 * 2 * 40 * 53 / 1e6), rel=1e-3)


def test_a_busy_machine_gives_no_rates(toy_dataset, small_model, tmp_path, monkeypatch):
    real = module.read_json
    monkeypatch.setattr(module, "read_json", lambda path, *rest: real(path, *rest) | {"seconds": 1.0})
    with pytest.raises(InputError, match="took no longer than one"):
        calibrate(**arguments(toy_dataset, small_model, tmp_path / "rates.yaml", iterations=1))
    assert not (tmp_path / "rates.yaml").exists()


def test_too_few_videos_or_steps_are_refused(toy_dataset, small_model, tmp_path):
    for changes in ({"iterations": 0}, {"num_videos": 1}):
        with pytest.raises(InputError, match="must be at least"):
            calibrate(**arguments(toy_dataset, small_model, tmp_path / "rates.yaml", **changes))


class Stream:
    """A stream whose reading, encoding and decoding of each frame take 100, 10 and 1 seconds."""

    device = torch.device("cpu")

    def __init__(self):
        self.now, self.events = 0, []

    def perf_counter(self):
        return self.now

    def read(self, index):
        self.now += 100
        self.events.append(f"read {index}")

    def features(self, plan, read):
        for index in range(plan):
            read(index)
            self.now += 10
            yield index

    def decode(self, plan, features):
        for index in features:
            self.now += 1
            self.events.append(f"decoded {index}")
            yield index


def test_encoding_and_decoding_are_told_apart_while_the_video_goes_by(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(live, "time", stream)
    assert module._seconds(stream, 3, stream.read) == (3 * 10, 3 * 1)
    assert stream.events == ["read 0", "decoded 0", "read 1", "decoded 1", "read 2", "decoded 2"]
