"""The network's blocks on a CPU, each as one call of compiled loops.

Each function does what the block does that asks for it, or the one of its name in `interpolation.py`. None is
differentiable. `Around`: index (B, M, k) into N points and offsets (B, M, k, 3) of a `Neighbourhood`; `slope` is that
of LeakyReLU.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from .. import team
from ..kernels import patches
from ..kernels.block import WIDE
from .reference import is_traced

_NUMBERS = 2**16  # of a tile, which the products read from the processor's second cache: 256 KiB

Around = tuple[torch.Tensor, torch.Tensor]


class Weights:
    """Weights of a block as arrays, in the tuples in which `layers` gives them: a tensor as its array, a Linear as its
    panels and its bias, a LayerNorm as its weight and bias. They are made anew only where one of its parameters has
    changed or lies elsewhere in memory."""

    def __init__(self, block: nn.Module, layers: Callable[[], Any]):
        self._state: list[tuple[int, int]] = []
        self._made: Any = ()
        self._layers = layers
        self._places = [(module._parameters, name) for module in block.modules() for name in module._parameters]

    def arrays(self) -> Any:
        tensors = (parameters[name] for parameters, name in self._places)
        # What was made in inference mode counts no changes.
        state = [(one.data_ptr(), one.is_inference() or one._version) for one in tensors if one is not None]
        if state != self._state:
            self._state, self._made = state, _arrays(self._layers())
        return self._made


def fits(*tensors: torch.Tensor) -> bool:
    """Whether the loops serve for such tensors: of float32, on a CPU, and nobody wants their gradient."""
    if torch.is_grad_enabled() or torch.is_autocast_enabled('cpu') or is_traced():
        return False
    return all(tensor.device.type == 'cpu' and tensor.dtype == torch.float32 for tensor in tensors)


def described(
    points: torch.Tensor, more: torch.Tensor, lengths: tuple[float, float, float], layers: Weights, slope: float
) -> torch.Tensor:
    """Two layers, (B, N, D), of points (B, N, 3) and what else is known of each (B, N, C), as `HierarchicalFeatures`;
    `lengths`: what counts as 1 of the one and of the other, and the longest of the other."""
    one, two = layers.arrays()
    out = points.new_empty(*points.shape[:2], len(two[1]))
    places, known, answer = _flat(points, more, out)
    given = places, known, *map(np.float32, lengths)
    team.do(len(answer), patches.described, *given, one, two, np.float32(slope), _NUMBERS, _turns(1)[0], answer)
    return out


def joined(
    features: torch.Tensor,
    coarse: torch.Tensor,
    index: torch.Tensor,
    shares: torch.Tensor,
    layers: Weights,
    slope: float,
) -> torch.Tensor:
    """LayerNorm (weight, bias) of a layer (weight, bias) with LeakyReLU: (B, M, D), of features (B, M, C) and coarse
    (B, N, E), interpolated by index and shares (B, M, 3)."""
    of_both, norm = layers.arrays()
    out = features.new_empty(*features.shape[:2], len(of_both[1]))
    own, others, rows, weights, answer = _flat(features, coarse, index, shares, out)
    given = own, others, rows, weights, features.shape[1], of_both, norm, np.float32(slope)
    team.do(len(answer), patches.joined, *given, _NUMBERS, _turns(1)[0], answer)
    return out


def reembedded(
    points: torch.Tensor,
    features: torch.Tensor,
    cross: Around,
    within: Around,
    unit: float,
    weights: Weights,
    slope: float,
) -> torch.Tensor:
    """As `SpatialTemporalReembedding` of points (2B, M, 3) m and features (2B, M, C) of both frames."""
    out = torch.empty_like(features)
    places, values, answer = _flat(points, features, out)
    around = _around(*cross), _around(*within)
    size = points.shape[1], np.float32(slope), _NUMBERS
    given = places, np.float32(unit), values, *around, *weights.arrays(), *size
    team.do(len(answer), patches.reembedded, *given, _turns(2), np.empty((4, *answer.shape), np.float32), answer)
    return out


def flow_embedded(
    source: torch.Tensor, target: torch.Tensor, cross: Around, within: Around, weights: Weights, slope: float
) -> torch.Tensor:
    """As `LocalFlowEmbedding` of features (B, M, C) and (B, N, C)."""
    out = torch.empty_like(source)
    own, other, answer = _flat(source, target, out)
    around = _around(*cross), _around(*within)
    size = source.shape[1], np.float32(slope), _NUMBERS
    parts = [np.empty_like(array) for array in (own, other, own)]
    team.do(
        len(answer), patches.flow_embedded, own, other, *around, *weights.arrays(), *size, _turns(4), *parts, answer
    )
    return out


def convolved(features: torch.Tensor, around: Around, weights: Weights, slope: float) -> torch.Tensor:
    """As `PointConv` of features (B, N, C)."""
    arrays, (batch, each, _) = weights.arrays(), around[0].shape
    out = features.new_empty(batch, each, len(arrays[-1][1]))
    values, answer = _flat(features, out)
    given = values, _around(*around), arrays, each, np.float32(slope), _NUMBERS
    team.do(len(answer), patches.convolved, *given, _turns(1)[0], answer)
    return out


def predicted(
    features: torch.Tensor, around: Around, weights: Weights, slope: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `FlowPredictor` of features (B, M, C)."""
    arrays, (batch, each) = weights.arrays(), features.shape[:2]
    flow, out = features.new_empty(batch, each, 3), features.new_empty(batch, each, len(arrays[-2][0]))
    values, moved, answer = _flat(features, flow, out)
    given = values, _around(*around), *arrays, each, np.float32(slope), _NUMBERS
    hidden = np.empty((2, len(answer), len(arrays[1][-1][1])), np.float32)
    team.do(len(answer), patches.predicted, *given, _turns(4), np.empty_like(values), hidden, answer, moved)
    return flow, out


