"""Ground removal: which returns lie on the ground, so that only the rest is matched and clustered.

Two methods behind one call: `PolarGrid` is plain array code that runs wherever numpy does;
`Patchwork` wraps Patchwork++ (Lee et al., IROS 2022), which has no wheel for aarch64. The figures
of both, and what follows from them, are in docs/steps.md.
"""

from __future__ import annotations

from typing import Any, Callable, Protocol

import numpy as np

from ..errors import InputError
from ..kernels.plane import robust_plane
from ..kernels.returns import rows_of
from ..settings import Settings
from .polar_grid import PolarGrid, estimate_height

_ABOUT, _FEWEST, _ENOUGH = 20.0, 50, 3000  # m, within which the ground tells how it rises; returns of it
_TURNS, _DAMPING, _NOISE = 4, 0.05, 0.05  # of the fit; m² a return; m


class GroundRemoval(Protocol):
    """Tells the ground in the sweeps of one stream, to which it may adapt.

    points (N, 3) float32 m, in the sensor's frame, z up -> (N,) bool, True on the ground; all False where none is seen.
    """

    def __call__(self, points: np.ndarray) -> np.ndarray: ...


def make_ground(settings: Settings) -> GroundRemoval:
    """The ground removal that `settings.ground` names."""
    return METHODS[settings.ground](settings)


def rise(points: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(2,) m that the `ground` (N,) bool of points (N, 3) m rises with each metre along x, and along y, about the
    sensor; 0 if little is seen.

    What moves on it does so along it: a tilted sensor sees a level road as a slope.
    """
    rows = np.flatnonzero(ground)
    some = rows_of(points, rows[:: max(1, len(rows) // _ENOUGH)]).astype(float)
    near = some[np.hypot(some[:, 0], some[:, 1]) < _ABOUT]
    if len(near) < _FEWEST:
        return np.zeros(2)
    return robust_plane(near, _TURNS, _DAMPING, _NOISE)[:2]


def no_ground(points: np.ndarray) -> np.ndarray:
    """No point is ground: for sensors that fly or are strongly tilted."""
    return np.zeros(len(points), dtype=bool)


class Patchwork:
    """Patchwork++ from PyPI; it adapts to its sensor, so one object serves one stream.

    sensor_height  m above the ground; 0 estimates it from the first sweep.
    """

    def __init__(self, sensor_height: float = 0.0):
        try:
            import pypatchworkpp
        except ImportError:
            raise InputError(
                "ground 'patchwork' needs Patchwork++, which is not installed: "
                "pip install pypatchworkpp, or choose ground 'polar_grid'"
            ) from None
        self._library = pypatchworkpp
        self._estimator: Any = None
        self.sensor_height = sensor_height

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N,) bool; all False where no ground is to be seen."""
        if self._estimator is None:
            height = self.sensor_height or estimate_height(points)
            if height is None:
                return no_ground(points)
            parameters = self._library.Parameters()
            parameters.verbose = False
            parameters.enable_RNR = False  # the removal of reflections needs intensities
            parameters.sensor_height = height
            parameters.min_range = 0.5  # its 2.7 m is a car's; it would lose half of a robot's ground
            self._estimator = self._library.patchworkpp(parameters)
        self._estimator.estimateGround(np.ascontiguousarray(points[:, :3], dtype=np.float32))
        mask = no_ground(points)
        mask[self._estimator.getGroundIndices()] = True
        return mask


METHODS: dict[str, Callable[[Settings], GroundRemoval]] = {
    'polar_grid': lambda settings: PolarGrid(settings.sensor_height),
    'patchwork': lambda settings: Patchwork(settings.sensor_height),
    'none': lambda settings: no_ground,
}
"""By the values of the setting `ground`."""
