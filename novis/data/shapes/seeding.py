"""Random streams: one for each (seed, purpose, index), so nothing depends on order or number."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a random stream is for. Streams of different purposes share nothing."""

    VIDEO = 0
    IMAGE = 1
    CLIP = 2
    TEXTURE = 3


def random_stream(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """The generator of one scene.

    Only uniform numbers, integers and permutations are drawn from it: they need no
    transcendental function, whose last bit may differ between machines.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(purpose), index)))
