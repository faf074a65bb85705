import pytest
import torch

from novis.engine.checkpoints import write_checkpoint
from novis.model.registry import MODELS
from tests.engine.small_network import small_config

CATEGORIES = [{"id": 3, "name": "flat"}, {"id": 7, "name": "tall"}, {"id": 8, "name": "square"}]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    config = small_config(clip_length=3, **{"model.instance_decoder.num_classes": 3})
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.pth"
    meta = {"config": config.to_dict(), "categories": CATEGORIES}
    write_checkpoint(path, {"state_dict": MODELS.build(config.model).state_dict(), "meta": meta})
    return path
