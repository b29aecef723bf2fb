"""What is no surface: drops in the air and second returns go, thin and far things stay."""

import numpy as np
import pytest

from ssrflow_ros.simulator import simulate
from ssrflow_ros.simulator.disturbances import Weather, weathered
from ssrflow_ros.steps.beams import _PAST, Beams
from ssrflow_ros.steps.outliers import outliers

BEAMS = np.radians(np.arange(-15, 16, 2.0)), np.radians(np.arange(-180, 180, 0.4))


def seen(*things, rings=BEAMS[0], columns=BEAMS[1]):
    """Returns of a spinning sensor 1.8 m over flat ground, of walls 40 m around, and of `things`: functions of azimuth
    and elevation (rad) that give a range, m, or inf."""
    azimuth, elevation = (angle.ravel() for angle in np.meshgrid(columns, rings))
    ground = np.where(elevation < 0, 1.8 / np.maximum(np.sin(-elevation), 1e-6), np.inf)
    reach = np.minimum.reduce([ground, 40.0 / np.cos(elevation), *(thing(azimuth, elevation) for thing in things)])
    beams = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    return (beams * reach[:, None]).astype(np.float32), reach


def pole(away, width):
    return lambda azimuth, elevation: np.where(np.abs(azimuth) * away < width / 2, away / np.cos(elevation), np.inf)


def wire(height, away):
    """Across the view, seen by the one ring that meets it."""

    def reach(azimuth, elevation):
        ring = np.argmin(np.abs(BEAMS[0] - np.arctan2(height, away)))
        on = (np.abs(elevation - BEAMS[0][ring]) < 1e-6) & (np.abs(azimuth) < 0.3)
        return np.where(on, away / np.cos(azimuth) / np.cos(elevation), np.inf)

    return reach


def walker(away):
    def reach(azimuth, elevation):
        tall = (np.tan(elevation) * away < 0.0) & (np.tan(elevation) * away > -1.8)
        return np.where((np.abs(azimuth - 1.0) * away < 0.3) & tall, away / np.cos(elevation), np.inf)

    return reach


@pytest.mark.parametrize(
    'thing, away',
    [(pole(5, 0.05), 5), (pole(12, 0.1), 12), (pole(25, 0.2), 25), (wire(3.0, 15.0), 15), (walker(20), 20)],
    ids=['thin pole', 'pole', 'far pole', 'wire', 'walker'],
)
def test_thin_and_far_things_stay_though_sixteen_beams_see_little_of_them(thing, away):
    points, reach = seen(thing)
    its = np.abs(reach - thing(*(angle.ravel() for angle in np.meshgrid(BEAMS[1], BEAMS[0])))) < 1e-6
    assert its.sum() >= 3
    assert not outliers(Beams(points))[its].any()


def test_beyond_32_m_nothing_is_judged():
    points, _ = seen()
    alone = np.array([[0.0, 33.0, 8.0]], np.float32)
    assert not outliers(Beams(np.concatenate([points, alone])))[-1]
    assert outliers(Beams(np.concatenate([points, alone / 3])))[-1]


@pytest.mark.parametrize('sensor', ['vlp16', 'os1_64', 'hdl32e'])
@pytest.mark.parametrize('weather', [Weather(rain=0.01), Weather(snow=1000)], ids=['rain', 'snow'])
def test_most_returns_from_the_air_go_and_next_to_no_other(sensor, weather):
    dry = next(simulate(4_900_001, 1, sensor, 'street'))
    wet = next(weathered([dry], weather, 3))
    airborne = (wet.sweep.points != dry.sweep.points).any(axis=1)
    near = np.linalg.norm(wet.sweep.points, axis=1) < 32
    gone = outliers(Beams(wet.sweep.points))
    assert gone[airborne & near].mean() > 0.7  # some have company by chance
    assert gone[~airborne].mean() < 0.02
    assert outliers(Beams(dry.sweep.points))[dry.moving].mean() < 0.02


def test_second_returns_go_where_the_surface_before_them_is_not_near():
    dry = next(simulate(4_900_003, 1, 'hdl64e', 'street'))
    double = next(weathered([dry], Weather(second_returns=0.1), 3))
    second = np.arange(len(double)) >= len(dry)
    near = np.linalg.norm(double.sweep.points, axis=1) < 32
    gone = outliers(Beams(double.sweep.points))
    assert gone[second & near].mean() > 0.35
    assert gone[~second].mean() < 0.02


@pytest.mark.parametrize('sensor', ['vlp16', 'hdl64e', 'os1_128', 'mid360'])
def test_second_returns_go_however_many_and_however_far_they_are(sensor):
    dry = next(simulate(9_400_004, 1, sensor, 'street'))
    double = next(weathered([dry], Weather(second_returns=0.3), 3))
    second = np.arange(len(double)) >= len(dry)
    far = np.linalg.norm(double.sweep.points, axis=1) > 32
    gone = outliers(Beams(double.sweep.points))
    assert gone[second].mean() > 0.8
    assert not (second & far).any() or gone[second & far].mean() > 0.8
    assert gone[~second].mean() < outliers(Beams(dry.sweep.points)).mean() + 0.015


def test_a_near_surface_is_not_past_its_own_edge_though_beams_lie_close():
    # A board in front of a wall: beams 0.18 degrees apart pass its edge.
    beams = np.radians(np.arange(-16, 16, 1.0)), np.radians(np.arange(-180, 180, 0.18))

    def board(azimuth, elevation):
        return np.where(np.abs(azimuth) < 0.3, 1.5 / np.cos(azimuth) / np.cos(elevation), np.inf)

    points, reach = seen(board, rings=beams[0], columns=beams[1])
    assert outliers(Beams(points))[reach > 5].mean() < 0.001


def test_second_returns_are_found_as_by_hand():
    """All around, up to the zenith, in cells of which some hold many."""
    rng = np.random.default_rng(0)
    unit = np.concatenate([rng.normal(size=(1500, 3)), rng.normal((0.02, 0, 1), 0.01, (200, 3))])
    unit[300:600] = rng.normal((-1, 0, 0), 0.01, (300, 3))  # where the azimuth ends and begins anew
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    unit[600:900] = unit[:300] + rng.normal(0, 3e-4, (300, 3))
    points = (unit * rng.uniform(1, 40, (len(unit), 1))).astype(np.float32)
    reach = np.linalg.norm(points, axis=1)
    by, off, least, most = _PAST
    beam = points.astype(float) / reach[:, None]
    aside = np.linalg.norm(points[None] - beam[:, None] * reach[None, :, None].astype(float), axis=2)
    allowed = np.minimum(np.maximum(off, least * reach), most * reach)
    wanted = ((aside < allowed) & (reach <= (reach - by)[:, None])).any(axis=1)
    assert 100 < wanted.sum() < 700
    assert (Beams(points).are_past_another() == wanted).mean() > 0.999  # but for the last bit


def test_no_points_and_one_point():
    assert outliers(Beams(np.zeros((0, 3), np.float32))).shape == (0,)
    assert outliers(Beams(np.ones((1, 3), np.float32))).tolist() == [True]
