"""`attentive_patch` as one Triton kernel: nothing with a row for each pair is written to memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

# Pairs of a point and a neighbour of a program, channels at once: without spills (test/test_triton.py).
PAIRS = CHANNELS = 32
OPTIONS = {'num_warps': 8, 'num_stages': 1}


@triton.jit
def embedded(
    relation,
    own,
    other,
    index,
    weight,
    rows,
    points,
    is_row,
    channels,
    width,
    relations,
    R: tl.constexpr,
    PRECISION: tl.constexpr,
    SLOPE: tl.constexpr,
):
    """x (pairs, channels) float32 of `attentive_patch`, for some of the channels."""
    inner = tl.arange(0, R)
    near = tl.load(index + rows, mask=is_row, other=0).to(tl.int32)
    is_channel = channels < width
    there = is_row[:, None] & is_channel[None, :]
    given = tl.load(
        relation + rows[:, None] * relations + inner[None, :],
        mask=is_row[:, None] & (inner < relations)[None, :],
        other=0.0,
    )
    matrix = tl.load(
        weight + channels[None, :] * relations + inner[:, None],
        mask=is_channel[None, :] & (inner < relations)[:, None],
        other=0.0,
    )
    x = tl.dot(given.to(tl.float32), matrix, input_precision=PRECISION)
    x += tl.load(own + points[:, None] * width + channels[None, :], mask=there, other=0.0).to(tl.float32)
    x += tl.load(other + near[:, None] * width + channels[None, :], mask=there, other=0.0).to(tl.float32)
    return tl.where(x > 0, x, SLOPE * x)


@triton.jit
def attentive_patch_kernel(
    relation,
    own,
    other,
    index,
    weight,
    score,
    out,
    n_points,
    n_others,
    width,
    relations,
    K: tl.constexpr,
    R: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
    PRECISION: tl.constexpr,
    SLOPE: tl.constexpr,
):
    """relation (B, M, K, relations), own (B, M, width), other (B, N, width), index (B, M, K) -> out (B, M, width)."""
    cloud = tl.program_id(2).to(tl.int64)
    relation += cloud * n_points * K * relations
    index += cloud * n_points * K
    own += cloud * n_points * width
    other += cloud * n_others * width
    out += cloud * n_points * width
    rows = tl.program_id(0) * BLOCK_M * K + tl.arange(0, BLOCK_M * K)
    points = rows // K
    is_row = points < n_points
    out_channels = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)

    scores = tl.zeros((BLOCK_M * K, BLOCK_C), tl.float32)
    for start in range(0, width, BLOCK_C):
        channels = start + tl.arange(0, BLOCK_C)
        x = embedded(
            relation, own, other, index, weight, rows, points, is_row, channels, width, relations, R, PRECISION, SLOPE
        )
        matrix = tl.load(
            score + out_channels[None, :] * width + channels[:, None],
            mask=(out_channels < width)[None, :] & (channels < width)[:, None],
            other=0.0,
        )
        scores += tl.dot(x, matrix, input_precision=PRECISION)
    x = embedded(
        relation, own, other, index, weight, rows, points, is_row, out_channels, width, relations, R, PRECISION, SLOPE
    )

    scores, x = tl.reshape(scores, (BLOCK_M, K, BLOCK_C)), tl.reshape(x, (BLOCK_M, K, BLOCK_C))
    shares = tl.exp(scores - tl.max(scores, 1)[:, None, :])
    pooled = tl.sum(shares * x, 1) / tl.sum(shares, 1)
    point = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    tl.store(
        out + point[:, None] * width + out_channels[None, :],
        pooled,
        mask=(point < n_points)[:, None] & (out_channels < width)[None, :],
    )


def attentive_patch_triton(
    relation: torch.Tensor,
    own: torch.Tensor,
    other: torch.Tensor,
    index: torch.Tensor,
    weight: torch.Tensor,
    score: torch.Tensor,
    slope: float,
) -> torch.Tensor:
    """`attentive_patch_reference` on a GPU, for a power of two of neighbours; products in TF32 if own is of 16 bits."""
    relation, own, other, index = (tensor.contiguous() for tensor in (relation, own, other, index))
    batch, points, k, relations = relation.shape
    width = own.shape[-1]
    out = torch.empty_like(own)
    block = max(1, PAIRS // k)
    with torch.cuda.device_of(own):
        attentive_patch_kernel[(triton.cdiv(points, block), triton.cdiv(width, CHANNELS), batch)](
            relation,
            own,
            other,
            index,
            weight,
            score,
            out,
            points,
            other.shape[1],
            width,
            relations,
            K=k,
            R=max(16, triton.next_power_of_2(relations)),
            BLOCK_M=block,
            BLOCK_C=CHANNELS,
            PRECISION='tf32x3' if own.dtype == torch.float32 else 'tf32',
            SLOPE=slope,
            **OPTIONS,
        )
    return out
