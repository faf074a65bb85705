from novis.reporting.figures import FIGURES
from novis.reporting.layouts import LAYOUTS


def test_figures_belong_to_known_layouts():
    assert FIGURES.keys() <= LAYOUTS.keys()
