"""The network: tensors in, tensors out; it knows nothing of files."""
