"""Flow labels from tracked boxes: what is inside a box moves with it, all else stands in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from ..transforms import invert, transformed
from .labelled_pair import BACKGROUND

_LOOSE = 0.2
"""Metres added to length and width, as the published labels do: boxes are a little too tight."""


@dataclass(frozen=True, eq=False)
class Box:
    """pose (4, 4): from the box's frame (x along its length) into the sweep's; size (3,) m; index into CATEGORIES."""

    pose: np.ndarray
    size: np.ndarray
    category: int

    def holds(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool."""
        local = transformed(points, invert(self.pose))
        return (np.abs(local) <= (self.size + (_LOOSE, _LOOSE, 0)) / 2).all(axis=1)


def flow_of_boxes(
    points: np.ndarray, boxes: Mapping[str, Box], later: Mapping[str, Box], target_from_source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Flow (N, 3) m, the sensor's motion included, and category (N,) of `points` (N, 3) in the source frame.

    boxes, later  the boxes by track, in the frames of source and target. A point in a box whose track ends has nan.
    """
    flow = transformed(points, target_from_source - np.eye(4))
    category = np.full(len(points), BACKGROUND, np.int8)
    for track, box in boxes.items():
        inside = box.holds(points)
        category[inside] = box.category
        if track in later:
            flow[inside] = transformed(points[inside], later[track].pose @ invert(box.pose) - np.eye(4))
        else:
            flow[inside] = np.nan
    return flow, category
