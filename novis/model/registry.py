"""Where the network's components are registered, by the names configurations use."""

from mmengine.registry import Registry

# A registry of its own, under the scope that mmengine's Runner makes current: the
# components are found by their plain names, whether a Runner has been there or not.
MODELS = Registry(
    "novis model",
    scope="mmengine",
    locations=[
        "novis.model.backbone",
        "novis.model.efficientnet_lite",
        "novis.model.pixel_decoder",
        "novis.model.position_encoding",
        "novis.model.instance_decoder",
        "novis.model.overlap",
        "novis.model.criterion",
        "novis.model.preprocessor",
        "novis.model.novis",
    ],
)
