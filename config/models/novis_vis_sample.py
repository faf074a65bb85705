# NOVIS in small for real frames: an ImageNet backbone under the small head, trained on a CPU.

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
    instance_decoder=dict(num_queries=20, num_layers=3, dim=64, mask_dim=64, feedforward_dim=256),
    # Minutes of training: at the parent's weights the class term drowns in the sums over frames.
    criterion=dict(num_points=512, class_weight=5.0, mask_loss_normalisation="mean"),
)

training = dict(
    batch_size=4,
    micro_batch=4,
    precision="fp32",
    learning_rate=1e-3,
    backbone_multiplier=0.3,
    max_norm=0.1,
    iterations=300,
    milestones=[220, 275],
    augmentation=dict(
        short_sides=[128, 144, 160],
        max_size=288,
        crop=dict(probability=0.5, short_sides=[160, 192, 224], sizes=[128, 192]),
    ),
    save_interval=100,
    validation_interval=150,
    validation_videos=3,
    validation_size=160,
)
