"""Where the network's components are registered, by the names configurations use."""

from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

MODELS = Registry(
    "model",
    parent=MMENGINE_MODELS,
    scope="novis",
    locations=[
        "novis.model.backbone",
        "novis.model.pixel_decoder",
        "novis.model.position_encoding",
        "novis.model.instance_decoder",
        "novis.model.overlap",
        "novis.model.criterion",
        "novis.model.preprocessor",
        "novis.model.novis",
    ],
)
