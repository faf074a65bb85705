"""NOVIS: near-online video instance segmentation, as a benchmark pipeline."""

__version__ = "0.1.0"
