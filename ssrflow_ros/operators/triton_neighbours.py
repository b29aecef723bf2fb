"""`k_nearest` as one Triton kernel: no distance matrix in memory, ties broken by the lower index."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

# Queries of a program and points of a tile: without spills for 16 and 32 neighbours (test/test_triton.py).
BLOCK_QUERIES = 16
BLOCK_POINTS = 64


@triton.jit
def k_nearest_kernel(
    queries, points, index, n_queries, n_points, found, K: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """queries (B, M, 3) and points (B, N, 3) float32 -> index (B, M, found) int64; found <= K, a power of two."""
    cloud = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    query = queries + (cloud * n_queries + rows[:, None]) * 3
    is_query = rows[:, None] < n_queries
    x = tl.load(query, mask=is_query, other=0.0)
    y = tl.load(query + 1, mask=is_query, other=0.0)
    z = tl.load(query + 2, mask=is_query, other=0.0)

    # A neighbour is one number: the bits of its squared distance, which order as the distance does, above
    # its index. All is negated, because topk takes the largest; -2^63 stands for no neighbour.
    nothing: tl.constexpr = -0x8000000000000000
    best = tl.full((BLOCK_M, K), nothing, tl.int64)
    for start in range(0, n_points, BLOCK_N):
        columns = start + tl.arange(0, BLOCK_N)
        point = points + (cloud * n_points + columns[None, :]) * 3
        is_point = columns[None, :] < n_points
        dx = x - tl.load(point, mask=is_point, other=0.0)
        dy = y - tl.load(point + 1, mask=is_point, other=0.0)
        dz = z - tl.load(point + 2, mask=is_point, other=0.0)
        squared = dx * dx + dy * dy + dz * dz
        key = (squared.to(tl.int32, bitcast=True).to(tl.int64) << 32) | columns[None, :].to(tl.int64)
        near = tl.topk(tl.where(is_point, -key, nothing), K, dim=1)
        # Of two sorted rows, one turned round, the larger of each place are the K largest of both.
        best = tl.sort(tl.maximum(best, tl.flip(near, 1)), 1, descending=True)

    places = tl.arange(0, K)[None, :]
    out = index + (cloud * n_queries + rows[:, None]) * found + places
    tl.store(out, (-best) & 0xFFFFFFFF, mask=is_query & (places < found))


def k_nearest_triton(queries: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    """`k_nearest_reference` on a GPU: queries (B, M, 3), points (B, N, 3) float32 -> (B, M, k) int64; k <= N."""
    queries, points = queries.contiguous(), points.contiguous()
    batch, count, _ = queries.shape
    index = torch.empty(batch, count, k, dtype=torch.int64, device=queries.device)
    width = max(2, triton.next_power_of_2(k))
    with torch.cuda.device_of(queries):
        k_nearest_kernel[(triton.cdiv(count, BLOCK_QUERIES), batch)](
            queries,
            points,
            index,
            count,
            points.shape[1],
            k,
            K=width,
            BLOCK_M=BLOCK_QUERIES,
            BLOCK_N=max(BLOCK_POINTS, width),
        )
    return index
