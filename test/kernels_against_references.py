"""The Triton kernels against the references: on a GPU by test_gpu.py, interpreted on the CPU by test_triton.py, which
runs this file in a process of its own with TRITON_INTERPRET=1."""

import torch

from ssrflow_ros.operators.reference import (
    attentive_patch_reference,
    cost_patch_reference,
    farthest_point_order_reference,
    k_nearest_reference,
)
from ssrflow_ros.operators.triton_cost import cost_patch_triton
from ssrflow_ros.operators.triton_farthest_point import farthest_point_order_triton
from ssrflow_ros.operators.triton_kernels import checked
from ssrflow_ros.operators.triton_neighbours import k_nearest_triton
from ssrflow_ros.operators.triton_patch import attentive_patch_triton

CPU = torch.device('cpu')
generator = torch.Generator().manual_seed(0)


def cloud(*shape):
    return 30 * torch.randn(*shape, 3, generator=generator)


def nearest_lower_index_first(queries, points, k):
    squared = sum((queries[..., None, axis] - points[:, None, :, axis]).square() for axis in range(3))
    return squared.argsort(dim=-1, stable=True)[..., :k]


def found_nearest(queries, points, k, device):
    found = k_nearest_triton(queries.to(device), points.to(device), k)
    assert found.dtype == torch.int64
    return found.cpu()


def distances(queries, points, index):
    return (torch.stack([rows[places] for rows, places in zip(points, index)]) - queries[:, :, None]).norm(dim=-1)


def check_k_nearest(device=CPU, sizes=()):
    # One block and less, a query and a point more than a block, k no power of two, k = N.
    for batch, m, n, k in [(2, 3, 5, 5), (1, 17, 65, 9), (1, 1, 1, 1), (1, 4, 64, 16), *sizes]:
        queries, points = cloud(batch, m), cloud(batch, n)
        found, wanted = found_nearest(queries, points, k, device), k_nearest_reference(queries, points, k)
        if device == CPU:
            assert torch.equal(found, wanted), (m, n, k)
        else:  # it rounds a sum of squares once less, and of two points as far apart may take the other
            assert all(len(set(row)) == k for one in found.tolist() for row in one)
            near, nearest = distances(queries, points, found), distances(queries, points, wanted)
            assert torch.allclose(near, nearest, rtol=1e-6), (m, n, k)


def check_ties_go_to_the_lower_index(device=CPU):
    points = torch.randint(3, (1, 70, 3), generator=generator).float()  # 27 places: duplicates and equal distances
    queries = points[:, :6]
    assert torch.equal(found_nearest(queries, points, 12, device), nearest_lower_index_first(queries, points, 12))


def check_farthest_point_order(device=CPU, sizes=()):
    def found(points, n, first):
        return farthest_point_order_triton(points.to(device), n, first.to(device)).cpu()

    for batch, count, n in [(2, 50, 20), (1, 64, 64), (1, 1, 1), (1, 33, 33), *sizes]:
        points, first = cloud(batch, count), torch.arange(batch)
        if device != CPU:  # whole numbers: their squared distances are exact, so that no rounding decides
            points = points.mul(30).round()
        assert torch.equal(found(points, n, first), farthest_point_order_reference(points, n, first)), (count, n)
    duplicates = torch.cat([torch.zeros(1, 30, 3), cloud(1, 3)], dim=1)
    first = torch.zeros(1, dtype=torch.int64)
    order = found(duplicates, 33, first)
    assert order.unique().numel() == 33
    assert torch.equal(order, farthest_point_order_reference(duplicates, 33, first))


def answer(of, given, rest, kind, device):
    return of(
        *(tensor.to(device, kind) for tensor in given),
        *(value.to(device) if isinstance(value, torch.Tensor) else value for value in rest),
    ).cpu()


def check_patches(device=CPU, sizes=()):
    # Widths, relations and points that fill no block; 16 bits, where what comes in is rounded, and the products are.
    for batch, m, n, k, width, relations in [
        (2, 3, 5, 4, 40, 6),
        (1, 33, 20, 16, 32, 16),
        (1, 2, 70, 64, 3, 20),
        *sizes,
    ]:
        relation, own, other, weight, score, hidden, out_weight, out_bias = (
            torch.randn(shape, generator=generator)
            for shape in (
                (batch, m, k, relations),
                (batch, m, width),
                (batch, n, width),
                (width, relations),
                (width, width),
                (batch, m, k, 8),
                (width, 8),
                (width,),
            )
        )
        index = torch.randint(n, (batch, m, k), generator=generator)
        for kernel, reference, rest in [
            (attentive_patch_triton, attentive_patch_reference, (score / width, 0.1)),
            (cost_patch_triton, cost_patch_reference, (hidden, out_weight, out_bias, 0.1)),
        ]:
            given, rest = (relation, own, other), (index, weight, *rest)
            wanted = answer(reference, given, rest, torch.float32, CPU)
            found = answer(kernel, given, rest, torch.float32, device)
            assert torch.allclose(found, wanted, atol=1e-4), (m, n, k, width)
            for kind, within in ((torch.bfloat16, 0.2), (torch.float16, 0.03)):
                rough = answer(kernel, given, rest, kind, device)
                assert rough.dtype == kind and torch.allclose(rough.float(), wanted, atol=within)


if __name__ == '__main__':
    check_k_nearest()
    check_patches()
    check_ties_go_to_the_lower_index()
    check_farthest_point_order()
    with torch.autocast('cpu', torch.bfloat16):  # as the network asks for them
        checked(CPU)
