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


def test_an_unknown_precision_names_the_nearest():
    with pytest.raises(InputError, match="unknown precision 'float16'; did you mean 'fp16'"):
        autocast(torch.device("cpu"), "float16")
