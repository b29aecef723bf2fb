"""Objects in another frame than the sensor's."""

from __future__ import annotations

import dataclasses
from typing import Iterable

import numpy as np

from ..steps.conditioning import turned_object
from ..sweep import MovingObject


def in_frame(objects: Iterable[MovingObject], pose: np.ndarray) -> tuple[MovingObject, ...]:
    """`objects` given in a frame whose pose (4, 4) in another one is known, in the axes of that other one.

    Velocities stay those over the ground, as a world that stands still sees them: they are turned, and what moves the
    other frame is not added. A box stays upright: where the frames are tilted to each other it grows to hold the old.
    """
    turn, shift = pose[:3, :3], pose[:3, 3]
    return tuple(_in_frame(item, turn, shift) for item in objects)


def _in_frame(item: MovingObject, turn: np.ndarray, shift: np.ndarray) -> MovingObject:
    turned = turned_object(item, turn)
    size = np.abs(_about_z(turned.yaw).T @ turned.axes) @ item.size
    return dataclasses.replace(turned, centre=turned.centre + shift, size=size, tilted_axes=None)


def _about_z(yaw: float) -> np.ndarray:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
