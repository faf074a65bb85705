"""The video instance decoder: one set of queries for a whole clip (Sec. 4.1)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from novis.model.attention import DecoderLayer
from novis.model.pixel_decoder import level_sizes, padded_pixels
from novis.model.position_encoding import TemporalEncoding, sine_2d
from novis.model.registry import MODELS
from novis.model.structures import ClipOutput, ClipOutputLayer, FrameFeatures

NUM_LEVELS = 3


class Volume(NamedTuple):
    """One feature scale of B clips as the queries see it, S = T * h * w.

    Attributes:
        keys, values: (B, S, C).
        mask_features: (B, C_mask, T, h, w), to predict masks at this scale.
        padding: (B, 1, S) bool, True where nothing may be attended, or None.
    """

    keys: Tensor
    values: Tensor
    mask_features: Tensor
    padding: Tensor | None


@MODELS.register_module()
class InstanceDecoder(nn.Module):
    """Mask2Former's decoder over spatio-temporal volumes, with a temporal encoding.

    N learned queries go through L layers; layer l attends to scale l mod 3 (strides 32,
    16, 8), within the masks that the queries predict before it. A query whose mask is
    empty over the whole clip attends everywhere.

    Args:
        num_classes: K.
        clip_length: T of the training.
        num_queries, num_layers: N, L.
        dim: C.
        mask_dim: channels of the mask features.
        feedforward_dim, num_heads: of the layers.
        temporal_encoding: settings of :class:`TemporalEncoding`.
        query_init_std: standard deviation of the learned queries at the start. Queries that
            start large leave their mark on every output embedding: two clips are then
            linked by which query answered rather than by what it saw.
        activation_checkpointing: recompute the layers in the backward pass.
    """

    def __init__(
        self,
        num_classes: int,
        clip_length: int,
        num_queries: int = 100,
        num_layers: int = 9,
        dim: int = 256,
        mask_dim: int = 256,
        feedforward_dim: int = 2048,
        num_heads: int = 8,
        temporal_encoding: dict[str, Any] | None = None,
        query_init_std: float = 1.0,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing
        self.query_feat = nn.Embedding(num_queries, dim)
        self.query_embed = nn.Embedding(num_queries, dim)
        nn.init.normal_(self.query_feat.weight, std=query_init_std)
        self.level_embed = nn.Embedding(NUM_LEVELS, dim)
        self.temporal_encoding = TemporalEncoding(clip_length, dim, NUM_LEVELS, **(temporal_encoding or {}))
        self.layers = nn.ModuleList(DecoderLayer(dim, feedforward_dim, num_heads) for _ in range(num_layers))
        self.decoder_norm = nn.LayerNorm(dim)
        self.class_embed = nn.Linear(dim, num_classes + 1)
        self.mask_embed = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, mask_dim)
        )

    @property
    def last_level(self) -> int:
        """The scale to which the last layer attends: 2, stride 8, in the paper's network."""
        return (len(self.layers) - 1) % NUM_LEVELS

    def forward(
        self,
        features: FrameFeatures,
        num_clips: int,
        auxiliary: bool = False,
    ) -> ClipOutput:
        """Decode clips.

        Args:
            features: of B * T frames, clip after clip.
            num_clips: B.
            auxiliary: also return the predictions of the earlier layers (for training).
        """
        volumes = [self.volume(features, num_clips, level) for level in range(NUM_LEVELS)]
        mask_features = _clips(features.mask_features, num_clips)
        queries = self.query_feat.weight.expand(num_clips, -1, -1)
        earlier, previous = [], queries
        for i, layer in enumerate(self.layers):
            previous, volume = queries, volumes[i % NUM_LEVELS]
            embeddings = self.decoder_norm(queries)
            if auxiliary:
                earlier.append(self._predict(embeddings, mask_features))
            attended = self.attention_mask(embeddings, volume)
            queries = self._run(layer, queries, volume, attended)
        embeddings = self.decoder_norm(queries)
        return ClipOutput(
            class_logits=self.class_embed(embeddings),
            mask_logits=self.mask_logits(embeddings, mask_features),
            embeddings=embeddings,
            last_queries=(previous, queries),
            auxiliary=tuple(earlier),
        )

    def volume(self, features: FrameFeatures, num_clips: int, level: int) -> Volume:
        """The feature scale ``level`` (0, 1, 2: strides 32, 16, 8) of B clips."""
        maps = features.multi_scale[level]
        sizes = level_sizes(features.valid_sizes, 32 >> level)
        position = sine_2d(maps, sizes)
        values = _clips(maps, num_clips) + self.level_embed.weight[level].view(-1, 1, 1, 1)
        keys = values + _clips(position, num_clips if sizes is not None else 1)
        num_frames = values.shape[2]
        moments = self.temporal_encoding(num_frames, level, maps)
        if moments is not None:
            moments = moments.T[:, :, None, None]
            keys = keys + moments
            values = values + moments if self.temporal_encoding.add_to == "features" else values
        resized = F.interpolate(
            features.mask_features.detach(), maps.shape[-2:], mode="bilinear", align_corners=False
        )
        padding = None if sizes is None else padded_pixels(sizes, maps.shape[-2:]).view(num_clips, 1, -1)
        return Volume(_tokens(keys), _tokens(values), _clips(resized, num_clips), padding)

    def mask_logits(self, embeddings: Tensor, mask_features: Tensor) -> Tensor:
        """Dot products of (B, N, C) normed embeddings with (B, C_mask, T, h, w): (B, N, T, h, w)."""
        flat = self.mask_embed(embeddings) @ mask_features.flatten(2)
        return flat.unflatten(-1, mask_features.shape[2:])

    @torch.no_grad()
    def attention_mask(self, embeddings: Tensor, volume: Volume) -> Tensor:
        """Where the queries look: (B, N, S) bool, the foreground of their masks or everything.

        The mask is predicted at the volume's own scale: resizing the mask features and
        then multiplying gives what multiplying and then resizing would.
        """
        foreground = self.foreground(embeddings, volume).flatten(2)
        everywhere = ~foreground.any(-1, keepdim=True)
        return (
            foreground | everywhere if volume.padding is None else foreground | (everywhere & ~volume.padding)
        )

    @torch.no_grad()
    def foreground(self, embeddings: Tensor, volume: Volume) -> Tensor:
        """The binary masks M of (B, N, C) normed embeddings at a volume's scale: (B, N, T, h, w)."""
        masks = self.mask_logits(embeddings, volume.mask_features) >= 0
        return masks if volume.padding is None else masks & ~volume.padding.view_as(masks[:, :1])

    def _predict(self, embeddings: Tensor, mask_features: Tensor) -> ClipOutputLayer:
        return ClipOutputLayer(self.class_embed(embeddings), self.mask_logits(embeddings, mask_features))

    def _run(self, layer: DecoderLayer, queries: Tensor, volume: Volume, attended: Tensor) -> Tensor:
        arguments = (queries, self.query_embed.weight, volume.keys, volume.values, attended)
        if self.activation_checkpointing and self.training:
            return checkpoint(layer, *arguments, use_reentrant=False)
        return layer(*arguments)


def _clips(frames: Tensor, num_clips: int) -> Tensor:
    """(B * T, C, h, w) to (B, C, T, h, w)."""
    return frames.unflatten(0, (num_clips, -1)).transpose(1, 2).contiguous()


def _tokens(volume: Tensor) -> Tensor:
    """(B, C, T, h, w) to (B, T * h * w, C)."""
    return volume.flatten(2).transpose(1, 2)
