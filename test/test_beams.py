"""What stands together in the beams side by side is a body; what they go past is a flake, or dust."""

import numpy as np
import pytest
from test_outliers import pole, seen, walker, wire

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.kernels.beams import (
    _COLUMNS,
    beside,
    by_direction,
    directions,
    filled,
    is_beside_the_next,
    only,
    passing,
)
from ssrflow_ros.objects.prefilter import _LEAST_FILLED
from ssrflow_ros.simulator import simulate
from ssrflow_ros.simulator.disturbances import Weather, weathered
from ssrflow_ros.steps.beams import Beams
from ssrflow_ros.sweep import SweepPair


def in_the_air(n, seed=0, away=(2.0, 12.0)):
    """Lone returns (n, 3) m about the sensor."""
    rng = np.random.default_rng(seed)
    azimuth, elevation, reach = rng.uniform(-np.pi, np.pi, n), rng.uniform(-0.2, 0.2, n), rng.uniform(*away, n)
    level = np.cos(elevation)
    return (np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], 1) * reach[:, None]).astype(
        np.float32
    )


def test_what_lies_beside_is_counted_as_by_hand():
    rng = np.random.default_rng(1)
    unit = rng.normal((2.0, 0.0, 0.0), 0.15, (600, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    points = (unit * rng.uniform(3, 5, (600, 1))).astype(np.float32)
    beams, first, lowest, rows = by_direction(points, *directions(points))
    assert np.allclose(beams[:, :3] * beams[:, 3:], points[rows], rtol=1e-5)
    cone, depth, share, fewest = np.float32(0.011), np.float32(0.1), np.float32(0.02), 3
    found = beside(points, beams, first, lowest, cone, 1, 4, fewest, depth, share, 10_000)
    away, reach = np.linalg.norm(unit[:, None] - unit, axis=2), np.linalg.norm(points, axis=1)
    for row in range(len(points)):
        wide = next((w for w in (1, 2) if (away[row] <= cone * w).sum() > fewest), 4)
        near = np.flatnonzero(away[row] <= cone * wide)
        off = reach[near] - reach[row]
        at = np.abs(off) <= depth + share * reach[row]
        assert found[row].tolist() == [at.sum() - 1, (off > depth + share * reach[row]).sum()]
    at, beyond = found.T
    shares = np.where(at + beyond > 0, at / np.maximum(at + beyond, 1), 1.0).reshape(20, 30).mean(axis=1)
    for least in np.quantile(shares, (0.2, 0.5, 0.8)) + 1e-9:
        full = filled(points, np.full(20, 30), beams, first, lowest, cone, 4, fewest, depth, share, least)
        assert np.array_equal(full, shares >= least) and full.any() and not full.all()


def test_some_of_the_beams_are_sorted_as_if_they_were_all():
    rng = np.random.default_rng(3)
    points = (rng.normal(size=(5000, 3)) * (9, 9, 2)).astype(np.float32)
    rows = np.flatnonzero(rng.random(5000) < 0.4)
    beams, first, lowest, of = only(*by_direction(points, *directions(points)), rows)
    wanted = by_direction(points[rows], *directions(points[rows]))
    assert np.array_equal(beams, wanted[0]) and np.array_equal(of, wanted[3])
    above = (wanted[2] - lowest) * _COLUMNS  # cells of the rows below the lowest one that is left
    assert np.array_equal(first[above:][: len(wanted[1])], wanted[1]) and not first[:above].any()


def test_the_next_one_of_a_cell_is_company_as_any_other_is():
    points, _ = seen(walker(8))
    cloud = np.concatenate([points, in_the_air(300)])
    beams, _, _, rows = by_direction(cloud, *directions(cloud))
    cone, depth, share = np.float32(0.011), np.float32(0.15), np.float32(0.02)
    found, reach = is_beside_the_next(beams, cone, depth, share), beams[:, 3]
    near, off = np.linalg.norm(np.diff(beams[:, :3], axis=0), axis=1) <= cone, np.abs(np.diff(reach))
    wanted = np.zeros(len(beams), bool)
    wanted[1:] |= near & (off <= depth + share * reach[1:])
    wanted[:-1] |= near & (off <= depth + share * reach[:-1])
    is_flake = rows >= len(points)
    assert np.array_equal(found, wanted) and found[~is_flake].mean() > 0.7 and not found[is_flake].any()


def test_few_returns_are_left_to_be_asked_about_in_whatever_order_they_come():
    rng = np.random.default_rng(0)
    points = next(simulate(9_400_002, 1, 'alpha128', 'street')).sweep.points
    points = points[np.linalg.norm(points, axis=1) < 32]
    alone = Beams(points).are_alone()
    mixed = rng.permutation(len(points))
    assert np.array_equal(Beams(points[mixed]).are_alone(), alone[mixed])
    for cloud in points, points[mixed]:
        assert (
            is_beside_the_next(by_direction(cloud, *directions(cloud))[0], *map(np.float32, (0.011, 0.15, 0.02))).mean()
            > 0.75
        )


def test_the_beams_that_pass_next_above_and_below_are_those_found_by_hand():
    rng = np.random.default_rng(2)
    points, asked = ((rng.normal((2.0, 0.0, 0.0), 0.3, (n, 3)) * 3).astype(np.float32) for n in (4000, 100))
    aside, ring, rows = np.float32(0.007), np.float32(0.005), 3
    found = passing(asked, *by_direction(points, *directions(points))[:3], aside, ring, rows)

    def seen(points):
        reach = np.linalg.norm(points, axis=1)
        return np.arctan2(points[:, 1], points[:, 0]), points[:, 2] / reach, reach

    azimuth, height, reach = seen(points.astype(float))
    row = (directions(points)[1] * 90).astype(int)
    for own_azimuth, own_height, own_row, both in zip(
        *seen(asked.astype(float))[:2], (directions(asked)[1] * 90).astype(int), found
    ):
        beside = (np.sin(np.abs(azimuth - own_azimuth)) <= aside) & (np.abs(row - own_row) <= rows)
        for side, told in zip((-1, 1), both):
            above = np.where(beside, (height - own_height) * side, -1.0)
            above = np.where(above >= 0, above, np.inf)
            wanted = reach[above <= above.min() + ring].min() if np.isfinite(above.min()) else np.nan
            assert told == pytest.approx(wanted, abs=1e-4, nan_ok=True)
    assert 0.3 < np.isfinite(found).mean() < 1


def test_a_sensor_on_its_side_has_its_own_above_and_below():
    points, _ = seen(walker(8))
    asked, side = points[::7] * np.float32(0.9), np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    lying = Beams(points @ side.T.astype(np.float32), side)
    np.testing.assert_allclose(
        lying.passing(asked @ side.T.astype(np.float32))[0][1], Beams(points).passing(asked)[0][1], rtol=1e-4
    )


@pytest.mark.parametrize(
    'thing, away',
    [(pole(5, 0.05), 5), (pole(12, 0.1), 12), (pole(25, 0.2), 25), (wire(3.0, 15.0), 15), (walker(20), 20)],
    ids=['thin pole', 'pole', 'far pole', 'wire', 'walker'],
)
def test_a_flake_is_alone_and_what_is_thin_or_far_is_not(thing, away):
    points, _ = seen(thing)
    bare, _ = seen()
    its = np.flatnonzero((points != bare).any(axis=1))
    flakes = in_the_air(60)
    alone = Beams(np.concatenate([points, flakes])).are_alone()
    assert len(its) >= 3 and alone[its].mean() <= 0.34  # the ends of a pole of one column
    assert alone[len(points) :].mean() > 0.8


def test_bodies_fill_the_directions_about_their_points_and_flakes_and_dust_do_not():
    points, _ = seen(walker(8))
    bare, _ = seen()
    body = np.flatnonzero((points != bare).any(axis=1))
    flakes = in_the_air(300)
    grains = points[(np.abs(np.arctan2(points[:, 1], points[:, 0]) + 1.5) < 0.2) & (np.linalg.norm(points, axis=1) > 9)]
    grains *= (np.random.default_rng(3).uniform(0.3, 0.9, len(grains)))[:, None].astype(np.float32)
    beams = Beams(np.concatenate([points, flakes, grains]))

    def filled(rows, least, beams=beams):
        return beams.are_filled(rows, np.array([len(rows)]), least).tolist() == [True]

    assert filled(body, 2 * _LEAST_FILLED)
    assert not filled(len(points) + np.arange(len(flakes)), _LEAST_FILLED)
    assert not filled(len(points) + len(flakes) + np.arange(len(grains)), _LEAST_FILLED)
    assert filled(np.arange(1), 1.0, Beams(points[body[:1]]))  # nothing speaks against it


@pytest.mark.parametrize('sensor', ['vlp16', 'os1_64', 'hdl32e'])
def test_in_snow_next_to_no_flake_takes_part_and_no_mover_is_lost(sensor):
    dry = list(simulate(9_400_002, 2, sensor, 'street'))
    method = SceneFlow(Settings(network_points=512))
    wet = list(weathered(dry, Weather(snow=3000), 3))
    prepared = method.prepare(SweepPair(wet[1].sweep, wet[0].sweep))
    airborne = (wet[1].sweep.points != dry[1].sweep.points).any(axis=1)
    part = np.zeros(len(airborne), bool)
    part[prepared.conditioned.rows[prepared.rows]] = True
    reach = np.linalg.norm(wet[1].sweep.points, axis=1)
    assert np.linalg.norm(prepared.points, axis=1) == pytest.approx(reach[part], rel=1e-5)
    assert part[airborne].mean() < 0.12
    movers = wet[1].moving & ~airborne & ~wet[1].ground & (reach < 32)
    assert movers.sum() > 50 and part[movers].mean() > 0.95


@pytest.mark.parametrize('weather', [Weather(rain=0.03), Weather(snow=3000)], ids=['rain', 'snow'])
def test_in_a_stream_objects_are_not_of_what_is_in_the_air(weather):
    """Nor do flakes that stand together by chance carry one on, where a track expects it."""
    dry = list(simulate(9_400_002, 5, 'vlp16', 'street'))
    wet, stream, followed = list(weathered(dry, weather, 3)), SceneFlow(Settings(network_points=512)).stream(), 0
    for newer, older, bare in zip(wet[1:], wet, dry[1:]):
        flow = stream.flow(SweepPair(newer.sweep, older.sweep))
        airborne = (newer.sweep.points != bare.sweep.points).any(axis=1)
        assert airborne.mean() > 0.02
        for item in flow.objects:
            assert airborne[flow.object_ids == item.id].mean() < 0.25
            followed += item.age > 1
    assert followed >= 10


def test_no_points_and_one_point():
    none = np.zeros((0, 3), np.float32)
    assert (
        Beams(none).are_alone().shape == Beams(none).are_filled(np.zeros(0, int), np.zeros(0, int), 0.5).shape == (0,)
    )
    assert Beams(np.ones((1, 3), np.float32)).are_alone().tolist() == [True]
