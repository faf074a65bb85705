import pytest

from novis.reporting.collect import aggregate, tidy
from novis.reporting.mask_figure import mask_quality_figure, seen_as
from novis.reporting.study import read_study
from tests.reporting.figures import series


@pytest.fixture(scope="module")
def results(mask_file):
    return aggregate(tidy(read_study(mask_file)))


def test_a_network_trained_on_images_belongs_to_both_lines(results):
    parts = seen_as(results)
    for part in parts.values():
        assert part["train_clip_length"].tolist() == [1, 2, 4]
    assert parts["single images"]["clip_length"].tolist() == [1, 1, 1]
    assert parts["clips of T frames"]["clip_length"].tolist() == [1, 2, 4]


def test_lines_hold_the_measured_ap(results):
    [axes] = mask_quality_figure(results).axes
    drawn = {label: (places, values) for places, values, label in series(axes)}
    for label, part in seen_as(results).items():
        places, values = drawn[label]
        assert places == pytest.approx([1, 2, 4], abs=0.1)
        assert values == pytest.approx(part["AP"].to_numpy())
