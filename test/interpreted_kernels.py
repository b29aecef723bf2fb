"""Run by test_triton.py in a process of its own, with TRITON_INTERPRET=1: the kernels against the references."""
import torch

from ssrflow_ros.operators.reference import (attentive_patch_reference, cost_patch_reference,
                                             farthest_point_order_reference, k_nearest_reference)
from ssrflow_ros.operators.triton_cost import cost_patch_triton
from ssrflow_ros.operators.triton_farthest_point import farthest_point_order_triton
from ssrflow_ros.operators.triton_kernels import checked
from ssrflow_ros.operators.triton_neighbours import k_nearest_triton
from ssrflow_ros.operators.triton_patch import attentive_patch_triton

generator = torch.Generator().manual_seed(0)


def cloud(*shape):
    return 30 * torch.randn(*shape, 3, generator=generator)


def nearest_lower_index_first(queries, points, k):
    squared = sum((queries[..., None, axis] - points[:, None, :, axis]).square() for axis in range(3))
    return squared.argsort(dim=-1, stable=True)[..., :k]


def check_k_nearest():
    # One block and less, a query and a point more than a block, k no power of two, k = N.
    for batch, m, n, k in [(2, 3, 5, 5), (1, 17, 65, 9), (1, 1, 1, 1), (1, 4, 64, 16)]:
        queries, points = cloud(batch, m), cloud(batch, n)
        found = k_nearest_triton(queries, points, k)
        assert found.dtype == torch.int64 and torch.equal(found, k_nearest_reference(queries, points, k)), (m, n, k)


def check_ties_go_to_the_lower_index():
    points = torch.randint(3, (1, 70, 3), generator=generator).float()  # 27 places: duplicates and equal distances
    queries = points[:, :6]
    assert torch.equal(k_nearest_triton(queries, points, 12), nearest_lower_index_first(queries, points, 12))


def check_farthest_point_order():
    for batch, count, n in [(2, 50, 20), (1, 64, 64), (1, 1, 1), (1, 33, 33)]:
        points, first = cloud(batch, count), torch.arange(batch)
        order = farthest_point_order_triton(points, n, first)
        assert torch.equal(order, farthest_point_order_reference(points, n, first)), (count, n)
    duplicates = torch.cat([torch.zeros(1, 30, 3), cloud(1, 3)], dim=1)
    first = torch.zeros(1, dtype=torch.int64)
    order = farthest_point_order_triton(duplicates, 33, first)
    assert order.unique().numel() == 33
    assert torch.equal(order, farthest_point_order_reference(duplicates, 33, first))


def check_patches():
    # Widths, relations and points that fill no block; bfloat16, where only the products round.
    for batch, m, n, k, width, relations in [(2, 3, 5, 4, 40, 6), (1, 33, 20, 16, 32, 16), (1, 2, 70, 64, 3, 20)]:
        relation, own, other, weight, score, hidden, out_weight, out_bias = (
            torch.randn(shape, generator=generator) for shape in (
                (batch, m, k, relations), (batch, m, width), (batch, n, width), (width, relations), (width, width),
                (batch, m, k, 8), (width, 8), (width,)))
        index = torch.randint(n, (batch, m, k), generator=generator)
        for kernel, reference, rest in [
                (attentive_patch_triton, attentive_patch_reference, (score / width, 0.1)),
                (cost_patch_triton, cost_patch_reference, (hidden, out_weight, out_bias, 0.1))]:
            wanted = reference(relation, own, other, index, weight, *rest)
            found = kernel(relation, own, other, index, weight, *rest)
            assert torch.allclose(found, wanted, atol=1e-4), (m, n, k, width)
            rough = kernel(*(tensor.bfloat16() for tensor in (relation, own, other)), index, weight, *rest)
            assert rough.dtype == torch.bfloat16 and torch.allclose(rough.float(), wanted, atol=0.2)


check_k_nearest()
check_patches()
check_ties_go_to_the_lower_index()
check_farthest_point_order()
with torch.autocast('cpu', torch.bfloat16):  # as the network asks for them
    checked(torch.device('cpu'))
