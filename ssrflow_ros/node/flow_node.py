"""The live node: `points` in, the same clouds with the velocity of every point out.

The executor's thread decodes and pairs the clouds; a worker of one thread estimates the flow of the
newest pair and publishes it. Topics, units and what happens to bad input: docs/node.md.
"""
from __future__ import annotations

import os
import time
import traceback
from typing import Callable, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from ..errors import EgoMotionError, InputError, SSRFlowError
from ..formats.markers import MarkerId, make_markers, shown_ids
from ..formats.pointcloud2 import decode
from ..formats.stamped import pose_of
from ..settings import Settings
from ..steps.odometry import PoseBuffer
from ..steps.pairing import EMPTY, Pairing
from ..sweep import FlowField, Sweep, SweepPair
from . import qos
from .diagnostics import Diagnostics
from .messages import empty_flow, flow_cloud, to_marker_array
from .parameters import declare_settings, follow_changes
from .process import run_until_signal
from .statistics import REPLACED, UNHEARD, Statistics
from .warm_up import warm_up
from .worker import Worker


class Job(NamedTuple):
    """A cloud that waits for its flow.

    pair     what is to be estimated; None for a `sweep` without a point, which needs no partner.
    arrived  time.monotonic() at which `cloud` came.
    """

    cloud: PointCloud2
    sweep: Sweep
    pair: SweepPair | None
    arrived: float


