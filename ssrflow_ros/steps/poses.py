"""The sensor's pose from what others know: odometry of any frame of the robot, or tf. No ROS.

Frames are nodes of a graph, and whatever says how one lies in another is an edge: odometry, moving or
static transforms, the parameter `mounting`. The sensor's pose is the way from its frame to the fixed one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import EgoMotionError
from ..settings import Settings, pose_numbers
from ..sweep import EgoMotion, SweepPair
from ..transforms import rigid
from .ego_motion import from_poses
from .trajectory import LONGEST_GAP_NS, Trajectory

KEPT = 2000
"""Poses of each edge that a live node keeps: ten seconds at 200 Hz."""
ODOMETRY = 'odometry'
"""Our name of the frame in which odometry is given; what it is called there does not matter."""


_Way = list[tuple[tuple[str, str], bool]]
"""Edges, each with whether it is walked from child to parent."""


class SensorPoses:
    """Finds the ego-motion of a pair; may be filled by one thread and asked by another.

    Reads `ego_motion`, `fixed_frame`, `mounting` and `base_frame` of the settings. Keeps the last `kept`
    poses of each edge; None keeps all, for a recording.
    """

    def __init__(self, settings: Settings, kept: int | None = KEPT):
        self._method = settings.ego_motion
        self._fixed = ODOMETRY if self._method == 'odometry' else settings.fixed_frame
        self._mounting = parse_pose('mounting', settings.mounting)
        self._base = settings.base_frame.strip('/')
        self._kept = kept
        self._edges: dict[tuple[str, str], Trajectory | np.ndarray] = {}
        self._left_out: dict[tuple[str, str], _LeftOut] = {}
        self._child: str | None = None
        self._arrived = threading.Condition()

    def push_odometry(
        self, child: str, stamp_ns: int, position: np.ndarray, quaternion: np.ndarray, recorded_ns: int | None = None
    ) -> None:
        """Note where the frame `child` was; '' stands for the sensor's own frame."""
        self._child = child.strip('/')
        self.push(ODOMETRY, self._child, stamp_ns, position, quaternion, recorded_ns)

    def push(
        self,
        parent: str,
        child: str,
        stamp_ns: int | None,
        position: np.ndarray,
        quaternion: np.ndarray,
        recorded_ns: int | None = None,
    ) -> None:
        """Note how `child` lies in `parent` at `stamp_ns`, or always (None): (3,) m and (4,) x y z w.

        recorded_ns  when that was recorded, of a recording. What is not finite or has no rotation is left out.
        """
        position, quaternion = np.asarray(position, float), np.asarray(quaternion, float)
        key = parent.strip('/'), child.strip('/')
        fault = _fault(position, quaternion)
        with self._arrived:
            if fault:
                self._left_out.setdefault(key, _LeftOut()).note(stamp_ns, fault)
                return
            if stamp_ns is None:
                self._edges[key] = rigid(Rotation.from_quat(quaternion).as_matrix(), position)
            else:
                edge = self._edges.get(key)
                if not isinstance(edge, Trajectory):
                    edge = self._edges[key] = Trajectory(f"'{key[1]}' in '{key[0]}'", self._kept)
                edge.push(stamp_ns, position, quaternion, recorded_ns)
            self._arrived.notify_all()

    def forget(self) -> None:
        """Forget all but what never changes."""
        with self._arrived:
            self._edges = {key: edge for key, edge in self._edges.items() if not isinstance(edge, Trajectory)}

    def between(self, pair: SweepPair, wait: float = 0.0, recorded_ns: int | None = None) -> EgoMotion:
        """The sensor's motion over `pair`; waits up to `wait` s for poses that reach the later sweep.

        recorded_ns  when the source was recorded, of a recording: in one that loops stamps come more than once.

        EgoMotionError if the frames are not connected or the stamps are not covered.
        """
        stamps = [sweep.stamp_ns for sweep in (pair.source, pair.target)]
        source, target = self._at(pair.source.frame_id, stamps, wait, recorded_ns)
        return from_poses(source, target, self._method)

    def at(self, frame: str, stamp_ns: int, wait: float = 0.0) -> np.ndarray:
        """(4, 4) pose of the sensor's `frame` in the fixed one; waits and fails as `between`."""
        return self._at(frame, [stamp_ns], wait, None)[0]

    def mounting_of(self, frame: str) -> np.ndarray | None:
        """(4, 4) pose of the sensor's `frame` in `base_frame` by what never changes; None where that does not tell."""
        with self._arrived:
            fixed = [key for key, edge in self._edges.items() if isinstance(edge, np.ndarray)]
            way = _way(frame.strip('/'), self._base, fixed)
            return self._pose(way, 0, None) if way else None

    def _at(self, frame: str, stamps_ns: list[int], wait: float, recorded_ns: int | None) -> list[np.ndarray]:
        frame = frame.strip('/')
        with self._arrived:
            self._arrived.wait_for(lambda: self._reaches(frame, max(stamps_ns)), wait)
            self._mount(frame)
            way = _way(frame, self._fixed, self._edges)
            try:
                if way is None:
                    raise EgoMotionError(self._why_not(frame))
                return [self._pose(way, stamp_ns, recorded_ns) for stamp_ns in stamps_ns]
            except EgoMotionError as error:
                raise EgoMotionError(self._with_what_was_left_out(str(error), stamps_ns)) from None

    def _mount(self, frame: str) -> None:
        """The edge from the odometry's frame to the sensor's, where `mounting` or an unnamed child gives it."""
        if self._child is not None and self._child != frame:
            if self._mounting is not None:
                self._edges[self._child, frame] = self._mounting
            elif not self._child:
                self._edges['', frame] = np.eye(4)

    def _reaches(self, frame: str, stamp_ns: int) -> bool:
        self._mount(frame)
        way = _way(frame, self._fixed, self._edges)
        edges = [self._edges[key] for key, _ in way] if way is not None else None
        return edges is not None and all(edge.reaches(stamp_ns) for edge in edges if isinstance(edge, Trajectory))

    def _pose(self, way: _Way, stamp_ns: int, recorded_ns: int | None) -> np.ndarray:
        """(4, 4) pose, at `stamp_ns`, of the frame where the way begins in that where it ends."""
        pose = np.eye(4)
        for key, upwards in way:
            edge = self._edges[key]
            step = edge.at(stamp_ns, recorded_ns) if isinstance(edge, Trajectory) else edge
            pose = (step if upwards else np.linalg.inv(step)) @ pose
        return pose

    def _with_what_was_left_out(self, cause: str, stamps_ns: list[int]) -> str:
        for (parent, child), left_out in self._left_out.items():
            said = (
                f"{left_out.count} pose{'s' * (left_out.count > 1)} of '{child}' in '{parent}' left out, the last "
                f'because its {left_out.fault}: let who publishes them fill them in'
            )
            if (parent, child) not in self._edges:
                return said  # where there is none else, this is the cause
            if any(map(left_out.bears_on, stamps_ns)):
                return f'{cause}; {said}'
        return cause

    def _why_not(self, frame: str) -> str:
        if self._method == 'odometry' and self._child is None:
            return 'no odometry has arrived: check the topic `odometry`, or set ego_motion to scan_matching'
        known = ', '.join(sorted({name for key in self._edges for name in key})) or 'none'
        if self._method == 'odometry':
            return (
                f"the odometry is of '{self._child}', the clouds are in '{frame}', and nothing says how they lie "
                f'to each other (frames known: {known}): publish it on /tf_static, or set mounting'
            )
        return (
            f"tf has no way from '{frame}' to '{self._fixed}' (frames known: {known}): check fixed_frame and "
            'who publishes /tf'
        )


