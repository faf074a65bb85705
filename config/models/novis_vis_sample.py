# The small network on real frames: larger inputs, more points, crops; the head as pre-trained for `shapes`.

_base_ = ["novis_shapes.py"]

model = dict(criterion=dict(num_points=512))

training = dict(
    learning_rate=1e-3,
    iterations=300,
    milestones=[220, 275],
    augmentation=dict(
        short_sides=[128, 144, 160],
        max_size=288,
        crop=dict(_delete_=True, probability=0.5, short_sides=[160, 192, 224], sizes=[128, 192]),
    ),
    validation_interval=150,
    validation_videos=3,
    validation_size=160,
)
