"""How a recording is read by the commands: with a bar, and what is to be known of it beforehand."""

from __future__ import annotations

from contextlib import suppress
from typing import Callable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ..errors import EgoMotionError, InputError
from ..formats.bag_poses import RecordedPoses
from ..formats.bags import BagMessage, BagReader
from ..formats.pointcloud2 import decode
from ..pair_stream import PairStream
from ..preparation import Preparation
from ..settings import AUTO, Settings
from ..steps.own_body import OwnBody

_LOOK_AHEAD = 60.0  # s of the recording, in which it is learnt beforehand what rides along


def own_body_of(bag: BagReader, topic: str, settings: Settings, poses: RecordedPoses) -> OwnBody:
    """What rides along with the sensor of `topic`, learnt from the recording's beginning, where it shall be."""
    preparation, pairs, first = Preparation(settings, poses.mounting_of), PairStream(settings), None
    for recorded in bag.read([topic]) if settings.own_body == AUTO and settings.ego_motion != 'none' else ():
        first = recorded.time_ns if first is None else first
        if preparation.own_body.done or recorded.time_ns - first > _LOOK_AHEAD * 1e9:
            break
        with suppress(InputError, EgoMotionError):  # told of when the sweep's turn comes
            sweep, pair = pairs.push(recorded.read())
            poses.note(sweep, recorded.time_ns)
            if pair is not None:
                preparation.learn(pair, poses.between(pair))
    return preparation.own_body


def changes(bag: BagReader, topic: str) -> bool:
    """Whether the clouds of `topic` are not all the same: then one that is that before was sent twice."""
    first = None
    for message in bag.read([topic]):
        try:
            points = decode(message.read()).points
        except InputError:
            continue
        if first is not None and not np.array_equal(first, points):
            return True
        first = points if first is None else first
    return False


def with_progress(
    bag: BagReader, topic: str, others: Sequence[str] = (), take: Callable[[BagMessage], None] = lambda message: None
) -> Iterator[BagMessage]:
    """The messages of `topic`, with a bar; `take` gets those of `others` when their turn comes."""
    # None: no bar where the output is not a terminal.
    with tqdm(total=bag.topics[topic][1], unit='sweep', disable=None) as bar:
        for message in bag.read([topic, *others]):
            if message.topic == topic:
                bar.update()
                yield message
            else:
                take(message)
