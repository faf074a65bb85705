"""Names of other people's Mask2Former weights, and what they are called here.

Two dialects of whole networks are known: detectron2's, of the official image and video
models (and of MinVIS), and that of the transformers library. Two more of a backbone
trained on ImageNet: torchvision's ResNet (timm's names are the same), and detectron2's own,
which are also those of the published Swin. Every tensor is accounted for by name: it is
used, or dropped for a stated reason; anything else is an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from novis.errors import InputError

Rule = tuple[str, str | Callable[[re.Match[str]], str]]


@dataclass(frozen=True)
class Translation:
    """What became of a set of official weights.

    Attributes:
        state_dict: tensors by our names, in the network's dtypes.
        dropped: the official names that were not used, each with its reason.
        afresh: our names for which there were no weights; they keep their initial values.
        part: what our names of all these weights begin with: ``backbone.`` if that is all there is.
    """

    state_dict: dict[str, Tensor]
    dropped: dict[str, str]
    afresh: tuple[str, ...]
    part: str = ""


def _shifted(template: str, shift: int, factor: int = 1) -> Callable[[re.Match[str]], str]:
    """A replacement whose ``{}`` is the first group's number, times ``factor``, plus ``shift``."""
    return lambda match: template.format(factor * int(match[1]) + shift)


