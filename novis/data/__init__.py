"""Data sets: reading, checking, splitting, sampling and generating them."""
