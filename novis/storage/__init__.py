"""The files in which stages meet: clip cache, feature cache, results."""
