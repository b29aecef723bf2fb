"""The small networks that every block is made of."""

from __future__ import annotations

import torch
from torch import nn

from ..operators import Linear, attentive_sum, cpu_patches, gather
from ..operators.reference import is_traced
from ..operators.triton_kernels import Kernels, triton_kernels

SLOPE = 0.1  # of LeakyReLU, as in the PointPWC-Net family


class MLP(nn.Sequential):
    """Layers one after the other; a LeakyReLU after a linear layer is done in one with it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layers = list(self)
        while layers:
            layer = layers.pop(0)
            after = layers[0] if layers else None
            if isinstance(layer, Linear) and isinstance(after, nn.LeakyReLU):
                x = layer(x, after.negative_slope)
                layers.pop(0)
            else:
                x = layer(x)
        return x

    def layers(self) -> tuple[Linear | nn.LayerNorm, ...]:
        """Those that have weights, as `cpu_patches.Weights` takes them."""
        return tuple(layer for layer in self if isinstance(layer, (Linear, nn.LayerNorm)))


def mlp(*widths: int) -> MLP:
    """Linear layers of these widths, each followed by LeakyReLU."""
    layers: list[nn.Module] = []
    for into, out in zip(widths, widths[1:]):
        layers += [Linear(into, out), nn.LeakyReLU(SLOPE, inplace=True)]
    return MLP(*layers)


class PositionEncoder(nn.Module):
    """PE_ij = MLP(eta(x_i, y_j, x_i - y_j)), paper section 3.2.

    eta's three members are spanned by x_i and y_j - x_i, so the first layer takes these two: x_i's
    part is computed once per point, not once per pair.
    """

    POSITION_UNIT = 50.0  # metres; absolute position is a hint of range and height, no more

    def __init__(self, width: int):
        super().__init__()
        self.of_offset = Linear(3, width)
        self.of_position = Linear(3, width, bias=False)
        self.out = MLP(nn.LeakyReLU(SLOPE, inplace=True), *mlp(width, width))

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Of both layers, as `cpu_patches.reembedded` takes them."""
        (second,) = self.out.layers()
        return self.of_offset.weight, self.of_offset.bias, self.of_position.weight, second.weight, second.bias

    def forward(self, positions: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """positions (B, M, 3) m, offsets (B, M, k, 3) -> (B, M, k, width)."""
        own = self.of_position(positions / self.POSITION_UNIT)
        return self.out(self.of_offset(offsets) + own[:, :, None])


class PairMLP(nn.Module):
    """MLP(eta(own_i, other_j, relation_ij)) over the neighbours j of every point i.

    The first linear layer is split: its own_i and other_j parts are applied to the points
    (`of_own`, `of_other`) before the neighbours are gathered, k times cheaper than after.
    """

    def __init__(self, own: int, other: int, relation: int, out: int, depth: int):
        super().__init__()
        self.of_own = Linear(own, out)
        self.of_other = Linear(other, out, bias=False)
        self.of_relation = Linear(relation, out, bias=False)
        self.rest = MLP(nn.LeakyReLU(SLOPE, inplace=True), *mlp(*[out] * depth))

    def forward(
        self, own: torch.Tensor, other: torch.Tensor, relation: torch.Tensor, index: torch.Tensor | None
    ) -> torch.Tensor:
        """of_own(own) (B, M, out), of_other(other) (B, N, out), relation (B, M, k, R), index (B, M, k) into N,
        None: all -> (B, M, k, out)."""
        pairs = self.of_relation(relation)
        others = other[:, None] if index is None else gather(other, index)
        # In place only what is no view to autograd: the way back would copy it.
        pairs = pairs + others if torch.is_grad_enabled() else pairs.add_(others)
        pairs += own[:, :, None]
        return self.rest(pairs)

    def kernels(self, index: torch.Tensor) -> Kernels | None:
        """Those that do it and what follows at once on a GPU; none in training, in a tracer, or where it has more
        layers."""
        k = index.shape[-1]
        if len(self.rest) > 1 or torch.is_grad_enabled() or is_traced() or k & (k - 1):
            return None
        return triton_kernels(index.device)

    def fits_cpu(self, own: torch.Tensor) -> bool:
        """Whether the CPU's loops do it and what follows at once."""
        return len(self.rest) == 1 and cpu_patches.fits(own)


class WeightNet(MLP):
    """Weights of neighbours from their offsets, PointConv's continuous kernel: 3 -> 8 -> 8 -> out."""

    def __init__(self, out: int):
        super().__init__(*mlp(3, 8, 8), Linear(8, out))

    def hidden(self, offsets: torch.Tensor) -> torch.Tensor:
        """What the last layer sees: (..., 3) -> (..., 8)."""
        for layer in list(self)[:-1]:
            offsets = layer(offsets)
        return offsets

    def tensors(self) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        """Weight and bias of each layer, which are too small for panels."""
        return tuple((layer.weight, layer.bias) for layer in self.layers())


class AttentivePooling(nn.Module):
    """Sum over neighbours with weights from a softmax per channel: (B, M, k, C) -> (B, M, C)."""

    def __init__(self, width: int):
        super().__init__()
        self.score = Linear(width, width)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`mask` (B, 1, k) of `Pyramid.mask`."""
        scores = self.score(features)
        return attentive_sum(scores if mask is None else scores + mask[..., None].to(scores.dtype), features)


class MaxPooling(nn.Module):
    """Maximum over neighbours: (B, M, k, C) -> (B, M, C)."""

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`mask` (B, 1, k) of `Pyramid.mask`."""
        return (features if mask is None else features + mask[..., None].to(features.dtype)).amax(dim=-2)
