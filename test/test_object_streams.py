"""Objects in a stream: what is followed stays itself beside what stands, and knows its earlier sweeps and its ends."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_objects import detector, find
from worlds import box

from ssrflow_ros import Settings
from ssrflow_ros.objects.accumulated import NOTHING, AccumulatedCloud, SeenBodies, at_time, in_frame, laid_onto
from ssrflow_ros.objects.detector import pieces_of_long
from ssrflow_ros.objects.ends import find_ends
from ssrflow_ros.objects.groups import Clusters
from ssrflow_ros.objects.observation import ObservedPoints
from ssrflow_ros.objects.planar import PlanarMotion
from ssrflow_ros.objects.proposals import propose
from ssrflow_ros.objects.tiles import Blocks
from ssrflow_ros.steps.cells import thin

START_NS = 10_000_000_000
DT_NS = 100_000_000
FLAT = np.zeros(2)
VAN, PARKED = (5.0, 2.0, 2.0), (4.4, 1.8, 1.5)


def test_a_van_that_passes_a_parked_car_stays_one_object_with_its_number():
    """Where they touch on the map they are one thing, of which the network moves both halves by half."""

    def street(sweep):
        return [box(np.array([-4.0 + 0.7 * sweep, 4.0, 0.0]), VAN), box(np.array([2.0, 6.0, 0.0]), PARKED)]

    def smeared(points):
        near = (np.abs(points[:, 1] - 5.0) < 2.2) & (np.abs(points[:, 0]) < 7.0)
        return near[:, None] * np.float32([-0.5, 0.0, 0.0])

    follows = detector()
    for sweep in range(1, 10):
        past = street(sweep - 5) if sweep >= 5 else None
        given = dict(finder=follows, stamp_ns=START_NS + sweep * DT_NS, past=past)
        _, (_, _, objects) = find(street(sweep), street(sweep - 1), smeared, **given)
        assert [item.track_id for item in objects] == [0], 'and the parked car is none'
        assert objects[0].size[0] == pytest.approx(5.0, abs=0.3) and objects[0].size[1] < 3.0
        assert objects[0].velocity[:2] == pytest.approx([7.0, 0.0], abs=0.5)


def observed(points, free, past_free=None):
    """As if the network saw nothing move."""
    nothing = np.zeros(len(points), bool)
    past_free = nothing if past_free is None else past_free
    return ObservedPoints(
        points=points,
        displacement=np.zeros_like(points),
        length=np.zeros(len(points)),
        moving=nothing,
        in_free_space=free,
        in_past_free_space=past_free,
        suspicious=free | past_free,
        unmatched=nothing,
        past_unmatched=nothing,
        vacated_space=points[:0],
    )


def side(begin, end, y=2.0, step=0.1):
    """An upright side along x."""
    x, z = np.meshgrid(np.arange(begin, end, step), np.arange(-0.5, 1.0, 0.1))
    return np.stack([x.ravel(), np.full(x.size, y), z.ravel()], 1).astype(np.float32)


@pytest.mark.parametrize(
    'name, own_free, rest_free, expected_share, proposed',
    [
        ('surely touches what stands', 0.9, 0.0, 0.5, ['own']),
        ('seems to touch what stands', 0.3, 0.0, 0.5, ['own', 'thing']),
        ('the rest of it came into view', 0.9, 0.9, 0.5, ['thing']),
        ('is the thing', 0.9, 0.9, 1.0, ['thing']),
    ],
)
def test_what_is_expected_is_proposed_where_it_is_no_thing_by_itself(
    name, own_free, rest_free, expected_share, proposed
):
    points = side(0.0, 8.0)
    own = points[:, 0] < 4.0
    free = np.where(own, own_free, rest_free) > np.linspace(0, 1, 15, endpoint=False).repeat(len(points) // 15)
    expected = np.where(points[:, 0] < 8.0 * expected_share, 0, -1).astype(np.int32)
    found = propose(observed(points, free), expected, -0.1, Settings())
    sizes = {'own': own.sum(), 'thing': len(points)}
    assert sorted(map(len, found)) == [sizes[which] for which in proposed], name


def test_two_that_are_followed_and_touch_are_proposed_by_themselves_and_together():
    points = np.concatenate([side(0.0, 2.0), side(2.1, 4.0)])
    expected = (points[:, 0] > 2.05).astype(np.int32)
    found = propose(observed(points, np.ones(len(points), bool)), expected, -0.1, Settings())
    assert sorted(map(len, found)) == sorted([(expected == 0).sum(), expected.sum(), len(points)])


def test_pieces_where_one_object_is_expected_are_proposed_together():
    points = np.concatenate([side(0.0, 3.0), side(4.0, 6.0)])
    found = propose(observed(points, np.ones(len(points), bool)), np.zeros(len(points), np.int32), -0.1, Settings())
    assert max(map(len, found)) == len(points)


@pytest.mark.parametrize(
    'longest, off, pieces', [(6.0, 0.02, {1}), (6.0, 0.5, set()), (2.0, 0.02, set())], ids=['piece', 'other', 'short']
)
def test_a_piece_of_something_long_that_moves_like_it_is_taken_by_it(longest, off, pieces):
    candidates = SimpleNamespace(
        proposals=SimpleNamespace(groups=[np.arange(100), np.arange(20, 40), np.arange(200, 240)]),
        tracked=SimpleNamespace(displacement=np.array([[1.0, 0.0], [1.0 + off, 0.0], [1.0, 0.0]])),
        registered=SimpleNamespace(longer_side=np.array([longest, 1.0, 1.5])),
        dt=-0.1,
    )
    assert pieces_of_long(candidates, [1, 0, 2]) == pieces
    assert pieces_of_long(candidates, []) == set()


def test_what_is_accumulated_is_bounded_and_lies_where_the_object_is():
    motion = PlanarMotion(np.array([[5.0, 2.0]]), np.array([[-0.6, 0.1]]), np.array([0.05]))
    body = side(3.0, 7.0)
    before = body + motion.of(body, np.array([len(body)]), FLAT)
    known = AccumulatedCloud(before.astype(np.float32), np.full(len(before), START_NS - DT_NS), START_NS - DT_NS)

    def joined(points, known, stamp_ns):
        (one,) = SeenBodies(points, np.array([len(points)]), motion, FLAT).joined([known], [known.points], stamp_ns)
        return one

    cloud = joined(body[:0], known, START_NS)
    nearest = np.linalg.norm(cloud.points[:, None] - body, axis=-1).min(axis=1)
    assert nearest.max() < 1e-4, 'laid back over itself'
    for _ in range(20):
        cloud = joined(body, cloud, START_NS)
    assert 100 < len(cloud.points) == len(cloud.seen_ns) <= 500
    assert not len(joined(body[:0], cloud, START_NS + 11 * DT_NS).points)
    later, nothing = at_time([cloud, NOTHING], START_NS + DT_NS, np.array([[5.0, 0.0, 0.0]] * 2))
    assert np.allclose(later - cloud.points, [0.5, 0, 0], atol=1e-6) and not len(nothing)
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    nothing, turned = in_frame([NOTHING, cloud], turn, np.array([1.0, 0, 0]))
    assert np.allclose(turned.points, (cloud.points - [1, 0, 0]) @ turn.T) and not len(nothing.points)


def test_bodies_are_joined_each_with_its_own_cloud():
    """Newest points first, one a cell, the cloud moved back onto the newest sweep: as one after the other."""
    rng, counts, kept = np.random.default_rng(0), np.array([300, 1, 90, 2000]), np.array([200, 0, 500, 400])
    bodies = [rng.uniform(-4, 4, (count, 3)).astype(np.float32) for count in counts]
    clouds = [
        AccumulatedCloud(rng.uniform(-4, 4, (m, 3)).astype(np.float32), START_NS - rng.integers(0, 15, m) * DT_NS, 0)
        for m in kept
    ]
    motion = PlanarMotion(rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.normal(size=4) / 10)
    slope = np.array([0.02, -0.01])
    found = SeenBodies(np.concatenate(bodies), counts, motion, slope).joined(
        clouds, [cloud.points for cloud in clouds], START_NS
    )
    for k, (body, cloud) in enumerate(zip(bodies, clouds)):
        back = PlanarMotion(*(values[k : k + 1] for values in motion)).inverse
        moved = cloud.points + back.of(cloud.points, np.array([len(cloud.points)]), slope)
        points = np.concatenate([body, moved.astype(np.float32)])
        seen_ns = np.concatenate([np.full(len(body), START_NS), cloud.seen_ns])
        recent = START_NS - seen_ns <= 1_000_000_000
        points, seen_ns = points[recent], seen_ns[recent]
        rows = thin(points, 0.15)
        rows = rows[np.arange(min(len(rows), 500)) * (len(rows) - 1) // max(min(len(rows), 500) - 1, 1)]
        assert np.array_equal(found[k].points, points[rows]) and np.array_equal(found[k].seen_ns, seen_ns[rows])
        assert found[k].stamp_ns == START_NS


def test_a_cluster_is_laid_onto_what_was_accumulated():
    corner = box(np.array([6.0, 2.0, 0.0]), (1.5, 1.0, 1.5)).astype(np.float32)
    clusters, centre = (
        Clusters(np.concatenate([corner, corner]), np.array([len(corner)] * 2)),
        np.tile([6.0, 2.0], (2, 1)),
    )
    start = np.array([[-0.4, 0.0], [np.nan, np.nan]])
    cloud = corner + np.float32([-0.55, 0.05, 0.0])
    found = laid_onto(clusters, centre, [cloud, cloud], start, -0.1)
    assert found[0] == pytest.approx([-0.55, 0.05], abs=0.05)
    assert np.isnan(found[1]).all() and np.isnan(laid_onto(clusters, centre, [NOTHING.points] * 2, start, -0.1)).all()


def test_both_ends_tell_how_far_a_smooth_side_slid():
    now, before = side(0.0, 10.0, step=0.03), side(-1.1, 8.9, step=0.03)
    registered = SimpleNamespace(
        longer_side=np.array([10.0]), centre=np.array([[5.0, 2.0]]), axes=np.array([[[1.0, 0.0], [0.0, 1.0]]])
    )

    def ends(target):
        whole, clusters = (Clusters(points, np.array([len(points)])) for points in (now, now[::10]))
        return find_ends(registered, whole, clusters, Blocks(target), np.array([[-0.3, 0.02]]))

    beyond = side(11.0, 13.0)  # stands apart
    seen_whole = ends(np.concatenate([before, beyond]))
    assert seen_whole.displacement[0] == pytest.approx([-1.1, 0.02], abs=0.04)
    assert seen_whole.misfit[0] < 0.05 and seen_whole.length[0] == pytest.approx(10.0, abs=0.05)
    assert ends(before[before[:, 0] > 2.0]).misfit[0] > 3.0, 'one end is hidden'
    assert np.isnan(ends(beyond).displacement).all()


def test_a_bus_alongside_has_its_speed_though_network_and_side_say_less():
    """Beams fall densely where it is near, and the few returns from its ends decide."""
    bus = (12.0, 2.5, 3.0)

    def slow(points):
        near = (np.abs(points[:, 1] - 2.8) < 1.6) & (np.abs(points[:, 0]) < 9.0)
        return near[:, None] * np.float32([-0.5, 0.0, 0.0])

    _, (_, _, objects) = find([box(np.array([0.5, 3.0, 0]), bus)], [box(np.array([-0.6, 3.0, 0]), bus)], slow)
    longest = max(objects, key=lambda item: item.n_points)
    assert longest.velocity[0] == pytest.approx(11.0, abs=1.0)
