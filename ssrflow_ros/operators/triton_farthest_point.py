"""Farthest point sampling as one Triton kernel: one program a cloud, its distances in registers throughout."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

WARPS = 32  # all that one program can have
MOST_POINTS = 8192  # of a cloud; more do not fit the registers (test/test_triton.py)


@triton.jit
def farthest_point_kernel(points, first, order, n_points, n, BLOCK: tl.constexpr):
    """points (B, N, 3) float32, first (B,) int64 -> order (B, n) int64; BLOCK, a power of two, is at least N."""
    cloud = tl.program_id(0).to(tl.int64)
    points += cloud * n_points * 3
    rows = tl.arange(0, BLOCK)
    is_point = rows < n_points
    distance = tl.where(is_point, float('inf'), -2.0)
    taken = tl.load(first + cloud)
    for i in range(n):
        tl.store(order + cloud * n + i, taken)
        # Read anew in every round: the cache of one multiprocessor holds them, its registers would not.
        dx = tl.load(points + rows * 3, mask=is_point, other=0.0) - tl.load(points + taken * 3)
        dy = tl.load(points + rows * 3 + 1, mask=is_point, other=0.0) - tl.load(points + taken * 3 + 1)
        dz = tl.load(points + rows * 3 + 2, mask=is_point, other=0.0) - tl.load(points + taken * 3 + 2)
        distance = tl.minimum(distance, dx * dx + dy * dy + dz * dz)
        # A point taken can never come again, not even among duplicates.
        distance = tl.where(rows == taken, -1.0, distance)
        taken = tl.argmax(distance, 0).to(tl.int64)


def farthest_point_order_triton(points: torch.Tensor, n: int, first: torch.Tensor) -> torch.Tensor:
    """`farthest_point_order_reference` on a GPU, for clouds of at most MOST_POINTS."""
    points = points.contiguous()
    batch, count, _ = points.shape
    order = torch.empty(batch, n, dtype=torch.int64, device=points.device)
    with torch.cuda.device_of(points):
        farthest_point_kernel[(batch,)](
            points, first.contiguous(), order, count, n, BLOCK=triton.next_power_of_2(count), num_warps=WARPS
        )
    return order
