import numpy as np
import pytest

from novis.data.shapes.textures import (
    KINDS,
    TEXTURE_SIZE,
    VARIANTS,
    colour_table,
    noise_field,
    texture_bank,
)

PATTERNS = [(kind, variant) for kind in KINDS for variant in range(VARIANTS)]


@pytest.mark.parametrize(("kind", "variant"), PATTERNS)
def test_a_pattern_goes_on_seamlessly_where_it_ends(kind, variant):
    pattern = texture_bank()[kind][variant].astype(int)
    assert pattern.shape == (TEXTURE_SIZE, TEXTURE_SIZE)
    for axis in (0, 1):
        inside = np.abs(np.diff(pattern, axis=axis)).mean()
        seam = np.abs(pattern.take(-1, axis) - pattern.take(0, axis)).mean()
        assert seam <= 2 * inside + 2


@pytest.mark.parametrize(("kind", "variant"), PATTERNS)
def test_a_pattern_has_contrast_at_the_scale_of_an_instance(kind, variant):
    pattern = texture_bank()[kind][variant].astype(int)
    patches = pattern[:240, :240].reshape(4, 60, 4, 60).swapaxes(1, 2).reshape(16, -1)
    assert np.median(np.ptp(patches, axis=1)) > 50


def test_patterns_differ():
    assert len({pattern.tobytes() for patterns in texture_bank().values() for pattern in patterns}) > 24


def test_a_colour_table_runs_from_dark_to_light():
    table = colour_table(np.array([0, 10, 200]), np.array([255, 20, 100]))
    assert table.shape == (256, 1, 3)
    assert table[0, 0].tolist() == [0, 10, 200]
    assert table[128, 0].tolist() == [128, 15, 150]
    assert table[255, 0].tolist() == [255, 20, 100]


def test_noise_is_centred_and_within_its_range():
    field = noise_field()
    assert abs(field.mean()) < 1.5
    assert -128 <= field.min() < -100
    assert 100 < field.max() <= 127