def layer(x: torch.Tensor, weights: Weights, slope: float) -> torch.Tensor:
    """LeakyReLU of `slope` of a layer of x (..., C): (..., D)."""
    of_rows = weights.arrays()
    out = x.new_empty(*x.shape[:-1], len(of_rows[1]))
    rows, answer = x.contiguous().view(-1, x.shape[-1]).numpy(), out.view(-1, len(of_rows[1])).numpy()
    given = rows, of_rows, np.float32(slope), _NUMBERS
    team.do(len(answer), patches.layer, *given, _turns(1)[0], answer)
    return out


def inverse_distances(queries: torch.Tensor, points: torch.Tensor, index: torch.Tensor, least: float) -> torch.Tensor:
    """The weights (B, M, k) of `interpolation.interpolation_weights`."""
    out = queries.new_empty(index.shape)
    asked, known, rows, answer = _flat(queries, points, index, out)
    patches.inverse_distances(asked, known, rows, index.shape[1], np.float32(least), answer)
    return out


def interpolate(values: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """As `interpolation.interpolate`."""
    out = values.new_empty(*index.shape[:2], values.shape[-1])
    known, rows, shares, answer = _flat(values, index, weights, out)
    patches.interpolate(known, rows, shares, index.shape[1], answer)
    return out


def neighbourhood(
    centres: torch.Tensor, points: torch.Tensor, index: torch.Tensor, length: float, radius: float, longest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index (B, M, k) and offsets (B, M, k, 3), axis by axis in memory, of a `Neighbourhood`."""
    index = index.contiguous()
    within, offsets = torch.empty_like(index), centres.new_empty(3, *index.shape)
    one, others, rows, kept = _flat(centres, points, index, within)
    unit, reach, most = np.float32(length), np.float32(radius), np.float32(longest)
    patches.offsets_of(one, others, rows, index.shape[1], unit, reach, most, kept, offsets.flatten(1).numpy())
    return within, offsets.permute(1, 2, 3, 0)


def _turns(loops: int) -> np.ndarray:
    """For so many loops of one call (`kernels/turns.py`)."""
    return np.zeros((loops, 2), np.int64)


def _around(index: torch.Tensor, offsets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Index (B M, k) and offsets (3, B M k): as `neighbourhood` left them in memory, nothing is moved."""
    return index.contiguous().flatten(0, 1).numpy(), offsets.permute(3, 0, 1, 2).flatten(1).contiguous().numpy()


def _flat(*tensors: torch.Tensor) -> list[np.ndarray]:
    """The arrays (B M, ...) of tensors (B, M, ...); what is written to must be contiguous."""
    return [tensor.contiguous().flatten(0, 1).numpy() for tensor in tensors]


def _arrays(layers: Any) -> Any:
    """As `Weights`."""
    if isinstance(layers, tuple):
        return tuple([_arrays(one) for one in layers])
    if isinstance(layers, nn.Linear):
        return in_panels(layers.weight, layers.bias)
    if isinstance(layers, nn.LayerNorm):
        return _arrays((layers.weight, layers.bias))
    return layers.detach().contiguous().numpy() if isinstance(layers, torch.Tensor) else layers


def in_panels(weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Panels (p, c, WIDE) of weight (d, c), so many of its rows side by side in each, and the bias (d,), or zeros.

    The last panel has the last rows, some of which may stand in the one before, too; where d is less than WIDE, zeros
    fill it up.
    """
    rows = weight.detach().numpy()
    whole = np.zeros((max(len(rows), WIDE), rows.shape[1]), np.float32)
    whole[: len(rows)] = rows
    begins = [min(begin, len(whole) - WIDE) for begin in range(0, len(whole), WIDE)]
    panels = np.stack([np.ascontiguousarray(whole[begin : begin + WIDE].T) for begin in begins])
    return panels, np.zeros(len(rows), np.float32) if bias is None else bias.detach().contiguous().numpy()
