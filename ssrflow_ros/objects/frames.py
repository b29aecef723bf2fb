"""Objects in another frame than the sensor's."""

from __future__ import annotations

import dataclasses
from typing import Iterable

import numpy as np

from ..sweep import MovingObject


def in_frame(objects: Iterable[MovingObject], pose: np.ndarray) -> tuple[MovingObject, ...]:
    """`objects` given in a frame whose pose (4, 4) in another one is known, in the axes of that other one.

    Velocities stay those over the ground, as a world that stands still sees them: they are turned, and what moves the
    other frame is not added. A box stays upright: where the frames are tilted to each other it grows to hold the old.
    """
    turn, shift = pose[:3, :3], pose[:3, 3]
    return tuple(_in_frame(item, turn, shift) for item in objects)


def _in_frame(item: MovingObject, turn: np.ndarray, shift: np.ndarray) -> MovingObject:
    axes = turn @ _about_z(item.yaw)  # columns: length, width and height of the box
    yaw = float(np.arctan2(axes[1, 0], axes[0, 0]))
    return dataclasses.replace(
        item,
        centre=turn @ item.centre + shift,
        size=np.abs(_about_z(yaw).T @ axes) @ item.size,
        yaw=yaw,
        velocity=turn @ item.velocity,
        yaw_rate=float(turn[2, 2] * item.yaw_rate),
        position_covariance=turn @ item.position_covariance @ turn.T,
        velocity_covariance=turn @ item.velocity_covariance @ turn.T,
    )


def _about_z(yaw: float) -> np.ndarray:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
