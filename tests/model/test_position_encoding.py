import math

import pytest
import torch

from novis.errors import InputError
from novis.model.position_encoding import TemporalEncoding, sine_2d, sine_features

FEATURES = torch.zeros(1, 8, 3, 5)


def test_sine_features_follow_the_formula():
    features = sine_features(torch.tensor([0.3, 2.0]), 4)
    expected = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in (0.3, 2.0)]
    torch.testing.assert_close(features, torch.tensor(expected))


def test_rows_come_before_columns_and_end_at_two_pi():
    encoding = sine_2d(FEATURES)
    assert encoding.shape == (1, 8, 3, 5)
    assert torch.equal(encoding[:, :4, 1, 0], encoding[:, :4, 1, 4])
    assert torch.equal(encoding[:, 4:, 0, 2], encoding[:, 4:, 2, 2])
    assert encoding[0, 0, 0, 0] == pytest.approx(math.sin(2 * math.pi / 3), abs=1e-5)
    assert encoding[0, 4, 0, 0] == pytest.approx(math.sin(2 * math.pi / 5), abs=1e-5)
    assert encoding[0, 1, 2, 0] == pytest.approx(1.0, abs=1e-5)


def test_positions_are_normalised_over_the_valid_part_where_it_is_given():
    encoding = sine_2d(FEATURES.expand(2, -1, -1, -1), torch.tensor([[2, 4], [3, 5]]))
    torch.testing.assert_close(encoding[:1, :, :2, :4], sine_2d(FEATURES[..., :2, :4]))
    torch.testing.assert_close(encoding[1:], sine_2d(FEATURES))
    assert torch.equal(encoding[0, :, 2, 4], encoding[0, :, 1, 3])


def test_learned_table_gives_its_first_rows_to_a_shorter_clip():
    encoding = TemporalEncoding(4, 8)
    assert encoding(2, 0, FEATURES).shape == (2, 8)
    assert torch.equal(encoding(2, 0, FEATURES), encoding(4, 2, FEATURES)[:2])


def test_learned_table_refuses_a_longer_clip():
    with pytest.raises(InputError, match="5 frames for a network trained on 4"):
        TemporalEncoding(4, 8)(5, 0, FEATURES)


def test_one_table_serves_all_levels_unless_each_has_its_own():
    shared, own = TemporalEncoding(4, 8), TemporalEncoding(4, 8, per_level=True)
    assert sum(p.numel() for p in shared.parameters()) == 4 * 8
    assert sum(p.numel() for p in own.parameters()) == 3 * 4 * 8
    assert not torch.equal(own(4, 0, FEATURES), own(4, 1, FEATURES))


def test_initial_table_has_the_standard_deviation_asked_for():
    torch.manual_seed(0)
    for std in (1.0, 0.02):
        table = TemporalEncoding(100, 64, init_std=std).tables[0].weight
        assert table.std().item() == pytest.approx(std, rel=0.05)
    assert TemporalEncoding(4, 8, init_std=0.0).tables[0].weight.abs().max() == 0


def test_sines_stretch_with_the_clip_and_need_no_parameter():
    encoding = TemporalEncoding(4, 8, kind="sine_3d")
    assert not list(encoding.parameters())
    torch.testing.assert_close(encoding(6, 0, FEATURES)[-1], encoding(2, 0, FEATURES)[-1])
    assert encoding(2, 0, FEATURES)[0, 0] == pytest.approx(math.sin(math.pi), abs=1e-5)


def test_no_encoding_is_none():
    assert TemporalEncoding(4, 8, kind="none")(9, 0, FEATURES) is None


@pytest.mark.parametrize("setting", [{"kind": "cosine"}, {"add_to": "queries"}])
def test_unknown_settings_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting.values()))):
        TemporalEncoding(4, 8, **setting)
