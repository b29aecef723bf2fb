"""Range image: how far a sweep saw in each direction, and so which space was free.

Light travels through free space only. What moves stands where the other sweep saw through, or has
left a place through which this sweep sees; what seems to move and did neither is mostly an accident of
sampling, or came into view from behind something. What is slow takes little space from sweep to sweep, and more since
half a second ago (`range_image_history.py`).
"""

from __future__ import annotations

import copy

import numpy as np

from ..kernels.range_image import cells_of, lies_beyond, nearest_about, nearest_beside, nearest_in_each
from ..kernels.returns import rows_of

_AZIMUTH, _ELEVATION = np.radians(0.7), np.radians(0.75)  # cells of an image
_ROWS, _COLUMNS = round(np.pi / _ELEVATION), round(2 * np.pi / _AZIMUTH)
_FRAME = 7  # cells in a row, among which what is nearest frames the one in the middle
_ABOUT = 3  # cells in rows and columns, of which the nearest return is taken for the middle one's
_FAR = 4.0  # m, beyond which it does not matter how far
_OWN_FRAME = np.eye(4)
_DEPTH, _DEPTH_SHARE = 0.3, 0.01  # m, and share of the range, by which a beam must have passed beyond


class RangeImage:
    """What a sensor saw from the origin: the nearest range in each direction."""

    def __init__(self, points: np.ndarray):
        """points (N, 3) of a whole sweep in its own frame, ground included, metres."""
        self._sensor_from_asked = _OWN_FRAME
        self._filtered: dict[tuple[int, int], np.ndarray] = {}  # made when asked for
        self._nearest = nearest_in_each(*self._cells(points), _ROWS, _COLUMNS)

    def in_frame(self, sensor_from_asked: np.ndarray) -> 'RangeImage':
        """The same image, to be asked about points of another frame, which the transform (4, 4) leads to the
        sensor's."""
        image = copy.copy(self)
        image._sensor_from_asked = sensor_from_asked
        return image

    def at(self, points: np.ndarray) -> 'RayQuery':
        """What it saw in the direction of each of the points (N, 3) m, to be asked."""
        return RayQuery(self, *self._cells(points))

    def nearest(self, rows: int, columns: int) -> np.ndarray:
        """The nearest range, m, in so many rows and columns about each cell; inf where nothing came back."""
        if rows == columns == 1:
            return self._nearest
        if (rows, columns) not in self._filtered:
            self._filtered[rows, columns] = nearest_about(self._nearest, _ROWS, _COLUMNS, rows, columns)
        return self._filtered[rows, columns]

    def _cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _cells(points, self._sensor_from_asked)


class RayQuery:
    """The rays to N points: the cell (N,) of a range image that each goes through, and its range (N,) m. Answers are
    (N,) bool."""

    def __init__(self, image: RangeImage, cell: np.ndarray, reach: np.ndarray):
        self._image, self._cell, self._reach = image, cell, reach

    def take(self, rows: np.ndarray) -> 'RayQuery':
        """Those of some rows (n,)."""
        return RayQuery(self._image, self._cell.take(rows), self._reach.take(rows))

    def is_free(self, about: bool = False) -> np.ndarray:
        """All returns from the direction of a point, or from `about` it, lay clearly beyond it."""
        nearest = self._image.nearest(_ABOUT, _ABOUT) if about else self._image.nearest(1, 1)
        return lies_beyond(nearest, self._cell, self._reach, np.float32(1 + _DEPTH_SHARE), np.float32(_DEPTH))

    def is_at_return(self) -> np.ndarray:
        """The nearest return from the direction of a point lay at about its range."""
        off = np.abs(self._nearest() - self._reach)
        return off <= self._reach * np.float32(_DEPTH_SHARE) + np.float32(_DEPTH)

    def is_known(self) -> np.ndarray:
        """Something came back from the direction of a point."""
        return self._nearest() < np.inf

    def is_hidden(self, by: float = _DEPTH) -> np.ndarray:
        """What is seen in the direction of a point is nearer than it by `by` m or more."""
        return self._nearest() < self._reach - np.float32(by)

    def is_beside_occluder(self) -> np.ndarray:
        """Beside a point, at about its height, something clearly nearer is seen."""
        nearest = nearest_beside(self._image.nearest(1, 1), self._cell, _COLUMNS, _FRAME)
        return nearest < self._reach * np.float32(1 - _DEPTH_SHARE) - np.float32(_DEPTH)

    def free_space_margin(self) -> np.ndarray:
        """(N, 2) float32 m, by which what is seen about the direction of a point, and right in it, lies beyond it,
        -4 to 4.

        Positive: beams went through its place, it was free. Negative: they ended before it, it was hidden. 0: they
        ended on it, or nothing came back and nothing is known. What is seen about it is surer, right in it finer.
        """
        seen = np.stack([self._nearest(_ABOUT, _ABOUT), self._nearest()], axis=1)
        return np.where(seen < np.inf, np.clip(seen - self._reach[:, None], -_FAR, _FAR), 0).astype(np.float32)

    def _nearest(self, rows: int = 1, columns: int = 1) -> np.ndarray:
        return self._image.nearest(rows, columns).take(self._cell)


def free_space(
    points: np.ndarray, target: np.ndarray, images: tuple[RangeImage, RangeImage, RangeImage]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`in_free_space`, `in_past_free_space` and `vacated_space` of a `PreparedPair`, of its points (n, 3), target
    (m, 3) m, and range images."""
    source, other, past = images
    return (
        other.at(points).is_free(),
        past.at(points).is_free(about=True),
        rows_of(target, np.flatnonzero(source.at(target).is_free())),
    )


def nearest_in_cells(points: np.ndarray) -> np.ndarray:
    """Rows of those of the points (N, 3) m whose range image, from the origin, is that of all."""
    cell, reach = _cells(points)
    order = np.lexsort((reach, cell))
    return order[np.flatnonzero(np.diff(cell[order], prepend=-1))]


def _cells(points: np.ndarray, transform: np.ndarray = _OWN_FRAME) -> tuple[np.ndarray, np.ndarray]:
    """Cell of each of the points (N, 3), led to the sensor's frame by the transform (4, 4), and range (N,) m."""
    points, transform = np.ascontiguousarray(points, np.float32), transform[:3].astype(np.float32)
    return cells_of(points, transform, _AZIMUTH, _ELEVATION, _ROWS, _COLUMNS)
