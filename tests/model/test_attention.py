import pytest
import torch
from torch import nn

from novis.model.attention import Attention, DecoderLayer
from tests.model.networks import randomise


@pytest.fixture
def attention():
    return randomise(Attention(16, 4))


def reference(attention):
    """PyTorch's own multi-head attention with the same weights."""
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    projections = (attention.query_proj, attention.key_proj, attention.value_proj)
    theirs.in_proj_weight.data = torch.cat([linear.weight for linear in projections]).detach()
    theirs.in_proj_bias.data = torch.cat([linear.bias for linear in projections]).detach()
    theirs.out_proj.load_state_dict(attention.output_proj.state_dict())
    return theirs


def test_attention_equals_that_of_pytorch(attention):
    query, key, value = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    attended = torch.rand(2, 5, 7) < 0.5
    attended[..., 0] = True
    expected, _ = reference(attention)(query, key, value, attn_mask=~attended.repeat_interleave(4, 0))
    torch.testing.assert_close(attention(query, key, value, attended), expected)
    torch.testing.assert_close(attention(query, key, value), reference(attention)(query, key, value)[0])


def test_initial_projections_are_drawn_as_one_matrix():
    attention = Attention(256, 8)
    for linear in (attention.query_proj, attention.key_proj, attention.value_proj):
        assert linear.weight.abs().max().item() == pytest.approx((6 / (4 * 256)) ** 0.5, rel=0.01)
    assert attention.output_proj.weight.abs().max().item() == pytest.approx((6 / (2 * 256)) ** 0.5, rel=0.01)


def test_gradients_of_a_layer_equal_finite_differences():
    layer = randomise(DecoderLayer(4, 6, 2)).double()
    torch.manual_seed(0)
    shapes = [(1, 3, 4), (3, 4), (1, 5, 4), (1, 5, 4)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    attended = torch.rand(1, 3, 5) < 0.5
    attended[..., 0] = True
    assert torch.autograd.gradcheck(lambda *tensors: layer(*tensors, attended), inputs)
