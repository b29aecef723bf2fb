"""Where the view's sweeps come from: a recording of clouds, or what `ssrflow bag` or the node made of one."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Collection, Iterable, Iterator

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
_WAITING = 3  # sweeps of which something may be missing yet


def is_annotated(bag: BagReader) -> bool:
    """Whether the recording holds flow already."""
    return FLOW in bag.topics


def estimated(
    messages: Iterable[BagMessage], stream: Stream, settings: Settings, poses: RecordedPoses
) -> Iterator[FlowField | str]:
    """The flow of each sweep of a recording; of a sweep that has none the reason."""
    pairs = PairStream(settings)
    reasons: deque[str] = deque()  # of the sweeps that have no pair; later ones are prepared before they are asked for

    def prepare(recorded: BagMessage) -> PreparedPair | None:
        sweep, pair = pairs.push(recorded.read())
        poses.note(sweep, recorded.time_ns)
        if pair is None:
            reasons.append(pairs.pairing.reason)
            return None
        return stream.prepare(pair, poses.between(pair))

    def infer(prepared: PreparedPair | None) -> PreparedPair | None:
        return None if prepared is None else stream.infer(prepared)

    for _, future in prefetch(prepare, infer, messages):
        try:
            inferred = future.result()
            yield reasons.popleft() if inferred is None else stream.detect(inferred)
        except SSRFlowError as error:
            yield str(error)


def published(messages: Iterable[BagMessage], topics: Collection[str], settings: Settings) -> Iterator[FlowField | str]:
    """The flow of each sweep out of those of PUBLISHED that the recording has, its `topics`."""
    joined = Joined(settings, topics)
    for recorded in messages:
        try:
            yield from joined.push(recorded.topic, recorded.read())
        except InputError as error:
            yield str(error)
    yield from joined.rest()


class Joined:
    """Puts together by their stamps what is published of one sweep on several topics, of rclpy or of rosbags.

    topics  what there is of PUBLISHED for each sweep. Where one of them does not come, the sweep is given without
            it as soon as later ones wait: the middleware keeps no order between topics, and may lose a message.
    """

    def __init__(self, settings: Settings, topics: Collection[str] = PUBLISHED):
        self._ground: Callable[[np.ndarray], np.ndarray] = make_ground(settings)
        self._complete = set(PUBLISHED).intersection(topics)
        self._waiting: dict[int, dict[str, Any]] = {}  # messages by topic, by stamp
        self._before = 0  # stamp of the last sweep

    def push(self, topic: str, message: Any) -> Iterator[FlowField]:
        """A message of one of PUBLISHED; the sweeps to be shown now. InputError for what cannot be shown."""
        stamp = stamp_ns(message)
        self._waiting.setdefault(stamp, {})[topic] = message
        if self._complete.issubset(self._waiting[stamp]):
            # What came before it will hardly be completed any more.
            for earlier in [one for one in self._waiting if one == stamp or self._before < one < stamp]:
                yield from self._take(earlier)
        while len(self._waiting) > _WAITING:
            yield from self._take(next(iter(self._waiting)))

    def rest(self) -> Iterator[FlowField]:
        """What waits for more."""
        for stamp in list(self._waiting):
            yield from self._take(stamp)

    def _take(self, stamp: int) -> Iterator[FlowField]:
        came = self._waiting.pop(stamp)
        if FLOW not in came:
            return
        objects = np.empty(0, OBJECT)
        if OBJECTS in came:
            frame, its_frame = (str(came[topic].header.frame_id) for topic in (FLOW, OBJECTS))
            if frame != its_frame:
                raise InputError(
                    f"the objects are in '{its_frame}', the clouds in '{frame}': the view shows objects in "
                    'the frame of their clouds: leave the parameter objects_frame empty'
                )
            objects = read_objects(came[OBJECTS])
        before, self._before = self._before, stamp
        dt = (before - stamp) * 1e-9 if before not in (0, stamp) else -0.1
        motion = came.get(EGO_ODOMETRY)
        yield read_flow(came[FLOW], objects, self._ground, dt, None if motion is None else _pose(motion))


def _pose(odometry: Any) -> np.ndarray:
    """(4, 4)."""
    place, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    return pose_matrix((place.x, place.y, place.z), (turn.w, turn.x, turn.y, turn.z))
