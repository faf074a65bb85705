"""A configuration with one study, and variations of its block."""

import copy

CONFIG = {
    "datasets": {"toy": {"min_size": 64, "overrides": {"iterations": 10}}},
    "models": {"small": {"file": "small.py"}},
    "variants": {
        "plain": {"dice_loss": "per_frame"},
        "offline": {"temporal_encoding": "sine_3d"},
        "novis": {"dice_loss": "volumetric"},
    },
    "readings": {"output_query": {"query": "output"}},
    "trackers": {
        "embed": {"kind": "embed"},
        "overlap_embed": {"kind": "overlap_embed"},
        "identity": {"kind": "identity"},
        "clips": {"kind": "unlinked"},
    },
    "defaults": {
        "dataset": "toy",
        "split": ["fold0", "fold1"],
        "model": "small",
        "seed": [0, 1],
        "starts": "all",
    },
    "studies": {
        "table": {
            "layout": "ablation",
            "title": "A table",
            "yardsticks": ["identity"],
            "frame_ap": True,
            "blocks": [
                {"variant": "plain", "clip_length": 4, "stride": 2, "tracker": "embed"},
                {
                    "variant": "novis",
                    "clip_length": 4,
                    "stride": [1, 2],
                    "tracker": ["embed", "overlap_embed"],
                },
            ],
        }
    },
}


def with_block(**changes):
    config = copy.deepcopy(CONFIG)
    block = {"variant": "plain", "clip_length": 4, "stride": 2, "tracker": "embed"} | changes
    config["studies"]["table"]["blocks"] = [block]
    return config


OFFLINE = {"variant": "offline", "test_clip_length": "video", "stride": 1, "tracker": "identity"}
