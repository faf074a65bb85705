"""Linking of clips into tracks, from the clip cache alone; no torch."""
