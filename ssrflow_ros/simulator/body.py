"""What a body is, and what its builders share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np

from .motion import Joints
from .shapes import Mesh, join, tubes

GLASS = 0.01
"""Reflectivity of a pane through which the laser sees what lies behind."""
TINTED = 0.015
"""Reflectivity of a pane that swallows or mirrors away nearly all of its light."""


@dataclass(frozen=True, eq=False)
class Body:
    """Rigid parts of one thing.

    kind    name in CLASSES.  parts: one mesh each.
    radius  m, of the circle on the ground that it needs.
    joints  how the parts swing, or None.
    lags    (K,) m that each part follows behind on the path (trailers), or None.
    """

    kind: str
    parts: tuple[Mesh, ...]
    radius: float
    joints: Joints | None = None
    lags: tuple[float, ...] | None = None

    def at_rest(self) -> Mesh:
        """All parts as one mesh, as they hang at rest."""
        return join(part.moved(x=-lag) for part, lag in zip(self.parts, self.lags or (0.0,) * len(self.parts)))


def make_body(
    kind: str, parts: Iterable[Mesh], radius: float, joints: Joints | None = None, lags: tuple[float, ...] | None = None
) -> Body:
    return Body(kind, tuple(part.named(kind) for part in parts), radius, joints, lags)


def random_paint(rng: np.random.Generator) -> float:
    """Car paint: mostly bright, sometimes nearly black to the laser."""
    return float(rng.choice([rng.uniform(0.2, 0.9), rng.uniform(0.015, 0.06)], p=[0.85, 0.15]))


def make_wheels(xs: Iterable[float], half_track: float, radius: float, width: float = 0.22) -> Mesh:
    centres = np.array([[x, side * half_track, radius] for x in xs for side in (1, -1)])
    shift = np.array([0, width / 2, 0])
    return tubes(centres - shift, centres + shift, radius, rho=0.08, sides=12)


def make_joints(rows: Sequence[tuple], per_metre: float = 0.0, per_second: float = 0.0) -> Joints:
    """From rows of (parent, pivot, mean, amplitude, phase); all turn about the body's y axis."""
    parents, pivots, means, amplitudes, phases = zip(*rows)
    count = len(rows)
    return Joints(
        np.array(parents),
        np.array(pivots, float),
        np.tile([0.0, 1.0, 0.0], (count, 1)),
        np.array(means, float),
        np.array(amplitudes, float),
        np.array(phases, float),
        np.zeros((count, 3)),
        per_metre,
        per_second,
    )
