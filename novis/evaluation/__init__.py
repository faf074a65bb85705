"""Scores from results.json and annotations alone; no torch."""
