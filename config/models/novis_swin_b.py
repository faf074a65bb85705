# NOVIS with a Swin-B, as the published Mask2Former of that size: 100 queries.

_base_ = ["_base_/novis.py", "_base_/training.py"]

model = dict(
    backbone=dict(
        name="swin",
        embed_dim=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=12,
        drop_path_rate=0.3,
    ),
)
