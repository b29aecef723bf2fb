"""Levelling: which way is up for a sensor that hangs upside down, is tilted, or whose frame has optical axes.

The method wants z up within some 15 degrees. The ground tells: a plane near the sensor with next to nothing below it,
and above which the world is low beside its width. A wall is a plane with nothing behind it, too, but the world before
it is wide. What the frame says of itself counts double. Where the sensor's pose on the robot is known, from the user
(`mounting`) or /tf_static, that tells (`conditioning.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .cells import thin

UP = np.array([0.0, 0.0, 1.0])
_LEVEL = np.radians(20.0)  # a frame that is less tilted is taken as level
_REACH, _VOXEL, _MOST = 25.0, 0.4, 12000  # m, m, points that are looked at
_FEWEST = 150  # thinned points that can show a ground
_HYPOTHESES, _NEAR = 300, 6.0  # planes that are tried; m, within which the three points of one lie
_JUDGED, _SAME, _SAME_HEIGHT = 24, np.cos(np.radians(8.0)), 0.3  # those in full; m; nearer ones are the same
_THICKNESS, _THICKER = 0.12, 0.01  # m, and share of the range, by which ground is off its plane
_BELOW, _MOST_BELOW = 0.4, 0.03  # m below the plane, where no more than this share may lie
_HEIGHT = 0.1, 5.0  # m of the sensor over the ground
_LEAST_SUPPORT = 0.08  # share of the thinned points that lie on the ground
_EXPECTED = 2.0  # times the score of a ground that lies as expected
_WIDE = 4.0  # m of height that halve the score
_CLEARLY = 2.5  # times the score of any other direction's, that is asked of an unexpected one
_APART = np.cos(np.radians(30.0))  # of directions that are not the same one


class Ground(NamedTuple):
    """up (3,) unit vector; height m of the sensor over it; score, support as a share; furnished, share of the points
    that stand on it."""

    up: np.ndarray
    height: float
    score: float


def level_from_sensor(points: np.ndarray) -> np.ndarray | None:
    """(3, 3) rotation from the frame of the points (N, 3) m to axes with z up; None where they do not show a ground.

    A frame that is level stays as it is.
    """
    up = ground_up(points)
    return None if up is None else level_axes(up)


def level_axes(up: np.ndarray) -> np.ndarray:
    """(3, 3) rotation to axes with z along `up` (3,); identity where the frame's own z is nearly that.

    x stays as it points, seen from above; where z lies level, as in optical axes, z is forward.
    """
    if up[2] > np.cos(_LEVEL):
        return np.eye(3)
    ahead = np.array([1.0, 0.0, 0.0]) if abs(up[2]) >= 0.5 else UP
    forward = ahead - (ahead @ up) * up
    forward /= np.linalg.norm(forward)
    return np.stack([forward, np.cross(up, forward), up])


def ground_up(points: np.ndarray, expected: np.ndarray = UP) -> np.ndarray | None:
    """(3,) unit vector away from the ground that the points (N, 3) m of a sweep show; None where they show none.

    expected  (3,) unit vector, the way up that the frame, or who mounted the sensor, says.
    """
    near = points[np.einsum('ij,ij->i', points, points) < _REACH**2]
    near = near[:: 1 + len(near) // _MOST]
    cells = near[thin(near, _VOXEL, np.zeros(3, np.float32))].astype(float) if len(near) else near
    if len(cells) < _FEWEST:
        return None
    tolerance = _THICKNESS + _THICKER * np.linalg.norm(cells, axis=1)
    ups, heights = _planes(cells)
    on = (np.abs(ups @ cells.T + heights[:, None]) < tolerance).sum(axis=1)
    found: list[Ground] = []
    for k in np.argsort(-on, kind='stable'):
        if len(found) == _JUDGED:
            break
        # Most planes are one that was judged before.
        if not any(ups[k] @ seen.up > _SAME and abs(heights[k] - seen.height) < _SAME_HEIGHT for seen in found):
            found.append(_judged(ups[k], heights[k], cells, tolerance, expected))
    if not found:
        return None
    best = max(found, key=lambda ground: ground.score)
    if best.score <= 0:
        return None
    others = max((ground.score for ground in found if ground.up @ best.up < _APART), default=0.0)
    as_expected = best.up @ expected >= _APART
    return best.up if as_expected or best.score > _CLEARLY * others else None


def _planes(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals (k, 3) towards the sensor and distances (k,) m of planes through many of the points (n, 3)."""
    rng = np.random.default_rng(0)
    one = cells[rng.integers(0, len(cells), _HYPOTHESES)]
    # Two partners of each that lie about it: of all points most would be too far away.
    order = np.argsort(rng.random((len(one), min(len(cells), 400))), axis=1)[:, :60]
    some = cells[rng.integers(0, len(cells), min(len(cells), 400))]
    off = np.linalg.norm(some[order] - one[:, None], axis=2)
    off[(off < 0.6) | (off > _NEAR)] = np.inf
    partners = np.argpartition(off, 1, axis=1)[:, :2]
    rows = np.arange(len(one))[:, None]
    two, three = some[order[rows, partners]].swapaxes(0, 1)
    normal = np.cross(two - one, three - one)
    length = np.linalg.norm(normal, axis=1)
    good = np.flatnonzero(np.isfinite(off[rows, partners]).all(axis=1) & (length > 0.3))
    normal = normal[good] / length[good, None]
    height = -np.einsum('ij,ij->i', normal, one[good])
    side = np.where(height < 0, -1.0, 1.0)
    return normal * side[:, None], height * side


def _judged(up: np.ndarray, height: float, cells: np.ndarray, tolerance: np.ndarray, expected: np.ndarray) -> Ground:
    """The plane made exact, and how much it is like a ground."""
    for _ in range(2):
        on = np.abs(cells @ up + height) < tolerance
        if on.sum() < _LEAST_SUPPORT * len(cells):
            return Ground(up, height, 0.0)
        middle = cells[on].mean(axis=0)
        normal = np.linalg.eigh(np.cov(cells[on].T))[1][:, 0]
        up = normal if normal @ up > 0 else -normal
        height = float(-middle @ up)
    above = cells @ up + height
    if not _HEIGHT[0] < height < _HEIGHT[1] or (above < -_BELOW).mean() > _MOST_BELOW:
        return Ground(up, height, 0.0)
    support = float((np.abs(above) < tolerance).mean())
    score = support / (1.0 + float(np.percentile(above, 85)) / _WIDE)
    return Ground(up, height, score * (_EXPECTED if up @ expected >= _APART else 1.0))
