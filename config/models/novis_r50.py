# NOVIS with a ResNet-50.

_base_ = ["_base_/novis.py", "_base_/training.py"]

model = dict(
    backbone=dict(
        name="resnet",
        embedding_size=64,
        hidden_sizes=[256, 512, 1024, 2048],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        frozen_batch_norm=True,
    ),
)
