"""A robot on a curve, its LiDAR mounted off-centre and tilted, past walls that stand and a box that does not."""

import numpy as np
from scipy.spatial.transform import Rotation

SPEED, TURN_RATE = 8.0, 0.6  # m/s, rad/s of the robot
BOX_VELOCITY = np.array([3.0, -1.5, 0.5])  # m/s in the world
MOUNTING = '0.8 -0.4 1.5 0.12 0.35 -2.2'
BODY_FROM_SENSOR = np.eye(4)
BODY_FROM_SENSOR[:3, :3] = Rotation.from_euler('xyz', [0.12, 0.35, -2.2]).as_matrix()
BODY_FROM_SENSOR[:3, 3] = 0.8, -0.4, 1.5
FAR = np.array([4_500_000.0, 690_000.0, 120.0])
"""Where the world's origin lies, m, as in UTM coordinates."""


def world_from_body(t):
    """(4, 4) pose of the robot after `t` s."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('z', TURN_RATE * t).as_matrix()
    radius = SPEED / TURN_RATE
    pose[:3, 3] = FAR + (radius * np.sin(TURN_RATE * t), radius * (1 - np.cos(TURN_RATE * t)), 0.0)
    return pose


def world_from_sensor(t):
    """(4, 4) pose of the LiDAR after `t` s."""
    return world_from_body(t) @ BODY_FROM_SENSOR


_RANDOM = np.random.default_rng(5)
WALLS = FAR + np.concatenate(
    [
        np.column_stack([_RANDOM.uniform(-30, 40, 800), np.full(800, side), _RANDOM.uniform(0, 4, 800)])
        for side in (-9, 14)
    ]
)
BOX = FAR + (12.0, 3.0, 0.0) + _RANDOM.uniform(-1, 1, (200, 3))
STILL = np.arange(len(WALLS) + len(BOX)) < len(WALLS)


def sweep_at(t):
    """(N, 3) what the LiDAR sees at `t`, each row always the same point of the world; instantaneous."""
    world = np.concatenate([WALLS, BOX + BOX_VELOCITY * t])
    pose = world_from_sensor(t)
    return (world - pose[:3, 3]) @ pose[:3, :3]


def box_velocity_in_sensor(t):
    """(3,) m/s in the LiDAR's axes at `t`."""
    return world_from_sensor(t)[:3, :3].T @ BOX_VELOCITY


def assert_right(velocity, t, atol):
    """Every wall stands, and the box has its speed; `velocity` (N, 3) in the axes of the sensor at `t`."""
    np.testing.assert_allclose(velocity[STILL], 0.0, atol=atol)
    np.testing.assert_allclose(velocity[~STILL], np.broadcast_to(box_velocity_in_sensor(t), (len(BOX), 3)), atol=atol)
