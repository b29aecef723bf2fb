"""Small made-up worlds as a sensor at the origin sees them, for the tests of moving objects."""

import numpy as np

from ssrflow_ros.sweep import EgoMotion, Sweep, SweepPair


def patch(x, y, width, height=2.0, step=0.05):
    """An upright patch that faces the sensor: centre (x, y), metres."""
    across, up = np.meshgrid(np.arange(-width / 2, width / 2, step), np.arange(-height / 2, height / 2, step))
    return np.stack([np.full(across.size, x), y + across.ravel(), up.ravel()], 1)


def box(centre, size, yaw=0.0, step=0.08):
    """The points of an upright box's sides that the sensor sees."""
    parts = []
    for axis in (0, 1):
        for side in (-0.5, 0.5):
            along, up = np.meshgrid(np.arange(-0.5, 0.5, step / size[1 - axis]), np.arange(-0.5, 0.5, step / size[2]))
            face = np.empty((along.size, 3))
            face[:, axis], face[:, 1 - axis], face[:, 2] = side, along.ravel(), up.ravel()
            normal = np.zeros(3)
            normal[axis] = np.sign(side)
            parts.append((face * size, normal))
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    placed = [(points @ turn.T + centre, turn @ normal) for points, normal in parts]
    return np.concatenate([points for points, normal in placed if normal @ points.mean(axis=0) < 0])


def seen(*things):
    """Of all `things` (n, 3) what the sensor sees: in each direction the nearest."""
    points = np.concatenate(things)
    column = np.round(np.degrees(np.arctan2(points[:, 1], points[:, 0])) / 0.25).astype(int)
    row = np.round(np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))) / 0.5).astype(int)
    reach = np.linalg.norm(points, axis=1)
    order = np.lexsort((reach, row, column))
    first = np.r_[True, (np.diff(column[order]) != 0) | (np.diff(row[order]) != 0)]
    return points[np.sort(order[first])].astype(np.float32)


def pair_of(source, target, dt=-0.1, stamp_ns=10_000_000_000, shift=(0.0, 0.0, 0.0)):
    """The pair, and the sensor's motion `shift` m (of the static world, from source's frame to target's)."""
    motion = np.eye(4)
    motion[:3, 3] = shift
    pair = SweepPair(
        Sweep.from_points(source, stamp_ns, 'lidar'),
        Sweep.from_points(target + np.float32(shift), stamp_ns + round(dt * 1e9), 'lidar'),
    )
    return pair, EgoMotion(motion, 'given')