class _LeftOut:
    """Poses of an edge that are none: how many, the fault of the last one, and the times of the first and the last."""

    def __init__(self) -> None:
        self.count, self.fault = 0, ''
        self._stamps: list[int] = []

    def note(self, stamp_ns: int | None, fault: str) -> None:
        """One more; None where it is of all times."""
        self.count, self.fault = self.count + 1, fault
        if stamp_ns is not None:
            self._stamps = [min([*self._stamps, stamp_ns]), max([*self._stamps, stamp_ns])]

    def bears_on(self, stamp_ns: int) -> bool:
        """Whether a pose is missing at that time because of them."""
        first, last = self._stamps or (stamp_ns, stamp_ns)
        return first - LONGEST_GAP_NS <= stamp_ns <= last + LONGEST_GAP_NS


def _way(frame: str, goal: str, edges: Collection[tuple[str, str]]) -> _Way | None:
    """The shortest way from `frame` to `goal` over `edges`, parent and child; None if there is none."""
    ways: dict[str, _Way] = {frame: []}
    queue = deque([frame])
    while queue and goal not in ways:
        at = queue.popleft()
        for key in edges:
            parent, child = key
            to = parent if child == at else child if parent == at else None
            if to is not None and to not in ways:
                ways[to] = [*ways[at], (key, child == at)]
                queue.append(to)
    return ways.get(goal)


def _fault(position: np.ndarray, quaternion: np.ndarray) -> str:
    """Why it is no pose, '' if it is one."""
    if not np.isfinite(position).all():
        return f'position is ({", ".join(f"{value:g}" for value in position)})'
    with np.errstate(over='ignore'):
        length = np.linalg.norm(quaternion)
    if not np.isfinite(length) or length <= 1e-6:
        return f'quaternion is ({", ".join(f"{value:g}" for value in quaternion)}), which is no rotation'
    return ''


def parse_pose(name: str, text: str) -> np.ndarray | None:
    """(4, 4) pose of 'x y z roll pitch yaw' (m, rad, turned about fixed axes in that order); None if empty."""
    numbers = pose_numbers(name, text)
    if not numbers:
        return None
    return rigid(Rotation.from_euler('xyz', numbers[3:]).as_matrix(), np.array(numbers[:3]))
