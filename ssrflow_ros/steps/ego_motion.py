"""Ego-motion: how the sensor itself moved between the two sweeps of a pair.

Every way ends in an `EgoMotion` or in an `EgoMotionError` that says why not. Identity is never a
fallback: with it every wall would seem to move at the robot's own speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..errors import EgoMotionError
from ..settings import Settings
from ..sweep import EgoMotion, SweepPair
from ..transforms import rigid
from .scan_matching import ScanMatching

POSE_METHODS = ('odometry', 'tf')
"""The sources that others know, by messages: `SensorPoses`."""
_ORTHONORMAL = 1e-3  # float32 poses and rounded text files stay within it


class EgoMotionSource(Protocol):
    """Finds the sensor's own motion over a pair, for the pairs of one stream: it may remember the last ones.

    about  what it is, more or less, where something tells; one that does not search leaves it alone.
    Raises EgoMotionError where it does not know it, or cannot trust what it found.
    """

    def __call__(self, pair: SweepPair, about: EgoMotion | None = None) -> EgoMotion: ...


def make_ego_motion(settings: Settings) -> EgoMotionSource:
    """The source that `settings.ego_motion` names."""
    return SOURCES[settings.ego_motion](settings)


def given(target_from_source: np.ndarray, method: str = 'given') -> EgoMotion:
    """A known motion: (4, 4) rigid transform of source-frame points into the target's frame, metres."""
    try:
        transform = np.array(target_from_source, dtype=np.float64)
    except (TypeError, ValueError):
        raise EgoMotionError('the given motion is no matrix of numbers: give a 4x4 matrix') from None
    if transform.shape != (4, 4):
        raise EgoMotionError(f'the given motion has shape {transform.shape}: give a 4x4 matrix')
    if not np.isfinite(transform).all():
        raise EgoMotionError('the given motion holds NaN or inf: give a finite 4x4 matrix')
    rotation = transform[:3, :3]
    is_rigid = (
        np.allclose(rotation @ rotation.T, np.eye(3), atol=_ORTHONORMAL)
        and np.linalg.det(rotation) > 0
        and np.allclose(transform[3], (0, 0, 0, 1), atol=1e-6)
    )
    if not is_rigid:
        raise EgoMotionError(
            'the given motion is not rigid: give [R t; 0 0 0 1] with R a rotation, '
            'neither scaled nor mirrored, translation in the last column'
        )
    left, _, right = np.linalg.svd(rotation)
    transform[:3, :3] = left @ right  # rounding would otherwise scale far points
    transform[3] = 0, 0, 0, 1
    return EgoMotion(transform, method)


def from_poses(source_pose: np.ndarray, target_pose: np.ndarray, method: str = 'odometry') -> EgoMotion:
    """The motion between two poses (4, 4) of the sensor, world_from_sensor, at the sweeps' stamps."""
    source = given(source_pose, method).target_from_source
    target = given(target_pose, method).target_from_source
    # In float64 and by the difference of positions: UTM coordinates are millions of metres.
    back = target[:3, :3].T
    return given(rigid(back @ source[:3, :3], back @ (source[:3, 3] - target[:3, 3])), method)


def _standing_still(pair: SweepPair, about: EgoMotion | None = None) -> EgoMotion:
    return EgoMotion(np.eye(4), 'none')


def _missing(pair: SweepPair, about: EgoMotion | None = None) -> EgoMotion:
    raise EgoMotionError(
        "ego_motion is 'odometry' or 'tf' but no motion came with the pair: "
        "give the motion or the poses, or set ego_motion to 'scan_matching'"
    )


SOURCES: dict[str, Callable[[Settings], EgoMotionSource]] = {
    'scan_matching': ScanMatching,
    'odometry': lambda settings: _missing,
    'tf': lambda settings: _missing,
    'none': lambda settings: _standing_still,
}
"""By the values of the setting `ego_motion`; of those in `POSE_METHODS` the motion comes with the pair."""
