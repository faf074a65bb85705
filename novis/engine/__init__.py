"""Training and prediction: where the network meets data and files."""
