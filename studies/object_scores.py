"""Scores of moving objects: which true movers are found, which objects are true, how far off they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ssrflow_ros.simulator import CLASSES
from ssrflow_ros.sweep import FlowField, MovingObject

DYNAMIC = 0.5  # m/s, the published 0.05 m over 0.1 s
SLOWEST_TRUE = 0.25  # m/s; an object that moves slower than DYNAMIC but faster than this is no false one
_FEWEST = 8  # points that a mover must show to be looked for
COVERED = 0.25  # share of a mover's points that must lie in objects of its own
_HEADED = 1.5  # m/s, from which the heading is scored
_FOREGROUND = CLASSES.index('car')


@dataclass(frozen=True, eq=False)
class Labels:
    """The truth about the N points of a pair's source.

    motion  (N, 3) m until the target, ego-motion removed.   scored (N,) bool: labelled, and not ground.
    owner   (N,) int, number of the mover, -1 for none or unknown.   kinds (N,) its class_id, or None.
    boxes   (K, 7) as in LabelledSweep, row = owner, or None.
    """

    motion: np.ndarray
    scored: np.ndarray
    owner: np.ndarray
    kinds: np.ndarray | None = None
    boxes: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Mover:
    """A true mover as far as it can be seen: `rows` of its points; velocity(place) by its rigid motion."""

    rows: np.ndarray
    middle: np.ndarray
    motion: np.ndarray  # (4,) m/s at `middle`, and rad/s about the vertical
    kind: str

    def velocity(self, place: np.ndarray) -> np.ndarray:
        dx, dy = (place - self.middle)[:2]
        vx, vy, vz, turn = self.motion
        return np.array([vx - turn * dy, vy + turn * dx, vz])

    @property
    def speed(self) -> float:
        return float(np.linalg.norm(self.motion[:3]))

    @property
    def range(self) -> float:
        return float(np.linalg.norm(self.middle[:2]))


def true_movers(points: np.ndarray, labels: Labels, dt: float) -> dict[int, Mover]:
    """Movers by number, those with too few points left out."""
    movers = {}
    for number in np.unique(labels.owner[labels.owner >= 0]):
        rows = np.flatnonzero((labels.owner == number) & labels.scored)
        if len(rows) < _FEWEST:
            continue
        kind = 'labelled' if labels.kinds is None else CLASSES[labels.kinds[rows[0]]]
        middle = points[rows].mean(axis=0).astype(float)
        dx, dy = (points[rows] - middle)[:, :2].T
        mean = labels.motion[rows].mean(axis=0) / dt
        vx, vy = labels.motion[rows, :2].T / dt
        # Limbs swing and a pole's turn cannot be seen: the turn is fitted as far as the extent carries it.
        turn = (dx * (vy - mean[1]) - dy * (vx - mean[0])).sum() / ((dx**2 + dy**2).sum() + 0.05 * len(rows))
        movers[int(number)] = Mover(rows, middle, np.array([*mean, turn]), kind)
    return movers


class LookedFor(NamedTuple):
    """A true mover: its kind, m away, m/s, and whether it was found."""

    kind: str
    range: float
    speed: float
    found: bool


@dataclass
class Tally:
    """What is counted over many pairs."""

    pairs: int = 0
    refused: int = 0
    moving: dict[str, np.ndarray] = field(default_factory=dict)
    three_way: dict[str, list] = field(default_factory=dict)
    looked_for: list[LookedFor] = field(default_factory=list)  # each true mover
    claimed: list = field(default_factory=list)  # (range, kind or None if false) of each object
    errors: list = field(default_factory=list)  # dict of each object that belongs to a mover
    tracks: Counter = field(default_factory=Counter)

    def add(self, flow: FlowField, labels: Labels, known: dict[int, int]) -> None:
        """`known`: track_id that each mover bore last; it is kept up to date."""
        self.pairs += 1
        points, dt, scored = flow.pair.source.points, flow.pair.dt, labels.scored
        speed = np.linalg.norm(labels.motion, axis=1) / abs(dt)
        dynamic = speed >= DYNAMIC
        foreground = dynamic if labels.kinds is None else (labels.kinds >= _FOREGROUND) | dynamic
        raw = flow.velocity if flow.network_velocity is None else flow.network_velocity
        answers = {
            'network': (raw, np.linalg.norm(raw, axis=1) >= DYNAMIC),
            'refined': (flow.velocity, flow.moving),
            'zero': (np.zeros_like(raw), np.zeros_like(dynamic)),
        }
        for name, (velocity, moving) in answers.items():
            hit = np.array(
                [
                    (moving & dynamic & scored).sum(),
                    (moving & ~dynamic & scored).sum(),
                    (~moving & dynamic & scored).sum(),
                ]
            )
            self.moving[name] = self.moving.get(name, 0) + hit
            error = 0.1 * np.linalg.norm(velocity - labels.motion / dt, axis=1)
            parts = [error[scored & mask] for mask in (foreground & dynamic, foreground & ~dynamic, ~foreground)]
            self.three_way.setdefault(name, []).append([(part.sum(), len(part)) for part in parts])
        self._add_objects(flow, labels, true_movers(points, labels, dt), known)

    def _add_objects(self, flow: FlowField, labels: Labels, movers: dict[int, Mover], known: dict[int, int]) -> None:
        covered: Counter[int] = Counter()
        best: dict[int, tuple[int, int]] = {}
        for item in flow.objects:
            rows = np.flatnonzero(flow.object_ids == item.id)
            rows = rows[labels.scored[rows]]
            reach = float(np.linalg.norm(item.centre[:2]))
            if not len(rows):
                continue  # nothing of it is labelled
            owners, counts = np.unique(labels.owner[rows], return_counts=True)
            owner = int(owners[np.argmax(counts)])
            mover = movers.get(owner)
            true_speed = np.linalg.norm(labels.motion[rows].mean(axis=0)) / abs(flow.pair.dt)
            if owner < 0 or 2 * counts.max() < len(rows) or true_speed < SLOWEST_TRUE:
                self.claimed.append((reach, None))
                continue
            self.claimed.append((reach, CLASSES[labels.kinds[rows[0]]] if labels.kinds is not None else 'labelled'))
            covered[owner] += int(counts.max())
            if mover is not None:
                self.errors.append(_errors(item, mover, labels, owner))
                if counts.max() > best.get(owner, (0, 0))[0]:
                    best[owner] = (int(counts.max()), item.track_id)
        for owner, mover in movers.items():
            if mover.speed >= DYNAMIC:
                is_found = covered[owner] >= COVERED * len(mover.rows)
                self.looked_for.append(LookedFor(mover.kind, mover.range, mover.speed, is_found))
        for owner, (_, track_id) in best.items():
            if owner in known:
                self.tracks['kept' if known[owner] == track_id else 'changed'] += 1
            known[owner] = track_id


def _errors(item: MovingObject, mover: Mover, labels: Labels, owner: int) -> dict[str, float]:
    velocity = mover.velocity(item.centre)
    error = item.velocity - velocity
    row = {
        'speed': mover.speed,
        'range': mover.range,
        'kind': mover.kind,
        'n': item.n_points,
        'velocity': np.linalg.norm(error),
        'level_velocity': np.linalg.norm(error[:2]),
        'zero': np.linalg.norm(velocity),
        'velocity_nees': error @ np.linalg.solve(item.velocity_covariance, error) / 3,
        'turn_nees': (item.yaw_rate - mover.motion[3]) ** 2 / item.yaw_rate_variance,
        'turn': abs(item.yaw_rate - mover.motion[3]),
        'age': item.age,
    }
    if mover.speed >= _HEADED:
        ahead = np.arctan2(velocity[1], velocity[0])
        row['heading'] = abs(np.degrees(_wrapped(np.arctan2(item.velocity[1], item.velocity[0]) - ahead)))
    if labels.boxes is not None:
        off = item.centre - labels.boxes[owner, :3]
        row['position'] = np.linalg.norm(off[:2])
        row['position_nees'] = off @ np.linalg.solve(item.position_covariance, off) / 3
        row['off'] = off
    return row


def _wrapped(angle: float) -> float:
    return (angle + np.pi) % (2 * np.pi) - np.pi
