"""How things move: poses that are analytic in time, many times at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..transforms import rigid
from .terrain import Terrain


def rotations(axes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(..., 3, 3) turns by `angles` (...) rad about unit `axes` (..., 3): Rodrigues' formula."""
    axes = np.asarray(axes)
    x, y, z = axes[..., 0], axes[..., 1], axes[..., 2]
    c, s = np.cos(angles), np.sin(angles)
    u = 1 - c
    turn = np.empty((*np.broadcast_shapes(x.shape, c.shape), 3, 3))
    turn[..., 0, 0], turn[..., 0, 1], turn[..., 0, 2] = c + x * x * u, x * y * u - z * s, x * z * u + y * s
    turn[..., 1, 0], turn[..., 1, 1], turn[..., 1, 2] = y * x * u + z * s, c + y * y * u, y * z * u - x * s
    turn[..., 2, 0], turn[..., 2, 1], turn[..., 2, 2] = z * x * u - y * s, z * y * u + x * s, c + z * z * u
    return turn


@dataclass(frozen=True, eq=False)
class Path:
    """A curve on the plane, of arcs. It begins at `start` (x, y, yaw); the last arc never ends, and the
    first is prolonged backwards.

    lengths     (K,) m.  curvatures (K,) 1/m, left turns positive.
    """

    start: tuple[float, float, float]
    lengths: np.ndarray
    curvatures: np.ndarray
    nodes: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nodes = [np.array([*self.start, 0.0])]
        for length, curvature in zip(self.lengths, self.curvatures):
            x, y, yaw, gone = nodes[-1]
            nodes.append(np.array([*_arc(x, y, yaw, length, curvature), gone + length]))
        object.__setattr__(self, 'nodes', np.array(nodes))

    @classmethod
    def arc(cls, x: float, y: float, yaw: float, curvature: float = 0.0) -> 'Path':
        """One endless arc."""
        return cls((x, y, yaw), np.array([1.0]), np.array([curvature]))

    def at(self, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y, yaw after `distance` m."""
        piece = np.clip(np.searchsorted(self.nodes[:, 3], distance, side='right') - 1, 0, len(self.lengths) - 1)
        x, y, yaw, passed = self.nodes[piece].T
        return _arc(x, y, yaw, distance - passed, self.curvatures[piece])


def _arc(x: Any, y: Any, yaw: Any, length: Any, curvature: Any) -> tuple[Any, Any, Any]:
    turn = length * curvature
    chord = length * np.sinc(turn / (2 * np.pi))
    return x + chord * np.cos(yaw + turn / 2), y + chord * np.sin(yaw + turn / 2), yaw + turn


@dataclass(frozen=True, eq=False)
class GroundMotion:
    """Something that goes along a path on the terrain.

    meeting    s, when it is `origin` m along its path.
    speed      m/s, mean; it swings by `surge` m/s (never above `speed`) at `surge_rate` rad/s.
    upright    stays vertical (people), or takes the ground's slope (vehicles).
    lift       m above the ground.
    bob        m, up and down with each step or bump;  `bob_cycles` a metre and `bob_rate` 1/s.
    sway       (roll, pitch, yaw) rad amplitude of a slow swing of `sway_rate` rad/s.
    """

    terrain: Terrain
    path: Path
    speed: float
    meeting: float = 0.0
    origin: float = 0.0
    surge: float = 0.0
    surge_rate: float = 1.0
    phase: float = 0.0
    upright: bool = False
    lift: float = 0.0
    bob: float = 0.0
    bob_cycles: float = 0.0
    bob_rate: float = 0.0
    sway: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sway_rate: float = 2.0
    softness: float = 0.5

    def travel(self, times: np.ndarray) -> np.ndarray:
        """Metres along the path; never shrinks."""
        since = times - self.meeting
        swing = np.cos(self.surge_rate * since + self.phase) - np.cos(self.phase)
        return self.origin + self.speed * since - self.surge / self.surge_rate * swing

    def places(self, times: np.ndarray) -> np.ndarray:
        """(T, 4) x, y, z m and yaw rad of the body, its bobbing and swaying left out."""
        x, y, yaw = self.path.at(self.travel(times))
        return np.column_stack([x, y, self.terrain.smooth(x, y) + self.lift, yaw])

    def poses(self, times: np.ndarray, lag: float = 0.0) -> np.ndarray:
        """(T, 4, 4) world_from_body; with `lag` m behind on the path (a trailer)."""
        travel = self.travel(times) - lag
        x, y, yaw = self.path.at(travel)
        z = self.terrain.height(x, y, self.softness) + self.lift
        if self.bob:
            z = z + self.bob * np.sin(2 * np.pi * (self.bob_cycles * travel + self.bob_rate * times) + self.phase)
        roll, pitch, turn = (
            amplitude * np.sin(rate * (self.sway_rate * times + self.phase) + shift)
            for amplitude, rate, shift in zip(self.sway, (1.0, 1.31, 0.57), (0.0, 1.0, 2.0))
        )
        cos, sin, zero = np.cos(yaw + turn), np.sin(yaw + turn), np.zeros_like(yaw)
        if self.upright:
            frame = _columns((cos, sin, zero), (-sin, cos, zero), (zero, zero, zero + 1))
        else:
            gx, gy = self.terrain.gradient(x, y)
            # Left is level across the ground's rise, ahead then follows from up.
            steep = np.sqrt(1 + gx * gx + gy * gy)
            up = (-gx / steep, -gy / steep, 1 / steep)
            left = (-up[2] * sin, up[2] * cos, up[0] * sin - up[1] * cos)
            length = np.sqrt(left[0] ** 2 + left[1] ** 2 + left[2] ** 2)
            left = tuple(part / length for part in left)
            ahead = (
                left[1] * up[2] - left[2] * up[1],
                left[2] * up[0] - left[0] * up[2],
                left[0] * up[1] - left[1] * up[0],
            )
            frame = _columns(ahead, left, up)
        if any(self.sway[:2]):
            frame = frame @ rotations(_Y, pitch) @ rotations(_X, roll)
        return rigid(frame, np.column_stack([x, y, z]))


_X, _Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


def _columns(*axes: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """(T, 3, 3) from the three components (T,) of each axis: ahead, left, up."""
    frame = np.empty((len(axes[0][0]), 3, 3))
    for column, axis in enumerate(axes):
        for row, part in enumerate(axis):
            frame[:, row, column] = part
    return frame


@dataclass(frozen=True, eq=False)
class FreeMotion:
    """Something that flies: a drone, a tumbling body.

    centre (3,) m at time `meeting`; velocity (3,) m/s; swing (3,) m amplitude, `rates` (3,) rad/s;
    turned `start` about `axis` at first and `spin` rad/s after.
    """

    centre: np.ndarray
    velocity: np.ndarray
    swing: np.ndarray
    rates: np.ndarray
    axis: np.ndarray
    spin: float
    start: float = 0.0
    meeting: float = 0.0

    def travel(self, times: np.ndarray) -> np.ndarray:
        """Metres by the mean velocity."""
        return np.linalg.norm(self.velocity) * (times - self.meeting)

    def places(self, times: np.ndarray) -> np.ndarray:
        """(T, 4) x, y, z m of the body's middle, and 0 for its yaw."""
        since = (times - self.meeting)[:, None]
        place = self.centre + self.velocity * since + self.swing * np.sin(self.rates * since)
        return np.column_stack([place, np.zeros(len(place))])

    def poses(self, times: np.ndarray, lag: float = 0.0) -> np.ndarray:
        """(T, 4, 4) world_from_body; nothing trails behind, so `lag` changes nothing."""
        turn = rotations(self.axis, self.start + self.spin * (times - self.meeting))
        return rigid(turn, self.places(times)[:, :3])


@dataclass(frozen=True, eq=False)
class Joints:
    """How the K parts of a body hang together and swing.

    parents     (K,) index of the part it hangs on, -1 for the body's root; parents come first.
    pivots      (K, 3) m in the body's frame.  axes (K, 3) unit vectors.
    means, amplitudes, phases (K,) rad: angle = mean + amplitude sin(cycle + phase).
    slides      (K, 3) m, shift by slide sin(cycle + phase).
    per_metre, per_second   cycles a metre of travel and a second.
    """

    parents: np.ndarray
    pivots: np.ndarray
    axes: np.ndarray
    means: np.ndarray
    amplitudes: np.ndarray
    phases: np.ndarray
    slides: np.ndarray
    per_metre: float = 0.0
    per_second: float = 0.0

    def poses(self, roots: np.ndarray, times: np.ndarray, travel: np.ndarray) -> np.ndarray:
        """(T, K, 4, 4) world_from_part from the body's own poses `roots` (T, 4, 4)."""
        cycle = 2 * np.pi * (self.per_metre * travel + self.per_second * times)
        wave = np.sin(cycle[:, None] + self.phases)
        turn = rotations(self.axes, self.means + self.amplitudes * wave)
        shift = self.pivots - (turn @ self.pivots[..., None])[..., 0] + self.slides * wave[..., None]
        local = rigid(turn, shift)
        poses = np.empty_like(local)
        for part, parent in enumerate(self.parents):
            poses[:, part] = (roots if parent < 0 else poses[:, parent]) @ local[:, part]
        return poses