# Regular expressions, all tried in this order.
_DETECTRON2: tuple[Rule, ...] = (
    # Two older layouts: the pixel decoder's modules lay in the head itself; query_feat had another name.
    (r"^sem_seg_head\.(?!predictor\.|pixel_decoder\.)", "pixel_decoder."),
    (r"^sem_seg_head\.predictor\.static_query\.", "instance_decoder.query_feat."),
    (r"^sem_seg_head\.predictor\.", "instance_decoder."),
    (r"^sem_seg_head\.", ""),
    (r"^backbone\.stem\.conv1\.", "backbone.network.embedder.embedder."),
    (r"^backbone\.res([2-5])\.", _shifted("backbone.network.encoder.stages.{}.layers.", -2)),
    (r"(?<=\d)\.conv([1-3])\.", _shifted(".layer.{}.", -1)),
    (r"(\.embedder|\.layer\.\d|\.shortcut)\.norm\.", r"\1.normalization."),
    (r"(\.embedder|\.layer\.\d|\.shortcut)\.weight$", r"\1.convolution.weight"),
    (r"^backbone\.patch_embed\.proj\.", "backbone.network.swin.embeddings.patch_embeddings.projection."),
    (r"^backbone\.patch_embed\.norm\.", "backbone.network.swin.embeddings.norm."),
    (r"^backbone\.norm([0-3])\.", _shifted("backbone.network.hidden_states_norms.stage{}.", 1)),
    (r"^backbone\.layers\.", "backbone.network.swin.encoder.layers."),
    (r"(?<=\d)\.attn\.proj\.", ".attention.o_proj."),
    (r"(?<=\d)\.attn\.relative", ".attention.relative_position_bias.relative"),
    (r"(?<=\d)\.attn\.", ".attention."),
    (r"(\.blocks\.\d+)\.norm1\.", r"\1.layernorm_before."),
    (r"(\.blocks\.\d+)\.norm2\.", r"\1.layernorm_after."),
    (r"^pixel_decoder\.transformer\.level_embed$", "pixel_decoder.level_embed"),
    (r"^pixel_decoder\.transformer\.encoder\.layers\.", "pixel_decoder.encoder."),
    (r"^pixel_decoder\.adapter_1\.norm\.", "pixel_decoder.lateral_conv.1."),
    (r"^pixel_decoder\.adapter_1\.", "pixel_decoder.lateral_conv.0."),
    (r"^pixel_decoder\.layer_1\.norm\.", "pixel_decoder.output_conv.1."),
    (r"^pixel_decoder\.layer_1\.", "pixel_decoder.output_conv.0."),
    (r"\.transformer_self_attention_layers\.(\d+)\.self_attn\.", r".layers.\1.self_attention."),
    (r"\.transformer_self_attention_layers\.(\d+)\.norm\.", r".layers.\1.self_norm."),
    (r"\.transformer_cross_attention_layers\.(\d+)\.multihead_attn\.", r".layers.\1.cross_attention."),
    (r"\.transformer_cross_attention_layers\.(\d+)\.norm\.", r".layers.\1.cross_norm."),
    (r"\.transformer_ffn_layers\.(\d+)\.norm\.", r".layers.\1.feedforward_norm."),
    (r"\.transformer_ffn_layers\.", ".layers."),
    (r"^(instance_decoder.*attention)\.out_proj\.", r"\1.output_proj."),
    (r"\.mask_embed\.layers\.(\d)\.", _shifted(".mask_embed.{}.", 0, factor=2)),
)
_TRANSFORMERS: tuple[Rule, ...] = (
    (r"^model\.pixel_level_module\.encoder\.", "backbone.network."),
    (r"^backbone\.network\.(embeddings|encoder\.layers)\.", r"backbone.network.swin.\1."),
    (r"\.attention\.self\.(query|key|value)\.", lambda match: f".attention.{match[1][0]}_proj."),
    (r"\.attention\.self\.relative", ".attention.relative_position_bias.relative"),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"(\.blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(\.blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^model\.pixel_level_module\.decoder\.", "pixel_decoder."),
    (r"^pixel_decoder\.input_projections\.", "pixel_decoder.input_proj."),
    (r"^pixel_decoder\.encoder\.layers\.", "pixel_decoder.encoder."),
    (r"^(pixel_decoder\.encoder\.\d+)\.self_attn_layer_norm\.", r"\1.norm1."),
    (r"^(pixel_decoder\.encoder\.\d+)\.final_layer_norm\.", r"\1.norm2."),
    (r"^pixel_decoder\.mask_projection\.", "pixel_decoder.mask_features."),
    (r"^pixel_decoder\.adapter_1\.", "pixel_decoder.lateral_conv."),
    (r"^pixel_decoder\.layer_1\.", "pixel_decoder.output_conv."),
    (r"^class_predictor\.", "instance_decoder.class_embed."),
    (r"^model\.transformer_module\.queries_embedder\.", "instance_decoder.query_embed."),
    (r"^model\.transformer_module\.queries_features\.", "instance_decoder.query_feat."),
    (r"^model\.transformer_module\.level_embed\.", "instance_decoder.level_embed."),
    (r"^model\.transformer_module\.decoder\.layernorm\.", "instance_decoder.decoder_norm."),
    (r"^model\.transformer_module\.decoder\.mask_predictor\.mask_embedder\.", "instance_decoder.mask_embed."),
    (r"\.mask_embed\.(\d)\.0\.", _shifted(".mask_embed.{}.", 0, factor=2)),
    (r"^model\.transformer_module\.decoder\.layers\.", "instance_decoder.layers."),
    (r"(layers\.\d+)\.(self|cross)_attn_layer_norm\.", r"\1.\2_norm."),
    (r"(layers\.\d+)\.final_layer_norm\.", r"\1.feedforward_norm."),
    (r"^(instance_decoder\.layers\.\d+)\.(self|cross)_attn\.", r"\1.\2_attention."),
    (r"(self_attention)\.([qkv])_proj\.", lambda match: f"{match[1]}.{_LONG[match[2]]}_proj."),
    (r"^(instance_decoder.*attention)\.out_proj\.", r"\1.output_proj."),
    (r"^((?:pixel_decoder\.encoder|instance_decoder\.layers)\.\d+)\.fc([12])\.", r"\1.linear\2."),
)
_BARE_BACKBONE: tuple[Rule, ...] = ((r"^", "backbone."), *_DETECTRON2)
_TORCHVISION: tuple[Rule, ...] = (
    (r"^(conv1|bn1)\.", r"stem.\1."),
    (r"^layer([1-4])\.", _shifted("res{}.", 1)),
    (r"\.bn([1-3])\.", r".conv\1.norm."),
    (r"\.downsample\.0\.", ".shortcut."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
    *_BARE_BACKBONE,
)
# What tells a dialect: how a name begins; and the part of the network that it covers.
_DIALECTS: tuple[tuple[str, tuple[Rule, ...], str], ...] = (
    ("sem_seg_head.", _DETECTRON2, ""),
    ("model.pixel_level_module.", _TRANSFORMERS, ""),
    ("layer1.", _TORCHVISION, "backbone."),
    ("res2.", _BARE_BACKBONE, "backbone."),
    ("patch_embed.", _BARE_BACKBONE, "backbone."),
)
_LONG = {"q": "query", "k": "key", "v": "value"}

# The parts of a matrix that official files keep as one, in order.
_FUSED = {
    "in_proj_": ("query_proj.", "key_proj.", "value_proj."),
    "qkv.": ("q_proj.", "k_proj.", "v_proj."),
}
_DROPPED = (
    (r"^criterion\.empty_weight$", "weights of the classes in the loss, a setting here"),
    (r"\.relative_position_index$", "follows from the window size"),
    (r"\.attn_mask$", "follows from the window and the size of the image"),
    (r"^model\.pixel_level_module\.encoder\.(swin\.)?layernorm\.", "the image classifier's norm, never used"),
    (r"^((stem\.)?fc|head|norm)\.", "of the image classifier, not of its features"),
)
_CLASS_HEAD = "instance_decoder.class_embed."
_TEMPORAL = "instance_decoder.temporal_encoding."
# A Swin trained on images has no norms behind its stages.
_STAGE_NORMS = "backbone.network.hidden_states_norms."


def translate(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Translation:
    """Rename official weights and check them against the network that is to carry them.

    The class head is dropped where the numbers of classes differ; the temporal encoding
    is new in NOVIS and starts afresh. With the weights of a backbone alone, so does all else.

    Args:
        weights: the official tensors by their names.
        own: the network's ``state_dict()``; only names, shapes and dtypes count, so the
            network may lie on the meta device.

    Raises:
        InputError: a tensor has no place in the network or another shape, two tensors
            claim one place, or a place stays empty. The message names the first ones.
    """
    rules, part = _dialect(weights)
    ledger = _Ledger(own, part)
    for name, tensor in weights.items():
        reason = next((why for pattern, why in _DROPPED if re.search(pattern, name)), None)
        if reason:
            ledger.dropped[name] = reason
            continue
        for place, part in _parts(_renamed(name, rules), tensor):
            ledger.enter(name, place, part)
    return ledger.close()


class _Ledger:
    """The account of every tensor while a translation goes on."""

    def __init__(self, own: Mapping[str, Tensor], part: str) -> None:
        self.own = own
        self.part = part
        self.used: dict[str, Tensor] = {}
        self.dropped: dict[str, str] = {}
        self.head_starts_afresh = False
        self.wrong: dict[str, list[str]] = {}

    def enter(self, name: str, place: str, tensor: Tensor) -> None:
        """Account for the tensor ``name`` that claims ``place`` in the network."""
        if place not in self.own:
            self._complain("have no place in the network", name)
        elif place in self.used:
            self._complain("claim a place that another tensor has", name)
        elif tensor.shape == self.own[place].shape:
            self.used[place] = tensor.to(self.own[place].dtype)
        elif place.startswith(_CLASS_HEAD):
            here = len(self.own[place]) - 1
            self.dropped[name] = f"for {len(tensor) - 1} classes, the network has {here}: starts afresh"
            self.head_starts_afresh = True
        else:
            sizes = f"{tuple(tensor.shape)}, here {tuple(self.own[place].shape)}"
            self._complain("have another shape than in the network", f"{name} {sizes}")

    def close(self) -> Translation:
        """The result, or the first thing that does not add up."""
        for name in self.own.keys() - self.used.keys():
            if name.endswith(".num_batches_tracked"):
                # Frozen official batch norms do not count batches; the counter influences nothing.
                self.used[name] = torch.zeros((), dtype=torch.int64)
        afresh = tuple(name for name in self.own if name not in self.used)
        for name in afresh:
            if not self._may_start_afresh(name):
                self._complain("of the network are not among the weights", name)
        if self.wrong:
            problem, names = next(iter(self.wrong.items()))
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise InputError(
                f"{len(names)} tensors {problem}: {shown}; check that the model configuration "
                "(backbone, sizes, number of queries) is that of the weights"
            )
        ordered = {name: self.used[name] for name in self.own if name in self.used}
        return Translation(ordered, self.dropped, afresh, self.part)

    def _may_start_afresh(self, name: str) -> bool:
        if self.part:
            return not name.startswith(self.part) or name.startswith(_STAGE_NORMS)
        return name.startswith(_TEMPORAL) or (name.startswith(_CLASS_HEAD) and self.head_starts_afresh)

    def _complain(self, problem: str, name: str) -> None:
        self.wrong.setdefault(problem, []).append(name)


def _dialect(weights: Mapping[str, Tensor]) -> tuple[tuple[Rule, ...], str]:
    for beginning, rules, part in _DIALECTS:
        if any(name.startswith(beginning) for name in weights):
            return rules, part
    known = ", ".join(f"{beginning}.." for beginning, _, _ in _DIALECTS)
    raise InputError(
        "these are no Mask2Former weights, nor those of a ResNet or Swin backbone: "
        f"none of their names begins with {known}"
    )


def _renamed(name: str, rules: tuple[Rule, ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _parts(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The tensor itself, or the three projections that official files keep in one matrix."""
    fused = re.fullmatch(r"(.*\.)(in_proj_|qkv\.)(weight|bias)", name)
    if not fused:
        yield name, tensor
        return
    parts = _FUSED[fused[2]]
    for part, rows in zip(parts, tensor.tensor_split(len(parts)), strict=True):
        # A copy, lest a checkpoint stores the whole matrix for each third.
        yield f"{fused[1]}{part}{fused[3]}", rows.clone()
