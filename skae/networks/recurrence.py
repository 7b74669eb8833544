"""Causal maps from sequences of codes to hidden states, which continue from a state: the cells.

A cell is built as ``Cell(n_inputs, hidden_size)``. Called on codes (n_samples, n_timesteps,
n_inputs) and on the state after earlier ones, or None, it returns hidden states (n_samples,
n_timesteps, hidden_size), none of which depends on later codes, and the state after the last.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

# A receptive field of 31 frames: 1 + 2 · (1 + 2 + 4 + 8).
_KERNEL_FRAMES, _DILATIONS = 3, (1, 2, 4, 8)
# Two layers are the fewest that can compare frames with what followed on similar ones.
_N_BLOCKS, _N_HEADS = 2, 4


class TemporalConvolution(nn.Module):
    """Dilated causal convolutions in time, each added to its input.

    References
    ----------
    Bai, Kolter and Koltun (2018). An empirical evaluation of generic convolutional and recurrent
    networks for sequence modeling. arXiv:1803.01271.
    """

    def __init__(self, n_inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, hidden_size)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(hidden_size, hidden_size, _KERNEL_FRAMES, dilation=dilation)
            for dilation in _DILATIONS
        )

    def forward(self, codes: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        # (n_samples, hidden_size, n_timesteps)
        hidden = self.first(codes).transpose(1, 2)
        after = []
        for i, (convolution, dilation) in enumerate(
            zip(self.convolutions, _DILATIONS, strict=True)
        ):
            n_before = dilation * (_KERNEL_FRAMES - 1)
            # Before the first frame there are zeros.
            before = hidden.new_zeros(*hidden.shape[:2], n_before) if state is None else state[i]
            joined = torch.cat([before, hidden], dim=2)
            after.append(joined[:, :, -n_before:])
            hidden = hidden + F.silu(convolution(joined))
        return hidden.transpose(1, 2), tuple(after)


class CausalTransformer(nn.Module):
    """Blocks of causal attention, whose positions are distances in time.

    Sequences may be longer than in training: the weight of a frame falls with its distance, by a
    factor for each head (attention with linear biases).

    References
    ----------
    Press, Smith and Lewis (2022). Train short, test long: attention with linear biases enables
    input length extrapolation. ICLR.
    """

    def __init__(self, n_inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, hidden_size)
        self.blocks = nn.ModuleList(_Block(hidden_size) for _ in range(_N_BLOCKS))
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, codes: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        hidden = self.first(codes)
        after = []
        for i, block in enumerate(self.blocks):
            hidden, seen = block(hidden, None if state is None else state[i])
            after.append(seen)
        return self.norm(hidden), tuple(after)


class _Block(nn.Module):
    """Attention to all frames so far, then a hidden layer, each added to its normalized input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_heads = max(n for n in range(1, _N_HEADS + 1) if size % n == 0)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.project = nn.Linear(size, 3 * size)
        self.join = nn.Linear(size, size)
        self.layers = nn.Sequential(nn.Linear(size, 2 * size), nn.SiLU(), nn.Linear(2 * size, size))

    def forward(self, hidden: torch.Tensor, seen: Any) -> tuple[torch.Tensor, Any]:
        """Return hidden states, and keys and values of all frames so far."""
        # Three of (n_samples, n_heads, n_timesteps, size of a head)
        parts = self.project(self.norms[0](hidden)).unflatten(2, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if seen is not None:
            key, value = torch.cat([seen[0], key], dim=2), torch.cat([seen[1], value], dim=2)
        bias = self._bias(query.shape[2], key)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        hidden = hidden + self.join(attended.transpose(1, 2).flatten(2))
        return hidden + self.layers(self.norms[1](hidden)), (key, value)

    def _bias(self, n_queries: int, key: torch.Tensor) -> torch.Tensor:
        """Return the bias that is added to the products (n_heads, n_queries, n_keys)."""
        times = torch.arange(key.shape[2], device=key.device)
        # The queries are the last frames.
        distances = times[times.shape[0] - n_queries :, None] - times
        heads = torch.arange(1, self.n_heads + 1, device=key.device)
        slopes = 2.0 ** (-8.0 * heads / self.n_heads)
        bias = -slopes[:, None, None] * distances
        return bias.masked_fill(distances < 0, -torch.inf).to(key.dtype)


class LinearAutoregression(nn.Module):
    """Linear map of the last codes; before the first one, all codes are taken to be like it.

    Parameters
    ----------
    n_components : int
    n_lags : int
        Number of codes that are seen.
    n_outputs : int
    """

    def __init__(self, n_components: int, n_lags: int, n_outputs: int) -> None:
        super().__init__()
        self.n_before = n_lags - 1
        self.linear = nn.Conv1d(n_components, n_outputs, n_lags)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)  # type: ignore[arg-type]

    def forward(self, codes: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        # (n_samples, n_components, n_timesteps)
        codes = codes.transpose(1, 2)
        before = codes[:, :, :1].expand(-1, -1, self.n_before) if state is None else state
        joined = torch.cat([before, codes], dim=2)
        after = joined[:, :, joined.shape[2] - self.n_before :]
        return self.linear(joined).transpose(1, 2), after


class Cell(NamedTuple):
    """A kind of cell.

    Attributes
    ----------
    build : callable
        Returns one of given ``n_inputs`` and ``hidden_size``.
    first_weight : callable
        Returns the weight of a cell that codes are multiplied by, (n_outputs, n_inputs).
    """

    build: Callable[[int, int], nn.Module]
    first_weight: Callable[[Any], nn.Parameter]


# By the parameter `cell`.
CELLS = {
    "lstm": Cell(
        lambda n_inputs, size: nn.LSTM(n_inputs, size, batch_first=True),
        lambda cell: cell.weight_ih_l0,
    ),
    "gru": Cell(
        lambda n_inputs, size: nn.GRU(n_inputs, size, batch_first=True),
        lambda cell: cell.weight_ih_l0,
    ),
    "tcn": Cell(TemporalConvolution, lambda cell: cell.first.weight),
    "transformer": Cell(CausalTransformer, lambda cell: cell.first.weight),
}
