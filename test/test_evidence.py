"""Motion is believed where free space was taken or left, and nowhere else."""
import numpy as np
import pytest

from ssrflow_ros.steps.evidence import View, standing_still
from ssrflow_ros.sweep import EgoMotion, Sweep, SweepPair


def patch(x, y, width, height=2.0, step=0.05):
    """An upright patch that faces the sensor: centre (x, y), metres."""
    across, up = np.meshgrid(np.arange(-width / 2, width / 2, step), np.arange(-height / 2, height / 2, step))
    return np.stack([np.full(across.size, x), y + across.ravel(), up.ravel()], 1)


def pair(source, target, shift=(0.0, 0.0, 0.0)):
    transform = np.eye(4)
    transform[:3, 3] = shift
    target = np.concatenate(target) + shift
    source = np.concatenate(source)
    return (SweepPair(Sweep.from_points(source, 0), Sweep.from_points(target, 100_000_000)),
            EgoMotion(transform, 'given'))


def judge(pair_and_ego, n_object, residual):
    sweeps, ego = pair_and_ego
    ids = np.full(len(sweeps.source), -1, np.int32)
    ids[:n_object] = 7
    motion = np.tile(np.asarray(residual, np.float32), (len(ids), 1))
    still = standing_still(sweeps, ego, ego.into_source(sweeps.target.points), motion, ids)
    assert not still[ids < 0].any()
    return np.unique(ids[still]).tolist()


WALL = patch(20.0, 0.0, 30.0, 6.0)


@pytest.mark.parametrize('shift', [(0.0, 0.0, 0.0), (0.5, 0.1, 0.0)])
@pytest.mark.parametrize('way', [(0.0, 0.8, 0.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)],
                         ids=['across', 'towards', 'away'])
def test_whatever_way_it_moves_a_mover_is_believed(way, shift):
    now = patch(8.0, 0.0, 1.0)
    assert judge(pair([now, WALL], [now + way, WALL], shift), len(now), way) == []


def test_a_wall_that_seems_to_creep_stands():
    wall, again = WALL, patch(20.02, 0.013, 30.0, 6.0)
    assert judge(pair([wall], [again]), len(wall), (0.0, 0.3, 0.0)) == [7]


def test_what_comes_into_view_stands():
    """A wall seen through a gap in a nearer one; the gap moved on, so another piece of it is seen."""
    def fence(gap):
        return np.concatenate([patch(6.0, gap - 5.5, 10.0), patch(6.0, gap + 5.5, 10.0)])
    seen_now, seen_then = patch(12.0, 0.5, 1.2), patch(12.0, -0.5, 1.2)
    case = pair([seen_now, fence(0.25)], [seen_then, fence(-0.25)])
    assert judge(case, len(seen_now), (0.0, -1.0, 0.0)) == [7]


def test_a_view_knows_free_space_only_where_a_beam_returned():
    view = View(WALL.astype(np.float32))
    asked = np.array([[8.0, 0, 0], [25.0, 0, 0], [-8.0, 0, 0], [19.9, 0, 0]], np.float32)
    assert view.is_free(asked).tolist() == [True, False, False, False]


def test_nothing_to_judge():
    case = pair([WALL], [WALL])
    assert judge(case, 0, (1.0, 0.0, 0.0)) == []
    empty = SweepPair(Sweep.from_points(WALL, 0), Sweep.from_points(WALL[:0], 1))
    ids = np.zeros(len(WALL), np.int32)
    assert standing_still(empty, case[1], empty.target.points, np.ones_like(WALL), ids).all()
