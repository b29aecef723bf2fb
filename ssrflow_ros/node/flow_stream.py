"""From a stream of clouds to published flow.

The executor's thread decodes and pairs each cloud as it comes. A first worker prepares the newest pair, a second one
runs the network, where it has the time (`PacedStream`), a third one publishes. Each takes what the one before it has
made, and only then does that begin another one. Every cloud that comes in is published or counted as a drop.
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from sensor_msgs.msg import PointCloud2

from .. import team
from ..errors import EgoMotionError, InputError, SSRFlowError
from ..formats.stamped import stamp_ns
from ..pair_stream import PairStream
from ..steps.pairing import CURES, EMPTY, FIRST, GAP, OTHER_FRAME, TIME_RESTARTED
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair
from .ego_sources import EgoSource
from .lifecycle import ManagedNode
from .memory import free_device, is_out_of_memory
from .messages import empty_flow
from .objects_frame import ObjectsFrame
from .paced_stream import PacedStream
from .publishing import Outputs
from .split_clouds import SplitClouds
from .statistics import (
    BY_NETWORK,
    DISABLED,
    DOUBTFUL,
    FROM_TRACKS,
    OUT_OF_MEMORY,
    REPLACED,
    STOPPED,
    UNHEARD,
    WARN_EVERY,
    Statistics,
)
from .worker import Worker

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow
    from ..steps.prepared import PreparedPair

RESTARTS = {TIME_RESTARTED: 'the stamps went back', OTHER_FRAME: 'the frame_id changed'}
"""What makes the stream forget everything, and what is said of it."""


class Job(NamedTuple):
    """A cloud that waits for its flow.

    pair     what is to be estimated; None for a `sweep` without a point, which needs no partner.
    arrived  time.monotonic() at which `cloud` came.
    start    how often everything had been forgotten then.
    """

    cloud: PointCloud2
    sweep: Sweep
    pair: SweepPair | None
    arrived: float
    start: int


class FlowStream:
    """One stream of clouds of one sensor, from its first to its last.

    enabled  False drops every cloud.
    age      seconds by which the newest cloud's stamp lay behind the node's clock when it came; None before.
    frame    its frame_id; None before.
    """

    def __init__(
        self,
        node: ManagedNode,
        method: SceneFlow,
        statistics: Statistics,
        source: EgoSource,
        outputs: Outputs,
        frame: ObjectsFrame,
    ):
        """`node` gives settings, clock and log."""
        self._node, self._statistics = node, statistics
        self._stream = PacedStream(method, source.mounting_of)
        self._source, self._outputs, self._frame = source, outputs, frame
        self._pairs = PairStream(node.settings)
        self._refused = ''  # why the newest sweep had no pair
        self._told: dict[tuple[str, bool], float] = {}
        self._learnt = ''  # what of the robot itself is cut
        self._unread: PointCloud2 | None = None
        self._start = self._prepared_start = 0  # as `Job.start`: of the newest cloud, and of the first worker's last
        self._split = SplitClouds(node, outputs.publish_split, outputs.split_heard)
        self.enabled = True
        self.age: float | None = None
        self.frame: str | None = None
        # A later worker's sweep is always the older one, so what they tell comes in order.
        self._first: Worker[Job] = Worker(self._prepare, lambda job: self._give_up(job.cloud, REPLACED))
        self._second: Worker[tuple[Job, PreparedPair | None]] = Worker(
            self._estimate, lambda both: self._give_up(both[0].cloud, STOPPED)
        )
        self._third: Worker[tuple[Job, FlowField]] = Worker(
            self._publish, lambda both: self._give_up(both[0].cloud, STOPPED)
        )

    # --- in the executor's thread -----------------------------------------------------------------

    def push(self, cloud: PointCloud2) -> None:
        """Take the next cloud; never blocks."""
        self._statistics.count('in')
        self._statistics.stamp(stamp_ns(cloud))
        self.age = (self._node.get_clock().now().nanoseconds - stamp_ns(cloud)) * 1e-9
        self.frame = cloud.header.frame_id
        if not self.enabled:
            self._statistics.drop(DISABLED)
            return
        if self._node.settings.lazy and not self._outputs.listeners():
            # The last cloud stays at hand, so that the first one after somebody listens has its pair.
            self._drop_unread(UNHEARD)
            self._unread = cloud
            return
        unread, self._unread = self._unread, None
        if unread is not None:
            self._guarded(unread, self._take, unread, UNHEARD)  # only to be the next one's partner
        self._guarded(cloud, self._take, cloud)

    def refuse(self, error: InputError) -> None:
        """Count a message that is no cloud."""
        self._statistics.count('in')
        self._drop('malformed cloud', error)

    def reset(self) -> None:
        """Forget every sweep; the next one is a first one again."""
        self._drop_unread(STOPPED)
        self._pairs.pairing.reset()
        self._refused = ''
        self._told.clear()
        self._source.reset()
        self._frame.reset()
        self._start += 1
        self._split.reset()
        self._outputs.reset()

    def stop(self, timeout: float) -> bool:
        """Finish the sweep at hand, or give up waiting after `timeout` s; whether it is finished."""
        self._drop_unread(STOPPED)
        deadline = time.monotonic() + timeout
        workers = self._first, self._second, self._third
        return all([worker.stop(max(0.0, deadline - time.monotonic())) for worker in workers])

    def _take(self, cloud: PointCloud2, without_flow: str = '') -> None:
        """Hand on what there is to do about `cloud`, unless a reason is given for which nothing is to be done."""
        job = self._job(cloud, time.monotonic())
        if job is not None and without_flow:
            self._give_up(cloud, without_flow)
        elif job is not None:
            self._first.put(job)

    def _job(self, cloud: PointCloud2, arrived: float) -> Job | None:
        """What there is to do about `cloud`; None, and a drop counted, if nothing can be done."""
        self._pairs.settings = self._node.settings
        try:
            sweep, pair = self._pairs.push(cloud)
        except InputError as error:
            self._drop('malformed cloud', error)
            return None
        self._split.expect(cloud, sweep)
        reason = self._pairs.pairing.reason
        if reason == EMPTY:
            self._tell_empty(cloud)
        if pair is None and reason != EMPTY:  # an empty cloud is answered with an empty one
            self._give_up(cloud, reason)
            self._tell_refusal(reason)
        self._refused = reason
        if reason in RESTARTS:
            self._start += 1
            self._outputs.reset()
        return Job(cloud, sweep, pair, arrived, self._start) if pair or reason == EMPTY else None

    def _tell_refusal(self, reason: str) -> None:
        """Why a cloud has no pair, and the cure; a new start is no fault unless the next cloud is one, too."""
        fault = reason == self._refused or reason not in (FIRST, GAP, *RESTARTS)
        now = time.monotonic()
        if (fault or reason in RESTARTS) and now - self._told.get((reason, fault), -WARN_EVERY) >= WARN_EVERY:
            self._told[reason, fault] = now
            if fault:
                self._node.get_logger().warning(f'{reason}, cloud dropped: {CURES[reason]}')
            else:
                self._node.get_logger().info(f'{RESTARTS[reason]}: a new start ({CURES[reason]})')

    def _tell_empty(self, cloud: PointCloud2) -> None:
        """Why a cloud has no usable return: it is no fault of the answer, which is as empty, but one of the stream."""
        self._statistics.count(EMPTY)
        points = cloud.height * cloud.width
        cut = f'none of its {points} points is a usable return: look at min_range and own_body'
        cause = cut if points else CURES[EMPTY]
        if self._statistics.is_due(EMPTY, cause):
            self._node.get_logger().warning(f'{EMPTY}: {cause}')

    def _drop_unread(self, reason: str) -> None:
        if self._unread is not None:
            self._statistics.drop(reason)
        self._unread = None

    # --- in the first worker's thread -------------------------------------------------------------

    def _prepare(self, job: Job) -> None:
        if job.start != self._prepared_start:
            self._second.wait_until_idle()
            self._stream.reset()
            self._prepared_start = job.start
        self._guarded(job.cloud, self._first_half, job)

    def _first_half(self, job: Job) -> None:
        prepared = self._stream.prepare(job.pair, self._source.between(job.pair), job.arrived) if job.pair else None
        learnt = self._stream.own_body.learnt
        if learnt and not self._learnt:
            self._node.get_logger().info(f'own body: {learnt}')
        self._learnt = learnt
        if not self._second.hand((job, prepared)):
            self._give_up(job.cloud, STOPPED)

    # --- in the second worker's thread ------------------------------------------------------------

    def _estimate(self, prepared: tuple[Job, PreparedPair | None]) -> None:
        self._guarded(prepared[0].cloud, self._second_half, *prepared)

    def _second_half(self, job: Job, prepared: PreparedPair | None) -> None:
        flow = empty_flow(job.sweep) if prepared is None else self._stream.estimate(prepared)
        if not self._third.hand((job, flow)):
            self._give_up(job.cloud, STOPPED)

    # --- in the third worker's thread -------------------------------------------------------------

    @team.busy
    def _publish(self, estimated: tuple[Job, FlowField]) -> None:
        self._guarded(estimated[0].cloud, self._tell, *estimated)

    def _tell(self, job: Job, flow: FlowField) -> None:
        if job.start != self._start:  # what was wiped since stays so
            self._give_up(job.cloud, STOPPED)
            return
        begun = time.monotonic()
        self._outputs.publish(flow, job.cloud, self._frame)
        self._split.settle(job.cloud, flow)
        now_ns = self._node.get_clock().now().nanoseconds
        self._statistics.count('out')
        if job.pair is not None:
            self._statistics.last_dt = job.pair.dt
            self._doubt(flow.ego_motion)
            self._statistics.count(BY_NETWORK if flow.by_network else FROM_TRACKS)
        self._statistics.time(
            **flow.timings_ms,
            publish=1e3 * (time.monotonic() - begun),
            total=1e3 * (time.monotonic() - job.arrived),
            stamp_to_publish=1e-6 * (now_ns - job.sweep.stamp_ns),
        )

    def _doubt(self, ego: EgoMotion) -> None:
        if ego.doubt:
            self._statistics.count(DOUBTFUL)
            if self._statistics.is_due(DOUBTFUL, ego.doubt):
                self._node.get_logger().warning(f'{DOUBTFUL}: {ego.doubt}')

    # --- in all -----------------------------------------------------------------------------------

    def _guarded(self, cloud: PointCloud2 | None, work: Callable[..., None], *arguments: Any) -> None:
        """Do `work`; the `cloud` that it fails on is dropped and counted."""
        out_of_memory = False
        try:
            work(*arguments)
            return
        except SSRFlowError as error:
            self._drop('no ego-motion' if isinstance(error, EgoMotionError) else 'no flow', error)
        except Exception as error:
            out_of_memory = is_out_of_memory(error)
            # One bad sweep must not end the node; a context that was shut down meanwhile may.
            if self._node.context.ok():
                self._drop(
                    OUT_OF_MEMORY if out_of_memory else 'unexpected error',
                    f'{error}: set a smaller network_points' if out_of_memory else traceback.format_exc(),
                )
        if out_of_memory:
            free_device()  # here, where the traceback no longer holds what did not fit
        if cloud is not None and self._node.context.ok():
            self._guarded(None, self._split.settle, cloud)

    def _give_up(self, cloud: PointCloud2, reason: str) -> None:
        """Count a cloud that gets no flow; what moves in it is told by the ones before."""
        self._statistics.drop(reason)
        self._split.settle(cloud)

    def _drop(self, reason: str, error: object) -> None:
        if self._statistics.drop(reason, error):
            self._node.get_logger().warning(f'{reason}, cloud dropped: {error}')
