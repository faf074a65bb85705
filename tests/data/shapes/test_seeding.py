from itertools import product

from novis.data.shapes.seeding import Purpose, random_stream


def first_numbers(seed, purpose, index):
    return tuple(random_stream(seed, purpose, index).integers(0, 2**63, 4).tolist())


def test_a_stream_repeats():
    assert first_numbers(7, Purpose.VIDEO, 3) == first_numbers(7, Purpose.VIDEO, 3)


def test_streams_of_other_seeds_purposes_and_indices_differ():
    # Seeds and indices beyond 32 bits are split into words, where a careless key would collide.
    keys = list(product((0, 1, 2**32, 2**32 + 1), Purpose, (0, 1, 2, 2**32)))
    assert len({first_numbers(*key) for key in keys}) == len(keys)
