"""Where the network's components are registered, by the names configurations use."""

from collections.abc import Sequence
from typing import Any

from mmengine.registry import Registry

from novis.errors import InputError
from novis.experiment import nearest


class ComponentRegistry(Registry):
    """A registry that builds what is registered in it, and nothing else.

    mmengine's own takes any other ``type`` for a dotted name, imports and calls it. A
    configuration may come with a checkpoint of a stranger.
    """

    def get(self, key: str) -> type:
        """The component of a name.

        Raises:
            InputError: none has it; the nearest name is given.
        """
        self.import_from_location()
        if key not in self.module_dict:
            raise InputError(f"unknown component type {key!r}{nearest(str(key), self.module_dict)}")
        return self.module_dict[key]

    def build(self, cfg: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The component that a configuration describes.

        Raises:
            InputError: its ``type`` is unknown, or it would be looked for elsewhere (``_scope_``).
        """
        if "_scope_" in cfg:
            raise InputError("'_scope_' has no place in the configuration of a component")
        return super().build(cfg, *args, **kwargs)


def check_choice(component: str, name: str, value: object, known: Sequence[str]) -> None:
    """Refuse a setting of a component that is none of the ``known`` words.

    Raises:
        InputError: it is none.
    """
    if value not in known:
        raise InputError(f"{component}: {name} is {value!r}; it must be one of {', '.join(known)}")


# A registry of its own, under the scope that mmengine's Runner makes current: the
# components are found by their plain names, whether a Runner has been there or not.
MODELS = ComponentRegistry(
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
