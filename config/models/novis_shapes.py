# NOVIS in small, for the embedded benchmark: the same network, trained on a CPU.

_base_ = ["_base_/novis.py", "_base_/training.py"]

model = dict(
    backbone=dict(
        name="resnet",
        embedding_size=32,
        hidden_sizes=[32, 64, 96, 128],
        depths=[1, 1, 1, 1],
        layer_type="basic",
    ),
    pixel_decoder=dict(dim=64, mask_dim=64, num_layers=2, feedforward_dim=128),
    instance_decoder=dict(
        num_classes=5, num_queries=20, num_layers=3, dim=64, mask_dim=64, feedforward_dim=256
    ),
    criterion=dict(num_points=256),
)
