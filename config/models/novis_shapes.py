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
    # Minutes of training: at the parent's weights the class term drowns in the sums over frames.
    criterion=dict(num_points=256, class_weight=5.0, mask_loss_normalisation="mean"),
)

training = dict(
    precision="fp32",
    micro_batch=8,
    learning_rate=5e-4,
    backbone_multiplier=0.3,
    max_norm=0.1,
    iterations=400,
    milestones=[270, 360],
    augmentation=dict(short_sides=[96], max_size=160, crop=None),
    save_interval=100,
    validation_interval=200,
    validation_videos=6,
    validation_size=96,
)
