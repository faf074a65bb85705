"""Overlap embeddings: what a clip says of the frames it shares with its neighbour (Sec. 4.3).

The last decoder layer runs again on some frames tau of the clip, under the mask of Eq. 1.
One pass serves any number of overlaps: attention over a set of frames is a mixture of
the attentions within each frame, so those within the frames are computed once.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from novis.model.instance_decoder import InstanceDecoder, Volume
from novis.model.position_encoding import precise
from novis.model.registry import MODELS, check_choice
from novis.model.structures import ClipOutput, FrameFeatures


class FrameAttention(NamedTuple):
    """Cross-attention within each frame of B clips, h heads of d channels.

    Attributes:
        contexts: (B, h, N, T, d), the attended values of each frame.
        log_sums: (B, h, N, T), log of the sum of exponentials: the frame's weight.
        empty: (B, N, T) bool, the query has no mask in the frame; its context is then
            that over the whole frame.
    """

    contexts: Tensor
    log_sums: Tensor
    empty: Tensor

    def over(self, frames: slice) -> tuple[Tensor, Tensor]:
        """Attention over ``frames`` together.

        Frames without a mask have no part, unless there is no mask in any of them: then
        each of ``frames``, but nothing beyond them, is attended in full. Such a query's
        result is replaced later; it must not be NaN, nor know of other frames, since
        self-attention shows it to all queries.

        Returns:
            contexts (B, h, N, d); (B, N) bool, True for queries without a mask in ``frames``.
        """
        empty = self.empty[..., frames]
        nowhere = empty.all(-1)
        silent = (empty & ~nowhere[..., None])[:, None]
        shares = self.log_sums[..., frames].masked_fill(silent, -torch.inf).softmax(-1)
        return (shares[..., None] * self.contexts[..., frames, :]).sum(-2), nowhere


@MODELS.register_module()
class OverlapEmbeddings(nn.Module):
    """The second run of the last decoder layer. It has no parameters of its own.

    Args:
        query: what the layer is given: ``previous``, its input Q_{L-1} in the first run,
            or ``output``, the output embeddings Q_L.
        mask: the mask of Eq. 1: ``final``, M_L, or ``previous``, M_{L-1}, through which
            the first run attended.
        fallback: what a query without a mask in the overlap gets: ``output``, its output
            embedding, or ``overlap``, the second run with all pixels of the overlap.

    Raises:
        InputError: a setting has another value.
    """

    def __init__(
        self,
        query: Literal["previous", "output"] = "previous",
        mask: Literal["final", "previous"] = "final",
        fallback: Literal["output", "overlap"] = "output",
    ) -> None:
        super().__init__()
        check_choice("overlap embeddings", "query", query, ("previous", "output"))
        check_choice("overlap embeddings", "mask", mask, ("final", "previous"))
        check_choice("overlap embeddings", "fallback", fallback, ("output", "overlap"))
        self.query, self.mask, self.fallback = query, mask, fallback

    def forward(
        self,
        decoder: InstanceDecoder,
        features: FrameFeatures,
        output: ClipOutput,
        overlaps: Sequence[slice],
    ) -> Tensor:
        """Embeddings of every query with respect to each of R sets of frames.

        Args:
            decoder: the one that made ``output`` of ``features``.
            features: of the B * T frames.
            output: of the B clips.
            overlaps: R slices of the clip's frames 0..T-1. An empty one (clips that share
                no frame) gives the output embeddings.

        Returns:
            (B, R, N, C), after the decoder's norm, as ``output.embeddings``.
        """
        if not overlaps:
            return output.embeddings[:, None][:, :0]
        before, after = output.last_queries
        inputs = before if self.query == "previous" else after
        volume = decoder.volume(features, len(before), decoder.last_level)
        mask = decoder.foreground(decoder.decoder_norm(after if self.mask == "final" else before), volume)
        attention = self._within_frames(decoder, inputs, volume, mask)
        return torch.stack(
            [self._over(decoder, inputs, output.embeddings, attention, frames) for frames in overlaps], dim=1
        )

    def _over(
        self,
        decoder: InstanceDecoder,
        inputs: Tensor,
        embeddings: Tensor,
        attention: FrameAttention,
        frames: slice,
    ) -> Tensor:
        if not attention.empty[0, 0, frames].numel():
            return embeddings
        layer = decoder.layers[-1]
        contexts, nowhere = attention.over(frames)
        attended = layer.cross_norm(inputs + layer.cross_attention.merge(contexts))
        again = decoder.decoder_norm(layer.interact(attended, decoder.query_embed.weight))
        return again if self.fallback == "overlap" else torch.where(nowhere[..., None], embeddings, again)

    @staticmethod
    def _within_frames(
        decoder: InstanceDecoder, inputs: Tensor, volume: Volume, mask: Tensor
    ) -> FrameAttention:
        query, key, value = decoder.layers[-1].cross_attention.project(
            inputs + decoder.query_embed.weight, volume.keys, volume.values
        )
        num_frames = mask.shape[2]
        empty = ~mask.flatten(3).any(-1)
        attended = mask.flatten(3) | empty[..., None]
        if volume.padding is not None:
            attended &= ~volume.padding.unflatten(-1, (num_frames, -1))
        # Frame by frame, since the weights of a whole clip at once would fill the memory.
        frames = [
            _attend(query, k, v, attended[:, None, :, t])
            for t, (k, v) in enumerate(zip(key.chunk(num_frames, 2), value.chunk(num_frames, 2), strict=True))
        ]
        contexts, log_sums = (torch.stack(parts, dim=3) for parts in zip(*frames, strict=True))
        return FrameAttention(contexts, log_sums, empty)


def _attend(query: Tensor, key: Tensor, value: Tensor, attended: Tensor) -> tuple[Tensor, Tensor]:
    """Contexts (B, h, N, d) and log sums of exponentials (B, h, N) over the attended keys."""
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    logits = logits.to(precise(logits.dtype)).masked_fill(~attended, -torch.inf)
    return logits.softmax(-1).to(value.dtype) @ value, logits.logsumexp(-1)
