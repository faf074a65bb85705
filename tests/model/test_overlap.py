import pytest
import torch

from novis.errors import InputError
from novis.model.overlap import OverlapEmbeddings
from novis.model.structures import FrameFeatures
from tests.model.networks import dividing_direction, random_features, small_network

T, N = 4, 20
OVERLAPS = [slice(0, 1), slice(1, 3), slice(0, 3), slice(3, 4), slice(0, 4)]


@pytest.fixture(scope="module")
def decoder():
    return small_network().instance_decoder.requires_grad_(False)


def silenced(decoder, features, queries, frames):
    """The features with masks of some queries only, all or nothing of each of ``frames``.

    Returns:
        the features; (N,) True for the queries without a mask in ``frames``.
    """
    wanted = decoder.mask_embed(decoder.decoder_norm(queries))[0]
    direction = dividing_direction(wanted)
    mask_features = features.mask_features.clone()
    mask_features[frames] = direction.view(-1, 1, 1)
    empty = wanted @ direction < 0
    assert empty.any()
    assert not empty.all()
    return FrameFeatures(mask_features, features.multi_scale), empty


def rerun(decoder, features, inputs, mask, frames):
    """The last layer over the frames' own keys alone: brute force, one clip at a time."""
    volume = decoder.volume(features, len(inputs), decoder.last_level)
    pixels = volume.keys.shape[1] // T
    span = slice(frames.start * pixels, frames.stop * pixels)
    attended = mask[:, :, frames].flatten(2)
    attended = attended | ~attended.any(-1, keepdim=True)
    layer, position = decoder.layers[-1], decoder.query_embed.weight
    queries = layer(inputs, position, volume.keys[:, span], volume.values[:, span], attended)
    return decoder.decoder_norm(queries)


def foreground(decoder, features, queries):
    volume = decoder.volume(features, len(queries), decoder.last_level)
    return decoder.foreground(decoder.decoder_norm(queries), volume)


def test_all_frames_with_the_layers_own_mask_give_the_output_embeddings(decoder):
    features = random_features(2 * T)
    output = decoder(features, 2)
    again = OverlapEmbeddings(mask="previous")(decoder, features, output, [slice(0, T)])
    torch.testing.assert_close(again[:, 0], output.embeddings, atol=1e-5, rtol=1e-5)


