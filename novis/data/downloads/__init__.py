"""Public data and weights, brought over networks as they are: slow, broken off, changed, or closed."""
