"""The demo where there is no ROS 2: the same clouds, at the same rate, through the same method, in this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple

from ..errors import EgoMotionError, InputError, SSRFlowError
from ..formats.bag_messages import to_marker_array, to_pointcloud2
from ..formats.bags import MARKER_ARRAY, POINTCLOUD2, typestore
from ..formats.markers import Drawing
from ..formats.object_cloud import encode_objects
from ..formats.pointcloud2 import encode
from ..node.paced_stream import PacedStream
from ..node.replay_record import ReplayRecord
from ..node.statistics import BY_NETWORK, FROM_TRACKS, REPLACED, Statistics
from ..node.worker import Worker
from ..pair_stream import PairStream
from ..settings import Settings
from ..sweep import SweepPair

if TYPE_CHECKING:
    from ..formats.bag_poses import RecordedPoses
    from ..formats.bags import BagMessage
    from ..scene_flow import SceneFlow


class _Job(NamedTuple):
    cloud: Any
    pair: SweepPair
    arrived: float


class Player:
    """What the node does with clouds, without DDS: one worker prepares the newest pair while a second one runs the
    network on the one before; a cloud that a newer one overtakes is dropped and counted.

    poses  ego-motion, if the method is not to find it itself, and how the sensor is mounted.
    """

    def __init__(self, method: 'SceneFlow', settings: Settings, poses: 'RecordedPoses'):
        self._stream, self._settings, self._poses = PacedStream(method, poses.mounting_of), settings, poses
        self._pairs, self._drawing, self._statistics = PairStream(settings), Drawing(), Statistics()
        self._record = ReplayRecord()
        self._failure: Exception | None = None

    def play(self, messages: Iterable['BagMessage']) -> ReplayRecord:
        """Take each cloud when it is due; return when the last one is done."""
        first = Worker(self._guarded(self._prepare), lambda job: self._statistics.drop(REPLACED))
        self._second = Worker(self._guarded(self._estimate), lambda job: None)
        try:
            begun_ns = None
            for message in messages:
                if begun_ns is None:
                    begun, begun_ns = time.monotonic(), message.time_ns
                time.sleep(max(0.0, begun + (message.time_ns - begun_ns) * 1e-9 - time.monotonic()))
                job = self._job(message)
                if job is not None:
                    first.put(job)
                if self._failure is not None:
                    break
            first.wait_until_idle()
            self._second.wait_until_idle()
        finally:
            first.stop()
            self._second.stop()
        if self._failure is not None:
            raise self._failure
        self._tell()
        return self._record

    def _job(self, message: 'BagMessage') -> _Job | None:
        """What there is to do about a cloud; None, and a drop counted, if nothing can be done."""
        arrived = time.monotonic()
        try:
            cloud = message.read()
            sweep, pair = self._pairs.push(cloud)
        except InputError:
            self._statistics.drop('malformed cloud')
            return None
        self._record.sent[sweep.stamp_ns] = arrived
        if pair is None:
            self._statistics.drop(self._pairs.pairing.reason)
        return None if pair is None else _Job(cloud, pair, arrived)

    def _prepare(self, job: _Job) -> None:
        ego_motion = self._poses.between(job.pair)
        self._second.hand((job, self._stream.prepare(job.pair, ego_motion, job.arrived)))

    def _estimate(self, prepared: tuple[_Job, Any]) -> None:
        (cloud, _, arrived), flow = prepared[0], self._stream.estimate(prepared[1])
        made = (
            (
                self._record.flow,
                POINTCLOUD2,
                to_pointcloud2(
                    encode(flow, cloud, self._settings.keep_fields.split(), self._settings.rgba), cloud.header
                ),
            ),
            (
                self._record.objects,
                POINTCLOUD2,
                to_pointcloud2(encode_objects([*flow.objects, *flow.predicted]), cloud.header),
            ),
            (
                self._record.markers,
                MARKER_ARRAY,
                to_marker_array(self._drawing.update(flow, self._settings.marker_arrows), cloud.header),
            ),
        )
        for kept, kind, message in made:
            kept.append((time.monotonic(), bytes(typestore().serialize_cdr(message, kind))))
        self._statistics.count(BY_NETWORK if flow.by_network else FROM_TRACKS)
        self._statistics.time(**flow.timings_ms, total=1e3 * (time.monotonic() - arrived))

    def _guarded(self, work: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(job: Any) -> None:
            try:
                work(job)
            except EgoMotionError:
                self._statistics.drop('no ego-motion')
            except SSRFlowError:
                self._statistics.drop('no flow')
            except Exception as error:  # for the thread that plays, which ends with it
                self._failure = error

        return guarded

    def _tell(self) -> None:
        """The values of the node's diagnostics that the demo's table shows."""
        told = self._record.diagnostics
        told.update({f'answered_{basis}': str(self._statistics.counted(basis)) for basis in (BY_NETWORK, FROM_TRACKS)})
        told.update({f'drops/{reason}': str(count) for reason, count in self._statistics.drops().items()})
        for step, (median, high) in self._statistics.percentiles().items():
            told[f'{step}_ms_p50'], told[f'{step}_ms_p95'] = f'{median:.1f}', f'{high:.1f}'
