import numpy as np
import pytest

from novis.reporting.clip_figure import clip_analysis_figure
from novis.reporting.collect import aggregate, tidy
from tests.reporting.figures import series


@pytest.fixture
def results(clip_study):
    return aggregate(tidy(clip_study))


def test_lines_hold_the_measured_ap(results):
    left, right = clip_analysis_figure(results).axes
    rows = results[(results["clip_length"] == 4) & (results["tracker"] == "overlap_embed")]
    expected = rows.sort_values("stride", ascending=False)["AP"].to_numpy()
    [(places, values, _)] = [line for line in series(right) if line[2] == "T = 4"]
    assert values == pytest.approx(expected)
    assert np.abs(places - [0, 1, 2, 3]).max() < 0.3
    # Each overlap has a line of its own over T, here with the one point T = 4.
    assert sorted(float(y[0]) for _, y, label in series(left) if label in "0123") == pytest.approx(
        sorted(expected)
    )


def test_online_tracker_is_drawn_over_its_buffer_length(results):
    left, _ = clip_analysis_figure(results).axes
    [(places, values, _)] = [line for line in series(left) if line[2] == "online, T = 1"]
    online = results[(results["clip_length"] == 1) & (results["role"] == "row")]
    assert list(places) == [1, 2, 4]
    assert values == pytest.approx(online["AP"].to_numpy())


def test_missing_result_is_a_gap(results):
    lost = (results["stride"] == 2) & (results["tracker"] == "overlap_embed")
    _, right = clip_analysis_figure(results.assign(AP=results["AP"].mask(lost))).axes
    [(_, values, _)] = [line for line in series(right) if line[2] == "T = 4"]
    assert list(np.isnan(values)) == [False, False, True, False]


def test_figure_without_any_result_has_its_axes(results):
    left, right = clip_analysis_figure(results.assign(AP=float("nan"))).axes
    assert left.get_ylim() == (0, 100)
    assert list(left.get_xticks()) == [1, 2, 4]
    assert list(right.get_xticks()) == [0, 1, 2, 3]


def test_yardsticks_lie_beside_the_overlap(results):
    _, right = clip_analysis_figure(results).axes
    lines = {line.get_label(): line for line in right.lines}
    oracle = results[(results["clip_length"] == 4) & (results["tracker"] == "oracle")]
    assert list(lines["oracle, T = 4"].get_ydata()) == pytest.approx(list(oracle.sort_values("stride")["AP"]))
    assert "identity, T = 4" in lines


def test_every_data_set_has_its_panels(results):
    both = results.loc[results.index.repeat(2)].reset_index(drop=True)
    both.loc[1::2, "dataset"] = "ovis"
    assert len(clip_analysis_figure(both).axes) == 4


def test_models_are_shown_at_their_own_clip_length_alone(results):
    crossed = results[results["clip_length"] == 4].assign(train_clip_length=8)
    for axes in clip_analysis_figure(crossed).axes:
        assert not axes.containers
