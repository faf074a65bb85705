# NOVIS in small, for the embedded benchmark: the same network, trained on a CPU.

_base_ = ["_base_/novis.py", "_base_/training.py"]

model = dict(
    preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        _delete_=True,
        type="EfficientNetLite",
        pretrained=True,
        frozen_stages=2,
        frozen_batch_norm=True,
    ),
    pixel_decoder=dict(dim=64, mask_dim=64, num_layers=2, feedforward_dim=128),
    instance_decoder=dict(
        num_classes=6,
        num_queries=12,
        num_layers=6,
        dim=64,
        mask_dim=64,
        feedforward_dim=256,
        query_init_std=0.02,
    ),
    # Minutes of training: at the parent's weights the class term drowns in the sums over frames.
    criterion=dict(num_points=256, class_weight=5.0, mask_loss_normalisation="mean"),
)

training = dict(
    precision="fp32",
    batch_size=4,
    micro_batch=4,
    learning_rate=5e-4,
    backbone_multiplier=0.3,
    max_norm=0.1,
    iterations=200,
    milestones=[140, 180],
    augmentation=dict(short_sides=[96], max_size=160, crop=None),
    save_interval=100,
    validation_interval=200,
    validation_videos=6,
    validation_size=96,
)
