"""Multi-head attention, and the decoder layer that is built of it."""

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention with projections, without dropout.

    Args:
        dim: C, of queries, keys and values.
        num_heads: h, a divisor of C.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_proj = nn.Linear(dim, dim)
        self.key_proj = nn.Linear(dim, dim)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        for linear in (self.query_proj, self.key_proj, self.value_proj):
            # The parent's gain: it draws the three as one matrix of 3 C rows.
            nn.init.xavier_uniform_(linear.weight, gain=2**-0.5)
            nn.init.zeros_(linear.bias)
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, attended: Tensor | None = None) -> Tensor:
        """Attend from queries (B, N, C) to keys and values (B, S, C).

        Args:
            query, key, value: with their position encodings, if any.
            attended: (B, N, S) bool, True where a query may look; each row needs one.

        Returns:
            (B, N, C).
        """
        heads = F.scaled_dot_product_attention(
            *self.project(query, key, value), attn_mask=None if attended is None else attended[:, None]
        )
        return self.merge(heads)

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, h, N, C/h), keys and values (B, h, S, C/h)."""
        return (
            self._split(self.query_proj(query)),
            self._split(self.key_proj(key)),
            self._split(self.value_proj(value)),
        )

    def merge(self, heads: Tensor) -> Tensor:
        """Contexts (..., h, N, C/h) of the heads to (..., N, C)."""
        return self.output_proj(heads.transpose(-3, -2).flatten(-2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention and a feed-forward network, each with its norm after."""

    def __init__(self, dim: int, feedforward_dim: int, num_heads: int) -> None:
        super().__init__()
        self.cross_attention = Attention(dim, num_heads)
        self.cross_norm = nn.LayerNorm(dim)
        self.self_attention = Attention(dim, num_heads)
        self.self_norm = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, dim)
        self.feedforward_norm = nn.LayerNorm(dim)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(
        self, queries: Tensor, query_position: Tensor, keys: Tensor, values: Tensor, attended: Tensor
    ) -> Tensor:
        """One layer over B clips.

        Args:
            queries: (B, N, C).
            query_position: (N, C).
            keys, values: (B, S, C), the flattened spatio-temporal volume.
            attended: (B, N, S) bool, see :class:`Attention`.

        Returns:
            (B, N, C).
        """
        context = self.cross_attention(queries + query_position, keys, values, attended)
        return self.interact(self.cross_norm(queries + context), query_position)

    def interact(self, queries: Tensor, query_position: Tensor) -> Tensor:
        """What follows the cross-attention: queries (B, N, C) among themselves."""
        placed = queries + query_position
        queries = self.self_norm(queries + self.self_attention(placed, placed, queries))
        hidden = F.relu(self.linear1(queries))
        return self.feedforward_norm(queries + self.linear2(hidden))
