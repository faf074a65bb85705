# NOVIS with a Swin-T, as the published Mask2Former of that size: 100 queries.

_base_ = ["_base_/novis.py", "_base_/training.py"]

model = dict(
    backbone=dict(
        name="swin",
        embed_dim=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=7,
        drop_path_rate=0.3,
    ),
)
