"""How one frame lies in another over time, interpolated. No ROS."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..errors import EgoMotionError
from ..transforms import rigid

LONGEST_GAP_NS = 500_000_000
"""Between poses further apart than this nothing is interpolated."""
RESTART_NS = 1_000_000_000
"""A stamp further back than this means that time was set back (a bag began anew)."""


class Trajectory:
    """Poses by time, the newest `kept` of them; None keeps all. `name` is for messages.

    Where time was set back, a new run begins. A live stream (`kept`) forgets the one before; of a recording each is
    kept, and looked up by when it was recorded.
    """

    def __init__(self, name: str, kept: int | None):
        self._name, self._kept = name, kept
        self._runs = [_Run(kept)]

    def push(self, stamp_ns: int, position: np.ndarray, quaternion: np.ndarray, recorded_ns: int | None = None) -> None:
        """Note the pose at `stamp_ns`: position (3,) m, quaternion (4,) x y z w. One out of order is left out."""
        run = self._runs[-1]
        if run.stamps and stamp_ns < run.stamps[-1] - RESTART_NS:
            run = _Run(self._kept)
            self._runs = [*self._runs, run] if self._kept is None else [run]
        if not run.stamps or stamp_ns > run.stamps[-1]:
            run.stamps.append(stamp_ns)
            run.poses.append((position, quaternion))
            run.recorded.append(stamp_ns if recorded_ns is None else recorded_ns)

    def clear(self) -> None:
        """Forget every pose."""
        self._runs = [_Run(self._kept)]

    def reaches(self, stamp_ns: int) -> bool:
        """Whether there is a pose at `stamp_ns` or later."""
        stamps = self._runs[-1].stamps
        return bool(stamps) and stamps[-1] >= stamp_ns

    def at(self, stamp_ns: int, recorded_ns: int | None = None) -> np.ndarray:
        """(4, 4) pose at `stamp_ns`, in the run to which a message of that stamp belongs that was recorded then.

        EgoMotionError if that is not between two poses near each other.
        """
        run = self._runs[-1]
        if recorded_ns is not None and len(self._runs) > 1:
            run = min(self._runs, key=lambda run: run.away(stamp_ns, recorded_ns))
        stamps = run.stamps
        if not stamps:
            raise EgoMotionError(f'nothing is known of {self._name} since time began anew: check that it is published')
        if not stamps[0] <= stamp_ns <= stamps[-1]:
            before, after = (stamps[0] - stamp_ns) * 1e-9, (stamp_ns - stamps[-1]) * 1e-9
            where = f'{after:.3f} s after the newest' if after > 0 else f'{before:.3f} s before the oldest'
            raise EgoMotionError(
                f'the sweep lies {where} pose of {self._name}: check its rate, that both use one clock, and pose_wait'
            )
        after = bisect_left(stamps, stamp_ns)
        before = after if stamps[after] == stamp_ns else after - 1
        times = stamps[before], stamps[after]
        if times[1] - times[0] > LONGEST_GAP_NS:
            raise EgoMotionError(
                f'the poses of {self._name} have a gap of {(times[1] - times[0]) * 1e-9:.2f} s at '
                'the time of the sweep: publish them at 10 Hz or more'
            )
        share = (stamp_ns - times[0]) / max(1, times[1] - times[0])
        first, second = run.poses[before], run.poses[after]
        turn = Slerp([0.0, 1.0], Rotation.from_quat(np.stack([first[1], second[1]])))(share)
        return rigid(turn.as_matrix(), (1 - share) * first[0] + share * second[0])


class _Run:
    """Poses of rising stamps, ns, and when each was recorded, ns."""

    def __init__(self, kept: int | None):
        self.stamps: deque[int] = deque(maxlen=kept)
        self.recorded: deque[int] = deque(maxlen=kept)
        self.poses: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=kept)

    def away(self, stamp_ns: int, recorded_ns: int) -> int:
        """ns by which a message misses the run: in time of recording, and of stamps at about that time."""
        if not self.stamps:
            return 2**63
        near = min(bisect_left(self.recorded, recorded_ns), len(self.recorded) - 1)
        return abs(self.recorded[near] - recorded_ns) + abs(self.stamps[near] - stamp_ns)
