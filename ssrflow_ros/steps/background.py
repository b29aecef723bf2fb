"""Background: what a sensor that stands sees where nobody is, learnt over minutes.

Of what is slow, half a second ago tells little: it stands where it stood. Of a place that was free for nine tenths of
the last minutes it is known that whoever is there now has come.
"""

from __future__ import annotations

import numpy as np

from .range_image import RangeImage

_FIRST, _LONGEST = 0.5, 4.0  # s between two sweeps that are kept, at first, and at most
_KEPT, _LEAST = 48, 12  # sweeps, at most, and before anything is said
_SHARE = 0.1  # of the sweeps, in which nearer returns do not count
_PARTS = 24  # of the image, of which each sweep brings one up to date


class Background:
    """The nearest range in each direction that is usual there, of one sensor that does not move.

    Who comes to stay becomes background after a tenth of the time that is kept: 3 minutes, once they are over.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._interval = _FIRST
        self._seen: list[tuple[int, np.ndarray]] = []  # stamp and ranges
        self._usual: np.ndarray | None = None
        self._part = 0

    def __call__(self, image: RangeImage, past: RangeImage, stamp_ns: int) -> RangeImage:
        """Where the sensor sees through when nobody is there; where that is not known, what `past` saw.

        image  of the sweep at `stamp_ns`, of which it learns.
        """
        newest = self._seen[-1][0] if self._seen else None
        if newest is not None and stamp_ns < newest:  # a recording begins anew
            self._begin()
            newest = None
        if newest is None or stamp_ns - newest >= self._interval * 1e9:
            self._keep(stamp_ns, image.nearest(1, 1))
        elif self._usual is not None:
            self._renew(self._part)
            self._part = (self._part + 1) % _PARTS
        if self._usual is None:
            return past
        before = past.nearest(1, 1)
        return image.with_ranges(np.where(self._usual < np.inf, self._usual, before))

    def _keep(self, stamp_ns: int, ranges: np.ndarray) -> None:
        self._seen.append((stamp_ns, ranges))
        if len(self._seen) > _KEPT:
            if self._interval < _LONGEST:
                self._interval *= 2
                self._seen = self._seen[::-2][::-1]
            else:
                self._seen = self._seen[1:]
        if self._usual is None and len(self._seen) >= _LEAST:
            self._usual = np.full(len(ranges), np.inf, np.float32)
            for part in range(_PARTS):
                self._renew(part)

    def _renew(self, part: int) -> None:
        """Find again what is usual in one part of the image."""
        assert self._usual is not None
        cells = slice(part * len(self._usual) // _PARTS, (part + 1) * len(self._usual) // _PARTS)
        ranges = np.stack([seen[cells] for _, seen in self._seen])
        rank = int(_SHARE * len(ranges))
        self._usual[cells] = np.partition(ranges, rank, axis=0)[rank]
