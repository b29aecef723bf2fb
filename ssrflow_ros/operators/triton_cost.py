"""`cost_patch` as one Triton kernel: nothing with a row of channels for each pair is written to memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from .triton_patch import CHANNELS, OPTIONS, PAIRS, embedded


@triton.jit
def cost_patch_kernel(
    relation,
    own,
    other,
    index,
    weight,
    hidden,
    out_weight,
    out_bias,
    out,
    n_points,
    n_others,
    width,
    relations,
    units,
    K: tl.constexpr,
    R: tl.constexpr,
    H: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    PRECISION: tl.constexpr,
    SLOPE: tl.constexpr,
):
    """As `attentive_patch_kernel`; hidden (B, M, K, units), out_weight (width, units), out_bias (width,)."""
    cloud = tl.program_id(2).to(tl.int64)
    relation += cloud * n_points * K * relations
    index += cloud * n_points * K
    own += cloud * n_points * width
    other += cloud * n_others * width
    hidden += cloud * n_points * K * units
    out += cloud * n_points * width
    rows = tl.program_id(0) * BLOCK_M * K + tl.arange(0, BLOCK_M * K)
    points = rows // K
    is_row = points < n_points
    channels = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    is_channel = channels < width

    x = embedded(
        relation, own, other, index, weight, rows, points, is_row, channels, width, relations, R, PRECISION, SLOPE
    )
    inner = tl.arange(0, H)
    given = tl.load(
        hidden + rows[:, None] * units + inner[None, :], mask=is_row[:, None] & (inner < units)[None, :], other=0.0
    ).to(tl.float32)
    matrix = tl.load(
        out_weight + channels[None, :] * units + inner[:, None],
        mask=is_channel[None, :] & (inner < units)[:, None],
        other=0.0,
    )
    weights = tl.dot(given, matrix, input_precision=PRECISION)
    weights += tl.load(out_bias + channels, mask=is_channel, other=0.0)[None, :]

    pooled = tl.sum(tl.reshape(weights * x, (BLOCK_M, K, BLOCK_C)), 1) / K
    point = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    tl.store(
        out + point[:, None] * width + channels[None, :], pooled, mask=(point < n_points)[:, None] & is_channel[None, :]
    )


def cost_patch_triton(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    hidden: torch.Tensor,
    out_weight: torch.Tensor,
    out_bias: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """`cost_patch_reference` on a GPU, for a power of two of neighbours; products in TF32 if own is of 16 bits."""
    relation, own, other, index, hidden = (tensor.contiguous() for tensor in (relation, own, other, index, hidden))
    batch, points, k, relations = relation.shape
    width, units = own.shape[-1], hidden.shape[-1]
    out = torch.empty_like(own)
    block = max(1, PAIRS // k)
    with torch.cuda.device_of(own):
        cost_patch_kernel[(triton.cdiv(points, block), triton.cdiv(width, CHANNELS), batch)](
            relation,
            own,
            other,
            index,
            weight,
            hidden,
            out_weight,
            out_bias,
            out,
            points,
            other.shape[1],
            width,
            relations,
            units,
            K=k,
            R=max(16, triton.next_power_of_2(relations)),
            H=max(16, triton.next_power_of_2(units)),
            BLOCK_M=block,
            BLOCK_C=CHANNELS,
            PRECISION='tf32x3' if own.dtype == torch.float32 else 'tf32',
            SLOPE=slope,
            **OPTIONS,
        )
    return out
