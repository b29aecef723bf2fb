"""Sampling covers all there is and favours what changed; upsampling is what its definition says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrflow_ros.steps.cells import thin
from ssrflow_ros.steps.range_image import RangeImage
from ssrflow_ros.steps.sampling import sample_pair
from ssrflow_ros.steps.thinned_cloud import VOXEL, ThinnedCloud
from ssrflow_ros.steps.upsampling import _on_device, upsample
from ssrflow_ros.transforms import rigid


def wall(rng, n=20_000):
    """A dense patch: n returns of a wall 20 m wide and 4 m high, 10 m ahead."""
    return np.stack([np.full(n, 10.0), rng.uniform(-10, 10, n), rng.uniform(0, 4, n)], 1).astype(np.float32)


def test_a_lone_object_is_never_lost():
    rng = np.random.default_rng(0)
    lone = np.array([[40.0, 30.0, 1.0]], np.float32)
    source, target = np.concatenate([wall(rng), lone]), np.concatenate([wall(rng), lone])
    for seed in range(5):
        rows, other = (sample.rows for sample in sample_pair(source, target, 256, seed))
        assert len(source) - 1 in rows and len(target) - 1 in other


def test_changed_parts_get_more_points():
    rng = np.random.default_rng(1)
    car = rng.uniform(-1, 1, (400, 3)).astype(np.float32) * [2, 1, 0.7] + [5, 0, 1]
    source = np.concatenate([wall(rng), car]).astype(np.float32)
    target = np.concatenate([wall(rng), car + [2.5, 0, 0]]).astype(np.float32)
    plain, focused = (sample_pair(source, target, 512, 0, focus)[0].rows for focus in (0.0, 0.5))
    assert (focused >= 20_000).sum() > 1.3 * (plain >= 20_000).sum()
    assert len(np.unique(focused)) == len(focused) == 512


def test_a_walker_gets_points_though_he_goes_less_than_a_cube():
    """0.14 m between two sweeps: less than the 0.2 m cubes, more than the sweeps of a wall ever disagree."""
    rng = np.random.default_rng(5)
    walker = rng.uniform(-1, 1, (200, 3)) * [0.02, 0.25, 0.85] + [8, 0, 1.5]
    yard = np.concatenate([[turn * 1.0, turn * 8.0, 0] + wall(rng, 8_000) for turn in (-1, 0, 1, 2)])
    source, target = (
        np.concatenate([yard + rng.normal(0, 0.01, yard.shape), walker - [step, 0, 0]]).astype(np.float32)
        for step in (0.0, 0.14)
    )
    plain, focused = (sample_pair(source, target, 2048, 0, focus)[0].rows for focus in (0.0, 0.5))
    assert (focused >= len(yard)).sum() >= 2 * (plain >= len(yard)).sum() > 0


def test_what_only_came_into_view_gets_no_more_points():
    """A screen of the older sweep is gone, the wall behind it shows: changed if it stood near it, else revealed."""
    rng = np.random.default_rng(7)
    whole = wall(rng, 40_000)
    behind = np.abs(whole[:, 1] / whole[:, 0]) < 0.2
    shown = {}
    for depth in (9.0, 4.0):
        screen = whole[behind] * np.float32(depth / 10)
        older = np.concatenate([whole[~behind], screen])
        shown[depth] = behind[sample_pair(whole, older, 1024)[0].rows].sum()
    assert shown[9.0] > 1.3 * shown[4.0] > 0


def test_what_stands_where_there_was_nothing_half_a_second_before_gets_more_points():
    """A box that has hardly moved since the last sweep."""
    rng = np.random.default_rng(9)
    slow = (rng.uniform(-1, 1, (2000, 3)) * [0.02, 0.5, 0.5] + [8, 0, 1.5]).astype(np.float32)
    bare = wall(rng, 40_000)
    source = np.concatenate([bare, slow])
    own = RangeImage(source)
    shown = [
        (sample_pair(source, source, 512, images=(own, own, RangeImage(past)))[0].rows >= len(bare)).sum()
        for past in (source, bare)
    ]
    assert shown[1] > 1.5 * shown[0] > 0


def test_what_is_near_is_covered_more_closely():
    rng = np.random.default_rng(6)
    near, far = wall(rng, 20_000) * [0.5, 1, 1], wall(rng, 20_000) + [30, 0, 0]
    points = np.concatenate([near, far]).astype(np.float32)
    rows = sample_pair(points, points + np.float32(0.001), 512)[0].rows
    assert (rows < 20_000).sum() > 2 * (rows >= 20_000).sum() > 0


def test_same_seed_same_points():
    rng = np.random.default_rng(2)
    source, target = wall(rng), wall(rng)
    first, again, other = (sample_pair(source, target, 300, seed)[0].rows for seed in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@given(n=st.integers(0, 60), m=st.integers(0, 60), wanted=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_any_cloud_gives_distinct_rows(n, m, wanted, seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 5, (n, 3)).astype(np.float32), rng.normal(0, 5, (m, 3)).astype(np.float32)
    for sample, cloud in zip(sample_pair(source, target, wanted, seed), (source, target)):
        rows = sample.rows
        assert len(np.unique(rows)) == len(rows) <= wanted
        assert len(rows) == min(wanted, len(thin_again(cloud, seed)))
        assert sample.of(cloud).shape == (len(rows), 10) and sample.of(cloud).dtype == np.float32


def test_offsets_lead_to_the_other_sweep():
    """To its nearest point, of all that thinning left and not of those that the network sees."""
    rng = np.random.default_rng(4)
    source, target = (10 * rng.normal(size=(3000, 3)).astype(np.float32) for _ in range(2))
    for sample, cloud, other in zip(sample_pair(source, target, 64), (source, target), (target, source)):
        kept = other[thin(other, VOXEL, np.random.default_rng(0).uniform(0.0, VOXEL, 3).astype(np.float32))]
        nearest = np.linalg.norm(kept[None] - cloud[sample.rows][:, None], axis=2).argmin(axis=1)
        np.testing.assert_allclose(cloud[sample.rows] + sample.offsets, kept[nearest], atol=1e-5)


def test_each_point_knows_how_far_the_other_sensor_saw_past_it():
    """Of a screen that was not there before, and of the wall that it hides; the other sensor may stand elsewhere."""
    rng, eye = np.random.default_rng(8), np.float32([0.0, 3.0, 0.5])
    bare = wall(rng, 40_000)
    screen = np.stack([np.full(400, 8.0), *rng.uniform(-1, 1, (2, 400))], 1).astype(np.float32) + [0, 0, 1.5]
    source = np.concatenate([bare, screen]).astype(np.float32)
    for where in (np.zeros(3, np.float32), eye):
        other = RangeImage(bare - where).in_frame(rigid(np.eye(3), -where))
        first, second = sample_pair(source, bare, 2048, images=(RangeImage(source), other, other))
        of_screen = first.rows >= len(bare)
        way = screen[first.rows[of_screen] - len(bare)] - where
        past = np.linalg.norm(way, axis=1) * (10 - 8) / 8
        # About it the nearest of nine cells counts: along a wall that is up to half a metre nearer.
        assert of_screen.sum() > 20 and np.abs(first.margins[of_screen] - past[:, None]).max() < 0.5
        assert np.array_equal(first.margins[:, :2], first.margins[:, 2:])
        assert np.abs(first.margins[~of_screen]).max() < 0.7
        hidden = np.abs(bare[second.rows] @ np.diag([0.8] * 3) - [8, 0, 1.5]).max(axis=1) < 0.8
        assert hidden.any() and (second.margins[hidden, 0] < -1.5).all()
        assert (second.margins[hidden, 1] < -1.5).mean() > 0.5  # right behind a return of the screen, not a gap of it
    # Of a piece, as much is known as was seen about it.
    images = RangeImage(source), RangeImage(bare), RangeImage(bare[:0])
    piece = sample_pair(screen.astype(np.float32), bare[:10], 64, images=images)[0]
    assert (piece.margins[:, :2] > 1.5).all() and not piece.margins[:, 2:].any()


def thin_again(cloud, seed):
    return thin(cloud, VOXEL, np.random.default_rng(seed).uniform(0.0, VOXEL, 3).astype(np.float32))


def test_thinning_leaves_one_point_a_cube():
    points = np.random.default_rng(3).uniform(-30, 30, (5000, 3)).astype(np.float32)
    kept = points[thin(points, 2.0)]
    cubes = np.floor(kept / 2.0)
    assert len(np.unique(cubes, axis=0)) == len(kept) == len(np.unique(np.floor(points / 2.0), axis=0))


def test_interpolation_by_hand():
    known = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]], np.float32)
    values = np.array([[1.0, 10.0, -1.0], [2.0, 20.0, -2.0], [3.0, 30.0, -3.0], [100.0, 0.0, 0.0]], np.float32)
    query = np.array([[0.5, 0.0, 0.0]], np.float32)
    distance = np.array([0.5, 0.5, np.sqrt(1.25)])
    expected = (np.array([1.0, 2.0, 3.0]) / distance).sum() / (1 / distance).sum()
    for here, of in ((upsample, ThinnedCloud), (_on_device, np.asarray)):
        assert here(of(query), known, torch.from_numpy(values))[0, 0] == pytest.approx(expected, rel=1e-5)
        assert here(of(known), known, torch.from_numpy(values)) == pytest.approx(values, rel=1e-2, abs=0.02)
        assert here(of(query), known[:1], torch.from_numpy(values[:1]))[0, 0] == 1.0
