import pytest
import torch

from novis.model.pixel_decoder import EncoderLayer, PixelDecoder, level_sizes, padded_pixels
from tests.model.networks import golden, golden_network, randomise

CHANNELS = (8, 16, 24, 32)


@pytest.fixture
def decoder():
    return randomise(PixelDecoder(CHANNELS, dim=64, mask_dim=32, num_layers=2, feedforward_dim=64))


def random_maps(frames=2, height=64, width=96):
    torch.manual_seed(1)
    return [torch.randn(frames, c, height >> i, width >> i) for i, c in enumerate(CHANNELS, start=2)]


def test_features_equal_those_of_the_published_code():
    expected = golden("head_small_out_video_T3")
    with torch.no_grad():
        features = golden_network("none").pixel_decoder(list(golden("head_small_inputs").values()))
    torch.testing.assert_close(features.mask_features, expected["mask_features"], atol=1e-4, rtol=0)
    for level, maps in enumerate(features.multi_scale):
        torch.testing.assert_close(maps, expected[f"multi_scale_{level}"], atol=1e-4, rtol=0)


def test_official_size_is_6035904_parameters():
    with torch.device("meta"):
        decoder = PixelDecoder((256, 512, 1024, 2048))
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 6_035_904


def test_frames_do_not_see_each_other(decoder):
    maps = random_maps()
    together, alone = decoder(maps), decoder([level[1:] for level in maps])
    torch.testing.assert_close(together.mask_features[1:], alone.mask_features, atol=1e-5, rtol=1e-5)


def test_computes_in_float32_under_autocast(decoder):
    maps = random_maps()
    with torch.autocast("cpu", torch.bfloat16):
        features = decoder([level.bfloat16() for level in maps])
    assert features.mask_features.dtype == torch.float32
    exact = decoder([level.bfloat16().float() for level in maps])
    assert torch.equal(features.mask_features, exact.mask_features)


def test_recomputed_activations_give_the_same_gradients(decoder):
    gradients = []
    for decoder.activation_checkpointing in (False, True):
        decoder.zero_grad()
        decoder.train()(random_maps()).mask_features.square().mean().backward()
        gradients.append([parameter.grad for parameter in decoder.parameters() if parameter.grad is not None])
    assert len(gradients[0]) > 50
    assert all(map(torch.equal, *gradients))


def test_sizes_of_a_level_count_partly_covered_pixels():
    assert level_sizes(torch.tensor([[33, 64]]), 32).tolist() == [[2, 2]]
    assert level_sizes(None, 32) is None


def test_padded_pixels_lie_beyond_the_valid_size():
    padding = padded_pixels(torch.tensor([[1, 2], [2, 3]]), (2, 3))
    assert padding.tolist() == [[False, False, True, True, True, True], [False] * 6]


def test_encoder_ignores_padded_pixels_where_asked_to():
    layer = randomise(EncoderLayer(16, 32, 2, 1, 4))
    features, positions, reference = torch.randn(1, 6, 16), torch.randn(1, 6, 16), torch.rand(6, 2)
    padding = padded_pixels(torch.tensor([[2, 2]]), (2, 3))
    changed = torch.where(padding[..., None], 7.0, features)
    kept = ~padding[0]
    results = [layer(f, positions, reference, [(2, 3)], padding)[0, kept] for f in (features, changed)]
    assert torch.equal(*results)


def test_valid_sizes_of_whole_frames_change_nothing(decoder):
    maps = random_maps()
    whole = torch.tensor([[64, 96]] * 2)
    torch.testing.assert_close(decoder(maps, whole).mask_features, decoder(maps).mask_features)
