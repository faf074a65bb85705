import numpy as np
import pytest

from novis.reporting.collect import aggregate, tidy
from novis.reporting.paradigm_figure import paradigm_figure
from novis.reporting.study import read_study
from tests.reporting.figures import series


@pytest.fixture(scope="module")
def results(paradigm_file):
    return aggregate(tidy(read_study(paradigm_file)))


def ap(results, **fields):
    chosen = results
    for name, value in fields.items():
        chosen = chosen[chosen[name] == value]
    return chosen["AP"].tolist()


def test_sequences_lie_a_step_apart_and_whole_videos_come_last(results):
    offline, near_online, _ = paradigm_figure(results).axes
    for axes in (offline, near_online):
        assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "8", "whole"]
        assert list(axes.get_xticks()) == [2, 3, 4]


def test_offline_and_near_online_lines_are_told_by_their_training(results):
    offline, near_online, _ = paradigm_figure(results).axes
    for axes, tracker in ((offline, "identity"), (near_online, "embed")):
        drawn = {label: values for _, values, label in series(axes)}
        assert drawn.keys() == {"2", "4", "online"}
        expected = ap(results, variant="sine", train_clip_length=4, tracker=tracker)
        assert drawn["4"] == pytest.approx(expected)
        assert drawn["online"] == pytest.approx(ap(results, variant="plain"))


def test_a_ring_marks_sequences_as_long_as_the_clips_of_training(results):
    offline = paradigm_figure(results).axes[0]
    [ring] = [line for line in offline.lines if line.get_markersize() == 9]
    wanted = ap(results, tracker="identity", train_clip_length=4, sequence_length=4)
    assert ring.get_xdata()[0] == pytest.approx(2, abs=0.1)
    assert ring.get_ydata()[0] == pytest.approx(wanted[0])


def test_novis_is_shown_on_whole_videos_beside_online_and_offline(results):
    novis = paradigm_figure(results).axes[2]
    points = {float(values[0]) for _, values, _ in series(novis)}
    assert points == set(ap(results, variant="novis"))
    levels = {line.get_label(): line.get_ydata()[0] for line in novis.lines}
    whole = ap(results, tracker="identity", sequence_length="video")
    assert levels["offline"] == pytest.approx(max(whole))
    assert levels["online"] == pytest.approx(ap(results, variant="plain", sequence_length="video")[0])


def test_without_results_there_are_axes(results):
    figure = paradigm_figure(results.assign(AP=np.nan))
    assert figure.axes[0].get_ylim() == (0, 100)
