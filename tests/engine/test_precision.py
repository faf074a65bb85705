import pytest
import torch

from novis.engine.precision import autocast
from novis.errors import InputError


@pytest.mark.parametrize(
    ("word", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_a_product_has_the_precision_of_its_word(word, kind):
    with autocast(torch.device("cpu"), word):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind


def test_an_unknown_precision_is_refused_with_what_is_known():
    with pytest.raises(InputError, match="unknown precision 'float16'; known: bf16, fp16, fp32"):
        autocast(torch.device("cpu"), "float16")
