import pytest
import torch

from novis.errors import InputError
from novis.model.instance_decoder import InstanceDecoder
from tests.model.networks import (
    dividing_direction,
    golden,
    golden_network,
    random_features,
    small_network,
)

KINDS = ["learned", "sine_3d", "none"]


def decoder(kind="learned", **settings):
    return small_network(temporal_encoding={"kind": kind, **settings}).instance_decoder


def assert_outputs_equal(output, expected, tolerance=1e-4):
    for ours, theirs in zip(output, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


@torch.no_grad()
def decode_golden(kind, frames, num_clips, auxiliary=False):
    network = golden_network(kind)
    features = network.pixel_decoder([level[frames] for level in golden("head_small_inputs").values()])
    return network.decode(features, num_clips, auxiliary)


def test_clip_equals_the_published_video_model():
    expected = golden("head_small_out_video_T3")
    output = decode_golden("sine_3d", slice(0, 3), 1, auxiliary=True)
    assert_outputs_equal(
        (output.class_logits, output.mask_logits, output.embeddings[0]),
        (expected["pred_logits"], expected["pred_masks"], expected["query_embeds"][9, :, 0]),
    )
    assert len(output.auxiliary) == 9
    for i, layer in enumerate(output.auxiliary):
        assert_outputs_equal(layer, (expected[f"aux{i}_pred_logits"], expected[f"aux{i}_pred_masks"]))


def test_clips_of_one_frame_equal_the_published_image_model():
    expected = golden("head_small_out_image_N3")
    output = decode_golden("none", slice(0, 3), 3)
    assert_outputs_equal(
        (output.class_logits, output.mask_logits[:, :, 0], output.embeddings.transpose(0, 1)),
        (expected["pred_logits"], expected["pred_masks"], expected["final_embeds"]),
    )


def test_clip_of_one_frame_equals_the_published_video_model():
    expected = golden("head_small_out_video_T1")
    output = decode_golden("sine_3d", slice(0, 1), 1)
    assert_outputs_equal(
        (output.class_logits, output.mask_logits, output.embeddings.transpose(0, 1)),
        (expected["pred_logits"], expected["pred_masks"], expected["final_embeds"]),
    )


@pytest.mark.parametrize(("kind", "temporal"), [("none", 0), ("sine_3d", 0), ("learned", 4 * 256)])
def test_official_size_is_14479441_parameters_and_a_table_of_t_rows(kind, temporal):
    with torch.device("meta"):
        parts = InstanceDecoder(80, clip_length=4, temporal_encoding={"kind": kind})
    assert sum(parameter.numel() for parameter in parts.parameters()) == 14_479_441 + temporal


def test_temporal_encoding_on_keys_cancels_in_a_clip_of_one_frame():
    learned, none = decoder("learned"), decoder("none")
    none.load_state_dict(learned.state_dict(), strict=False)
    features = random_features(2)
    outputs = [parts(features, 2) for parts in (learned, none)]
    torch.testing.assert_close(outputs[0].embeddings, outputs[1].embeddings, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(learned(features, 1).embeddings, none(features, 1).embeddings, atol=1e-2)


def test_temporal_encoding_on_features_does_not_cancel():
    learned, none = decoder("learned", add_to="features"), decoder("none")
    none.load_state_dict(learned.state_dict(), strict=False)
    features = random_features(1)
    assert not torch.allclose(learned(features, 1).embeddings, none(features, 1).embeddings, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_queries_give_permuted_outputs(kind):
    parts, features, order = decoder(kind), random_features(3), torch.randperm(20)
    before = parts(features, 1, auxiliary=True)
    for table in (parts.query_feat, parts.query_embed):
        table.weight.data = table.weight.data[order]
    after = parts(features, 1, auxiliary=True)
    torch.testing.assert_close(after.embeddings, before.embeddings[:, order], atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(after.layers, before.layers, strict=True):
        torch.testing.assert_close(ours.class_logits, theirs.class_logits[:, order], atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(ours.mask_logits, theirs.mask_logits[:, order], atol=1e-3, rtol=1e-4)


def test_swapped_temporal_rows_change_the_outputs():
    parts, features = decoder(), random_features(2)
    before = parts(features, 1).embeddings
    rows = parts.temporal_encoding.tables[0].weight
    rows.data = rows.data[[1, 0, 2, 3]]
    assert not torch.allclose(parts(features, 1).embeddings, before, atol=1e-2)


def test_frames_swapped_together_with_their_rows_swap_the_masks():
    parts, features = decoder(), random_features(2)
    before = parts(features, 1)
    rows = parts.temporal_encoding.tables[0].weight
    rows.data = rows.data[[1, 0, 2, 3]]
    after = parts(features[[1, 0]], 1)
    torch.testing.assert_close(after.embeddings, before.embeddings, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after.mask_logits, before.mask_logits.flip(2), atol=1e-3, rtol=1e-4)


def test_shorter_clips_use_the_first_rows_and_longer_ones_are_refused():
    parts = decoder()
    before = parts(random_features(3), 1).embeddings
    parts.temporal_encoding.tables[0].weight.data[3] = torch.nan
    assert torch.equal(parts(random_features(3), 1).embeddings, before)
    with pytest.raises(InputError, match="5 frames"):
        parts(random_features(5), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_a_batch_do_not_see_each_other(kind):
    parts, features = decoder(kind), random_features(6)
    together = parts(features, 2)
    for clip in range(2):
        alone = parts(features[3 * clip : 3 * clip + 3], 1)
        torch.testing.assert_close(together.embeddings[clip], alone.embeddings[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.mask_logits[clip], alone.mask_logits[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("valid_size", [None, (40, 70)])
def test_query_without_a_mask_in_the_clip_attends_everywhere_but_to_masked_padding(valid_size):
    sizes = torch.tensor([valid_size] * 2) if valid_size else None
    parts, features = decoder(), random_features(2, valid_sizes=sizes)
    volume = parts.volume(features, 1, 2)
    embeddings = parts.decoder_norm(parts.query_feat.weight)[None]
    direction = dividing_direction(parts.mask_embed(embeddings)[0].detach())
    volume = volume._replace(mask_features=direction.view(1, -1, 1, 1, 1).expand(-1, -1, 2, 8, 12))
    foreground = parts.foreground(embeddings, volume)[0]
    attended = parts.attention_mask(embeddings, volume)[0].unflatten(-1, (2, 8, 12))
    empty = ~foreground.flatten(1).any(-1)
    assert empty.any()
    assert not empty.all()
    assert torch.equal(attended[~empty], foreground[~empty])
    assert attended[empty, :, :5, :9].all()
    assert attended[empty].all() == (valid_size is None)
    assert not valid_size or not attended[:, :, 5:].any()


def test_attention_masks_are_the_resized_predictions():
    parts, features = decoder(), random_features(2)
    embeddings = parts.decoder_norm(parts.query_feat.weight)[None]
    masks = parts.mask_logits(embeddings, features.mask_features.transpose(0, 1)[None])
    for level, size in enumerate([(2, 3), (4, 6), (8, 12)]):
        resized = torch.nn.functional.interpolate(masks[0], size, mode="bilinear", align_corners=False)
        certain = resized.abs() > 1e-4
        foreground = parts.foreground(embeddings, parts.volume(features, 1, level))[0]
        assert torch.equal(foreground[certain], (resized >= 0)[certain])
        assert certain.float().mean() > 0.99


def test_padded_pixels_are_attended_unless_they_are_masked():
    parts = decoder("none")
    sizes = torch.tensor([[40, 70]] * 2)
    results = []
    for valid_sizes in (None, sizes):
        features = random_features(2, valid_sizes=valid_sizes)
        before = parts(features, 1).embeddings
        for maps, stride in zip(features.multi_scale, (32, 16, 8), strict=True):
            maps[:, :, -(-40 // stride) :] += 3
            maps[:, :, :, -(-70 // stride) :] += 3
        results.append(torch.equal(parts(features, 1).embeddings, before))
    assert results == [False, True]


def test_recomputed_activations_give_the_same_gradients():
    parts, features = decoder(), random_features(4)
    gradients = []
    for parts.activation_checkpointing in (False, True):
        parts.zero_grad()
        parts.train()(features, 2).embeddings.square().sum().backward()
        gradients.append([parameter.grad for parameter in parts.layers.parameters()])
    assert all(map(torch.equal, *gradients))
