"""Range-image history: what the sensor saw half a second before, where its stream holds it.

From one sweep to the next a walker goes 0.1 m, and takes hardly any space that was seen to be free; in half a second
he has left all the place that he took. Of the last sweeps a range image is kept, the points that are not ground, and
where they were taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..sweep import EgoMotion, Sweep, SweepPair
from ..transforms import shared
from .range_image import RangeImage

_LONGEST = 0.55  # s before the target, up to which an image is of use: what is seen changes, and the poses' errors grow


class EarlierSweep(NamedTuple):
    """What is known of an earlier sweep: its range image, to be asked about points of the newest's frame, its points
    (p, 3) float32 m that are not ground, in that frame, and the seconds that it lies before the newest."""

    image: RangeImage
    points: np.ndarray
    age: float


_NO_POINTS = np.zeros((0, 3), np.float32)
_NOTHING = EarlierSweep(RangeImage(_NO_POINTS), _NO_POINTS, 0.0)


class _Kept(NamedTuple):
    """Of one sweep: its stamp, image, points (p, 3) float32 m in its own frame, and that frame from the newest's."""

    stamp_ns: int
    image: RangeImage
    points: np.ndarray
    into: np.ndarray


class RangeImageHistory:
    """The range images of one stream's last half second.

    It goes on where a pair's target is the newest sweep that it knows. Where sweeps between were left out, because the
    machine does not keep up, it goes on if it is told the motion over the pair that `between` names.
    """

    def __init__(self) -> None:
        self._seen: list[_Kept] = []
        self._newest: Sweep | None = None
        self._velocity = EgoMotion(np.eye(4), 'none'), -1.0  # motion over the last pair, and its seconds

    def between(self, pair: SweepPair, ego: EgoMotion) -> tuple[SweepPair, EgoMotion] | None:
        """From the pair's target to the newest sweep that is known, where these are two sweeps of one stream; and what
        the motion over that is, more or less: half of it at the velocity of the last pair, half at that of this one,
        of which `ego` is the motion."""
        target, newest = pair.target, self._newest
        if (
            pair.dt > 0
            or newest is None
            or target is newest
            or newest.frame_id != target.frame_id
            or not 0 < target.stamp_ns - newest.stamp_ns <= _LONGEST * 1e9
        ):
            return None
        left_out, (last, seconds) = SweepPair(target, newest), self._velocity
        before, after = (
            shared(motion.target_from_source, left_out.dt / 2 / dt) for motion, dt in ((last, seconds), (ego, pair.dt))
        )
        return left_out, EgoMotion(before @ after, 'none')

    def __call__(
        self,
        pair: SweepPair,
        ego: EgoMotion,
        images: tuple[RangeImage, RangeImage],
        clouds: tuple[np.ndarray, np.ndarray],
        onward: EgoMotion | None = None,
    ) -> EarlierSweep:
        """The oldest sweep before the target; it has seen nothing where there is none.

        images, clouds  of the source and of the target, each in its own frame; points (N, 3) m that are not ground.
        onward  the motion over the pair `between`, None where there is none or its motion is not known.
        """
        if pair.dt > 0:  # forwards in time: what is known lies between the two, or is of another stream
            self._seen, self._newest = [], None
            return _NOTHING
        if pair.target is self._newest:
            onward = EgoMotion(np.eye(4), 'none')
        seen = (
            []
            if onward is None
            else [
                kept._replace(into=kept.into @ onward.target_from_source)
                for kept in self._seen
                if pair.target.stamp_ns - kept.stamp_ns <= _LONGEST * 1e9
            ]
        )
        if pair.target is not self._newest:
            seen.append(_Kept(pair.target.stamp_ns, images[1], clouds[1], np.eye(4)))
        seen = [kept._replace(into=kept.into @ ego.target_from_source) for kept in seen]
        newest = _Kept(pair.source.stamp_ns, images[0], clouds[0], np.eye(4))
        self._seen, self._newest, self._velocity = [*seen, newest], pair.source, (ego, pair.dt)
        oldest = seen[0]
        if oldest.stamp_ns >= pair.target.stamp_ns:
            return _NOTHING
        points = EgoMotion(oldest.into, 'none').into_source(oldest.points)
        return EarlierSweep(oldest.image.in_frame(oldest.into), points, (newest.stamp_ns - oldest.stamp_ns) * 1e-9)