class FlowNode(Node):
    """Estimates the flow of the newest sweep; `make_scene_flow(settings)` gives the method.

    Raises SSRFlowError if a parameter or the weights are unusable.
    """

    def __init__(self, make_scene_flow: Callable[[Settings], Callable[..., FlowField]]):
        super().__init__('ssrflow')
        self._settings = declare_settings(self)
        self._scene_flow = make_scene_flow(self._settings)
        warm_up(self._scene_flow, self._settings)
        self._statistics = Statistics()
        self._pairing = Pairing(self._settings)
        self._unread: PointCloud2 | None = None
        self._frame_id = ''
        self._odometry = PoseBuffer()
        self._shown: set[MarkerId] = set()
        follow_changes(self, self._apply)

        overridable = qos.overridable()
        self._flow_out = self.create_publisher(PointCloud2, '~/flow', qos.OUTPUT,
                                               qos_overriding_options=overridable)
        self._markers_out = self.create_publisher(MarkerArray, '~/markers', qos.OUTPUT)
        self._diagnostics_out = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        self._worker: Worker[Job] = Worker(self._estimate, lambda: self._statistics.drop(REPLACED))
        if self._settings.ego_motion == 'odometry':
            self.create_subscription(Odometry, 'odometry', self._on_odometry, qos.ODOMETRY)
        self.create_subscription(PointCloud2, 'points', self._on_points, qos.POINTS,
                                 qos_overriding_options=overridable)
        self._diagnostics = Diagnostics(self._statistics, self.get_fully_qualified_name().strip('/'))
        # Steady time, so that the diagnostics go on while a simulated clock stands.
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"ready: waiting for clouds on '{self.resolve_topic_name('points')}', "
                               f'ego-motion from {self._settings.ego_motion}')

    def destroy_node(self) -> None:
        """Let the worker finish its sweep first, since it publishes."""
        if not self._worker.stop():
            self.get_logger().warning('the sweep at hand takes long: leaving without it')
        super().destroy_node()

    # --- in the executor's thread -----------------------------------------------------------------

    def _on_points(self, cloud: PointCloud2) -> None:
        self._statistics.count('in')
        self._frame_id = cloud.header.frame_id
        if self._settings.lazy and not self._listeners():
            # The last cloud stays at hand, so that the first one after somebody listens has its pair.
            if self._unread is not None:
                self._statistics.drop(UNHEARD)
            self._unread = cloud
            return
        arrived = time.monotonic()
        unread, self._unread = self._unread, None
        if unread is not None:
            self._job(unread, arrived)
        job = self._job(cloud, arrived)
        if job is not None:
            self._worker.put(job)

    def _job(self, cloud: PointCloud2, arrived: float) -> Job | None:
        """What there is to do about `cloud`; None, and a drop counted, if nothing can be done."""
        try:
            sweep = decode(cloud, self._settings.min_range)
        except InputError as error:
            self._drop('malformed cloud', error)
            return None
        pair = self._pairing.push(sweep)
        if pair is None:
            self._statistics.drop(self._pairing.reason)
        return Job(cloud, sweep, pair, arrived) if pair or self._pairing.reason == EMPTY else None

    def _on_odometry(self, message: Odometry) -> None:
        self._odometry.push(*pose_of(message))
        if message.child_frame_id and self._frame_id and message.child_frame_id != self._frame_id:
            self.get_logger().warning(
                f"the odometry is of '{message.child_frame_id}', the clouds are in '{self._frame_id}', so "
                'still things seem to move in turns: feed odometry of the sensor, or set ego_motion to '
                'scan_matching', once=True)

    def _apply(self, settings: Settings) -> None:
        self._settings = settings
        self._scene_flow.settings = settings
        self._pairing.settings = settings

    def _report(self) -> None:
        status = self._diagnostics.status(self._settings, self._listeners(), self._scene_flow)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_out.publish(array)

    # --- in the worker's thread -------------------------------------------------------------------

    def _estimate(self, job: Job) -> None:
        try:
            flow = self._flow(job)
            self._publish(flow, job.cloud)
        except SSRFlowError as error:
            self._drop('no ego-motion' if isinstance(error, EgoMotionError) else 'no flow', error)
        except Exception:
            # One bad sweep must not end the node; a context that was shut down meanwhile may.
            if self.context.ok():
                self._drop('unexpected error', traceback.format_exc())
        else:
            now_ns = self.get_clock().now().nanoseconds
            self._statistics.count('out')
            if job.pair is not None:
                self._statistics.last_dt = job.pair.dt
            self._statistics.time(**flow.timings_ms, total=1e3 * (time.monotonic() - job.arrived),
                                  stamp_to_publish=1e-6 * (now_ns - job.sweep.stamp_ns))

    def _flow(self, job: Job) -> FlowField:
        if job.pair is None:
            return empty_flow(job.sweep)
        by_odometry = self._settings.ego_motion == 'odometry'
        return self._scene_flow(job.pair, self._odometry.between(job.pair) if by_odometry else None)

    def _publish(self, flow: FlowField, cloud: PointCloud2) -> None:
        if self._flow_out.get_subscription_count():
            self._flow_out.publish(flow_cloud(flow, cloud))
        if self._markers_out.get_subscription_count():
            rate = self._statistics.rate('out')
            markers = make_markers(flow, self._settings.marker_arrows, self._shown, 1 / rate if rate else 0.0)
            self._shown = shown_ids(markers)
            self._markers_out.publish(to_marker_array(markers, cloud.header))

    # --- in both ----------------------------------------------------------------------------------

    def _listeners(self) -> int:
        return self._flow_out.get_subscription_count() + self._markers_out.get_subscription_count()

    def _drop(self, reason: str, error: object) -> None:
        if self._statistics.drop(reason):
            self.get_logger().warning(f'{reason}, cloud dropped: {error}')


def main(args: list[str] | None = None, make_scene_flow: Callable[[Settings], object] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; 0 after a clean end, 1 if it could not start."""
    # Idle OpenMP threads that spin take the core from others; read once, when torch is loaded.
    os.environ.setdefault('GOMP_SPINCOUNT', '0')

    def make_node() -> FlowNode:
        # Here, not above: torch takes seconds to load, in which a signal must end the process cleanly too.
        if make_scene_flow is None:
            from ..scene_flow import SceneFlow
        return FlowNode(make_scene_flow or SceneFlow)
    return run_until_signal(make_node, args)


if __name__ == '__main__':
    raise SystemExit(main())
