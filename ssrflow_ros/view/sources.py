"""Where the view's sweeps come from: a recording of clouds, or what `ssrflow bag` or the node made of one."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Iterable, Iterator

import numpy as np

from ..errors import InputError, SSRFlowError
from ..formats.bag_poses import RecordedPoses
from ..formats.bags import EGO_ODOMETRY, FLOW, OBJECTS, BagMessage, BagReader
from ..formats.object_cloud import OBJECT, read_objects
from ..formats.published import read_flow
from ..formats.stamped import stamp_ns
from ..pair_stream import PairStream
from ..prefetch import prefetch
from ..settings import Settings
from ..steps.ground import make_ground
from ..steps.prepared import PreparedPair
from ..stream import Stream
from ..sweep import FlowField
from ..transforms import pose_matrix

PUBLISHED = FLOW, OBJECTS, EGO_ODOMETRY


def is_annotated(bag: BagReader) -> bool:
    """Whether the recording holds flow already."""
    return FLOW in bag.topics


def estimated(
    messages: Iterable[BagMessage], stream: Stream, settings: Settings, poses: RecordedPoses | None
) -> Iterator[FlowField | str]:
    """The flow of each sweep of a recording; of a sweep that has none the reason."""
    pairs = PairStream(settings)
    reasons: deque[str] = deque()  # of the sweeps that have no pair; the next one is prepared before they are asked for

    def prepare(recorded: BagMessage) -> PreparedPair | None:
        sweep, pair = pairs.push(recorded.read())
        if poses is not None:
            poses.note(sweep, recorded.time_ns)
        if pair is None:
            reasons.append(pairs.pairing.reason)
            return None
        return stream.prepare(pair, None if poses is None else poses.between(pair))

    for _, future in prefetch(prepare, messages):
        try:
            prepared = future.result()
            yield reasons.popleft() if prepared is None else stream.estimate(prepared)
        except SSRFlowError as error:
            yield str(error)


def published(messages: Iterable[BagMessage], settings: Settings) -> Iterator[FlowField | str]:
    """The flow of each sweep out of the topics of PUBLISHED, in the order in which they were recorded."""
    joined = Joined(settings)
    for recorded in messages:
        try:
            flow = joined.push(recorded.topic, recorded.read())
        except InputError as error:
            yield str(error)
            continue
        if flow is not None:
            yield flow
    yield from joined.rest()


class Joined:
    """Puts together by their stamps what is published of one sweep on several topics, of rclpy or of rosbags.

    A sweep is complete with its cloud, its objects and its motion, or when another cloud comes.
    """

    def __init__(self, settings: Settings):
        self._ground: Callable[[np.ndarray], np.ndarray] = make_ground(settings)
        self._waiting: dict[str, Any] = {}
        self._stamp = 0
        self._before = 0  # stamp of the last sweep

    def push(self, topic: str, message: Any) -> FlowField | None:
        """A message of one of PUBLISHED; a sweep that is complete now. InputError for one that is none of ours."""
        if stamp_ns(message) != self._stamp:
            done = self._take()
            self._stamp = stamp_ns(message)
            self._waiting[topic] = message
            return done
        self._waiting[topic] = message
        return self._take() if len(self._waiting) == len(PUBLISHED) else None

    def rest(self) -> Iterator[FlowField]:
        """What waits for more."""
        flow = self._take()
        if flow is not None:
            yield flow

    def _take(self) -> FlowField | None:
        waiting, self._waiting = self._waiting, {}
        if FLOW not in waiting:
            return None
        objects = read_objects(waiting[OBJECTS]) if OBJECTS in waiting else np.empty(0, OBJECT)
        before, self._before = self._before, self._stamp
        dt = (before - self._stamp) * 1e-9 if before else -0.1
        motion = waiting.get(EGO_ODOMETRY)
        return read_flow(waiting[FLOW], objects, self._ground, dt, None if motion is None else _pose(motion))


def _pose(odometry: Any) -> np.ndarray:
    """(4, 4)."""
    place, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    return pose_matrix((place.x, place.y, place.z), (turn.w, turn.x, turn.y, turn.z))
