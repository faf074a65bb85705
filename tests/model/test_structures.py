import torch

from novis.model.structures import ClipOutput, ClipOutputLayer, ClipTarget, FrameFeatures


def features(num_frames, valid=False):
    maps = tuple(torch.randn(num_frames, 2, size, size) for size in (1, 2, 4))
    sizes = torch.full((num_frames, 2), 30) if valid else None
    return FrameFeatures(torch.randn(num_frames, 3, 8, 8), maps, sizes)


def test_concatenated_frames_can_be_taken_apart_again():
    first, second = features(2, valid=True), features(3, valid=True)
    joined = FrameFeatures.concatenate([first, second])
    assert joined.num_frames == 5
    again = joined[2:]
    assert torch.equal(again.mask_features, second.mask_features)
    assert all(map(torch.equal, again.multi_scale, second.multi_scale))
    assert torch.equal(again.valid_sizes, second.valid_sizes)


def test_frames_can_be_repeated_by_index():
    one = features(2)
    again = one[[0, 1, 0]]
    assert torch.equal(again.mask_features[2], one.mask_features[0])
    assert again.valid_sizes is None


def test_final_layer_comes_last():
    logits = [torch.full((1,), float(i)) for i in range(3)]
    auxiliary = tuple(ClipOutputLayer(x, x) for x in logits[:2])
    output = ClipOutput(logits[2], logits[2], logits[2], (logits[1], logits[2]), auxiliary)
    assert [layer.class_logits.item() for layer in output.layers] == [0, 1, 2]


def test_targets_are_padded_with_background():
    target = ClipTarget(torch.tensor([0]), torch.ones(1, 2, 3, 4, dtype=torch.bool), "x")
    padded = target.padded(5, 8)
    assert padded.masks.shape == (1, 2, 5, 8)
    assert padded.masks.sum() == target.masks.sum()
    assert padded.masks[..., :3, :4].all()
    assert padded.name == "x"
