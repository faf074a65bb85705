# How a network is trained (Sec. 5.2, Appendix A). The schedule follows from the data set
# (Table 4), clip length, loss variant and seed from the study.

training = dict(
    seed=0,
    batch_size=8,
    micro_batch=1,
    precision="bf16",
    iterations=16000,
    milestones=[8000, 12000],
    learning_rate=1e-4,
    backbone_multiplier=0.1,
    weight_decay=0.05,
    max_norm=0.01,
    augmentation=dict(
        frame_range=5,
        reverse=0.5,
        flip=0.5,
        short_sides=[288, 320, 352, 384, 416, 448, 480, 512],
        max_size=768,
        crop=dict(probability=0.5, short_sides=[400, 500, 600], sizes=[384, 600]),
    ),
    # With images beside videos: how often a clip is of a video and of an image, such as [0.75, 1.0];
    # equally often without it.
    mixing_weights=None,
    log_interval=20,
    save_interval=500,
    save_minutes=10,
    validation_interval=2000,
    validation_videos=20,
    validation_size=360,
)
