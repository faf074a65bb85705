"""Which layouts of a study have a figure, and what draws it."""

from collections.abc import Callable

import pandas as pd
from matplotlib.figure import Figure

from novis.reporting.clip_figure import clip_analysis_figure
from novis.reporting.mask_figure import mask_quality_figure
from novis.reporting.paradigm_figure import paradigm_figure

# From a study's aggregated results. Figs. 5 and 6 are drawn over frames, by novis.visualisation.gallery.
FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "clip_analysis": clip_analysis_figure,
    "mask_quality": mask_quality_figure,
    "paradigms": paradigm_figure,
}