def test_the_identity_holds_where_queries_have_no_mask_at_all(decoder):
    features = random_features(T)
    whole = slice(0, T)
    # Masks of all or nothing let every query attend everywhere: the queries do not depend on them.
    features, _ = silenced(decoder, features, decoder(features, 1).last_queries[0], whole)
    features, empty = silenced(decoder, features, decoder(features, 1).last_queries[0], whole)
    output = decoder(features, 1)
    masks = foreground(decoder, features, output.last_queries[0])
    assert torch.equal(~masks[0].flatten(1).any(-1), empty)
    for fallback in ("output", "overlap"):
        overlap = OverlapEmbeddings(mask="previous", fallback=fallback)
        again = overlap(decoder, features, output, [whole])
        torch.testing.assert_close(again[:, 0], output.embeddings, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("query", ["previous", "output"])
@pytest.mark.parametrize("mask", ["final", "previous"])
def test_each_overlap_equals_a_second_run_of_the_layer_over_its_frames(decoder, query, mask):
    features = random_features(2 * T)
    output = decoder(features, 2)
    previous, final = output.last_queries
    embeddings = OverlapEmbeddings(query, mask, "overlap")(decoder, features, output, OVERLAPS)
    assert embeddings.shape == (2, len(OVERLAPS), N, 64)
    masks = foreground(decoder, features, final if mask == "final" else previous)
    inputs = previous if query == "previous" else final
    for i, frames in enumerate(OVERLAPS):
        expected = rerun(decoder, features, inputs, masks, frames)
        torch.testing.assert_close(embeddings[:, i], expected, atol=1e-5, rtol=1e-5)


def test_query_without_a_mask_in_the_overlap_keeps_its_output_embedding(decoder):
    frames = slice(0, 2)
    output = decoder(random_features(T), 1)
    previous, final = output.last_queries
    features, empty = silenced(decoder, random_features(T), final, frames)
    embeddings = OverlapEmbeddings()(decoder, features, output, [frames])[0, 0]
    assert torch.equal(embeddings[empty], output.embeddings[0, empty])
    expected = rerun(decoder, features, previous, foreground(decoder, features, final), frames)[0]
    torch.testing.assert_close(embeddings[~empty], expected[~empty], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(embeddings[~empty], output.embeddings[0, ~empty], atol=1e-2)


@pytest.mark.parametrize("value", [100.0, torch.nan])
def test_frames_outside_the_overlap_influence_no_query(decoder, value):
    frames = slice(0, 2)
    output = decoder(random_features(T), 1)
    features, _ = silenced(decoder, random_features(T), output.last_queries[1], frames)
    overlap = OverlapEmbeddings(fallback="overlap")
    before, wider = overlap(decoder, features, output, [frames, slice(0, 3)])[0]
    # Masks and queries stay; what could be attended outside the overlap does not.
    features.multi_scale[decoder.last_level][2:] = value
    after, after_wider = overlap(decoder, features, output, [frames, slice(0, 3)])[0]
    assert torch.equal(after, before)
    assert not torch.allclose(after_wider, wider, atol=1e-2)


def test_a_query_without_a_mask_in_one_frame_looks_at_the_others_only(decoder):
    output = decoder(random_features(T), 1)
    previous, final = output.last_queries
    features, empty = silenced(decoder, random_features(T), final, slice(0, 1))
    masks = foreground(decoder, features, final)
    elsewhere = empty & masks[0, :, 1].flatten(1).any(-1)
    assert elsewhere.any()
    embeddings = OverlapEmbeddings()(decoder, features, output, [slice(0, 2)])[0, 0]
    expected = rerun(decoder, features, previous, masks, slice(0, 2))[0]
    torch.testing.assert_close(embeddings[elsewhere], expected[elsewhere], atol=1e-5, rtol=1e-5)


def test_no_shared_frames_give_the_output_embeddings(decoder):
    features = random_features(T)
    output = decoder(features, 1)
    embeddings = OverlapEmbeddings()(decoder, features, output, [slice(0, 0), slice(T, T)])
    assert torch.equal(embeddings[:, 0], output.embeddings)
    assert torch.equal(embeddings[:, 1], output.embeddings)
    assert OverlapEmbeddings()(decoder, features, output, []).shape == (1, 0, N, 64)


def test_output_embeddings_where_nobody_has_a_mask(decoder):
    features = random_features(T)
    output = decoder(features, 1)
    blank = FrameFeatures(torch.full_like(features.mask_features, torch.nan), features.multi_scale)
    embeddings = OverlapEmbeddings()(decoder, blank, output, OVERLAPS)
    assert torch.equal(embeddings, output.embeddings[:, None].expand_as(embeddings))


def test_masked_padding_stays_unattended(decoder):
    features = random_features(T)
    padded = FrameFeatures(features.mask_features, features.multi_scale, torch.tensor([[40, 70]] * T))
    output = decoder(padded, 1)
    before = OverlapEmbeddings()(decoder, padded, output, OVERLAPS)
    padded.multi_scale[2][:, :, 5:] += 5
    padded.multi_scale[2][..., 9:] += 5
    assert torch.equal(OverlapEmbeddings()(decoder, padded, output, OVERLAPS), before)


def test_clips_of_a_batch_do_not_see_each_other(decoder):
    features = random_features(2 * T)
    together = OverlapEmbeddings()(decoder, features, decoder(features, 2), OVERLAPS)
    second = features[T:]
    alone = OverlapEmbeddings()(decoder, second, decoder(second, 1), OVERLAPS)
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("setting", ["query", "mask", "fallback"])
def test_unknown_settings_are_refused(setting):
    with pytest.raises(InputError, match=setting):
        OverlapEmbeddings(**{setting: "sometimes"})
