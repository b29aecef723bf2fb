"""Any rosbag2. One that `ssrflow simulate` made holds its truth; of another there is nothing to score."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np

from ..errors import InputError
from ..formats.bag_poses import read_poses
from ..formats.bags import GROUND_TRUTH, ODOMETRY, POINTCLOUD2, BagMessage, BagReader
from ..formats.pointcloud2 import read_field
from ..formats.stamped import pose_of
from ..pair_stream import PairStream
from ..settings import Settings
from ..transforms import invert, pose_matrix
from .labelled_pair import ARGOVERSE2, LabelledPair, Preparation, labelled_pair
from .simulated import category_of

LABELLED = Preparation('simulated recording: all points but the ground', ARGOVERSE2)
UNLABELLED = Preparation(
    'recording without labels: nothing is scored; the median distance to the nearest point of the '
    'next sweep says how well the flow explains it',
    ARGOVERSE2,
)


class Recording:
    """Pairs of neighbouring sweeps of a recording's cloud topic, older one first; read in order, it is read once."""

    def __init__(self, path: str, topic: str | None, settings: Settings):
        self._settings = Settings(min_range=0.0, deskew=settings.deskew, base_frame=settings.base_frame)
        with BagReader(path) as bag:
            topic = bag.choose(topic, POINTCLOUD2)
            self._n = bag.topics[topic][1]
            labelled = GROUND_TRUTH in bag.topics_of(POINTCLOUD2) and '/odom' in bag.topics_of(ODOMETRY)
            self._mounting_of = read_poses(bag, self._settings).mounting_of
        if self._n < 2:
            raise InputError(f'{path} holds {self._n} clouds on {topic}: a pair needs two')
        self._clouds = _Neighbours(path, topic)
        self._truth = (_Neighbours(path, GROUND_TRUTH), _Neighbours(path, '/odom')) if labelled else None

    def __len__(self) -> int:
        return self._n - 1

    def __getitem__(self, number: int) -> LabelledPair:
        if not 0 <= number < len(self):
            raise IndexError(number)
        stream = PairStream(self._settings)
        # Times are read best when the second stamp has told how long a sweep takes.
        *_, source, target = map(stream.sweep, self._clouds.at(number) * (2 if self._settings.deskew else 1))
        name, dt, times = str(source.stamp_ns), (target.stamp_ns - source.stamp_ns) * 1e-9, (source.times, target.times)
        mounting = self._mounting_of(source.frame_id)
        if not self._truth:
            unknown = np.full((len(source), 3), np.nan)
            return labelled_pair(
                name, source.points, target.points, unknown, UNLABELLED, dt=dt, times=times, mounting=mounting
            )
        truth, poses = self._truth[0].at(number)[0], [pose_of_message(message) for message in self._truth[1].at(number)]
        columns = {
            key: read_field(truth, key)[source.rows]
            for key in ('flow_x', 'flow_y', 'flow_z', 'ground', 'class', 'object')
        }
        flow = np.stack([columns[f'flow_{axis}'] for axis in 'xyz'], axis=1)
        return labelled_pair(
            name,
            source.points,
            target.points,
            flow,
            LABELLED,
            scored=columns['ground'] == 0,
            category=category_of(columns['class'], columns['object']),
            dt=dt,
            times=times,
            mounting=mounting,
            target_from_source=invert(poses[1]) @ poses[0],
        )


class _Neighbours:
    """Message and next message of a topic, by number."""

    def __init__(self, path: str, topic: str):
        self._path, self._topic = path, topic
        self._begin()

    def _begin(self) -> None:
        self._messages, self._read = self._all(), 0
        self._last: list[Any] = []

    def _all(self) -> Iterator[BagMessage]:
        with BagReader(self._path) as bag:
            yield from bag.read([self._topic])

    def at(self, number: int) -> list:
        """Messages `number` and `number` + 1."""
        if number + 2 < self._read:
            self._begin()
        while self._read < number + 2:
            message = next(self._messages, None)
            if message is None:
                raise InputError(f'{self._path} holds only {self._read} messages on {self._topic}: record it again')
            self._last = [*self._last[-1:], message]
            self._read += 1
        return [message.read() for message in self._last]


def pose_of_message(message: Any) -> np.ndarray:
    """(4, 4) of a nav_msgs/Odometry."""
    _, position, (x, y, z, w) = pose_of(message)
    return pose_matrix(position, (w, x, y, z))


def open_at(path: str, settings: Settings = Settings()) -> Recording:
    """PATH is a rosbag2, its topic behind a # where there are several: drive#/points; `settings`: `open_dataset`."""
    path, _, topic = path.partition('#')
    return Recording(path, topic or None, settings)
