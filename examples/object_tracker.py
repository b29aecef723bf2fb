#!/usr/bin/env python3
"""A small tracker of moving objects, fed by `~/objects`: one constant-velocity Kalman filter a track.

    ros2 run ssrflow_ros object_tracker.py --ros-args -r objects:=/ssrflow/objects -r odometry:=/odom
    python3 examples/object_tracker.py --ros-args -r objects:=/ssrflow/objects -p standing:=true

Subscribes to `objects` and to `odometry` (pose of the SENSOR in a fixed frame; not needed by a sensor that stands:
`standing:=true`). Publishes `~/tracks`, a cloud with the fields of `~/objects`, in the odometry's frame.

The tracker itself is the class `Tracker`, without ROS. Every object brings its velocity and the covariance of it, so a
track moves rightly from its first sweep on; `Tracker(with_velocity=False)` is what others have to do.
"""
from __future__ import annotations

import signal
from dataclasses import dataclass
from threading import Event

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter
from scipy.linalg import block_diag
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from ssrflow_ros.formats.object_cloud import encode_objects, read_objects
from ssrflow_ros.sweep import MovingObject

ACCELERATION = 3.0      # m/s², standard deviation of what the filter does not expect
UNSEEN_SPEED = 10.0     # m/s, likewise of a velocity that nobody measured
UNSEEN_PLACE = 0.5      # m, and of a place without covariance
GATE = 0.999            # share of true pairs that association lets pass
LONGEST_GAP = 1.0       # s between sweeps over which tracks are kept
MISSED = 3              # sweeps without an object that a track survives


@dataclass(eq=False)
class Track:
    """State (6,) x y z vx vy vz in metres and m/s, and its covariance, in `filter.x` and `filter.P`."""

    id: int
    filter: KalmanFilter
    seen: np.void       # the object that was last given to it
    sweeps: int = 1     # in which it was seen
    missed: int = 0     # since then

    def as_object(self) -> MovingObject:
        """The track in the form of what feeds it; size and yaw are the last seen."""
        state, spread = self.filter.x, self.filter.P
        return MovingObject(
            self.id, state[:3], self.seen['size'], float(self.seen['yaw']), state[3:], int(self.seen['n_points']),
            self.id, self.sweeps, float(self.seen['yaw_rate']), spread[:3, :3], spread[3:, 3:],
            float(self.seen['yaw_rate_variance']))


class Tracker:
    """Tracks objects over sweeps, in a frame that does not move."""

    def __init__(self, with_velocity: bool = True):
        self.tracks: list[Track] = []
        self._with_velocity = with_velocity
        self._stamp_ns = 0
        self._made = 0

    def update(self, stamp_ns: int, objects: np.ndarray) -> list[Track]:
        """Go on to `stamp_ns`; the track of each of `objects` (N,), an array of `read_objects`, in their order."""
        dt = (stamp_ns - self._stamp_ns) * 1e-9
        self._stamp_ns = stamp_ns
        if not 0 < dt < LONGEST_GAP:  # such as a bag that begins anew
            self.tracks = []
        self._predict(dt)
        measured = [self._measurement(item) for item in objects]
        of_object = self._associate(measured)
        for number, item in enumerate(objects):
            if number in of_object:
                track = of_object[number]
                track.filter.update(*measured[number])
                track.seen, track.sweeps, track.missed = item, track.sweeps + 1, 0
            else:
                of_object[number] = self._begin(item, *measured[number])
        self.tracks = [track for track in self.tracks if track.missed <= MISSED]
        return [of_object[number] for number in range(len(objects))]

    def _predict(self, dt: float) -> None:
        step = np.eye(6) + np.eye(6, k=3) * dt
        noise = Q_discrete_white_noise(2, dt, ACCELERATION ** 2, block_size=3, order_by_dim=False)
        for track in self.tracks:
            track.filter.predict(F=step, Q=noise)
            track.missed += 1

    def _measurement(self, item: np.void) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is measured of an object: z (k,), covariance R (k, k) and H (k, 6); k is 6, or 3 without velocity."""
        place = item['position_covariance']
        place = place if np.isfinite(place).all() else UNSEEN_PLACE ** 2 * np.eye(3)
        if not self._with_velocity or not np.isfinite(item['velocity_covariance']).all():
            return item['centre'], place, np.eye(3, 6)
        return (np.concatenate([item['centre'], item['velocity']]),
                block_diag(place, item['velocity_covariance']), np.eye(6))

    def _associate(self, measured: list) -> dict[int, Track]:
        """Track of each object that has one: the cheapest pairs in squared Mahalanobis distance, within the gate."""
        cost = np.full((len(measured), len(self.tracks)), 1e6)
        for row, (z, spread, seen) in enumerate(measured):
            for column, track in enumerate(self.tracks):
                off = z - seen @ track.filter.x
                squared = off @ np.linalg.solve(seen @ track.filter.P @ seen.T + spread, off)
                if squared < chi2.ppf(GATE, len(z)):
                    cost[row, column] = squared
        pairs = zip(*linear_sum_assignment(cost))
        return {row: self.tracks[column] for row, column in pairs if cost[row, column] < 1e6}

    def _begin(self, item: np.void, z: np.ndarray, spread: np.ndarray, seen: np.ndarray) -> Track:
        kalman = KalmanFilter(dim_x=6, dim_z=6)
        kalman.x = seen.T @ z
        kalman.P = block_diag(spread, UNSEEN_SPEED ** 2 * np.eye(6 - len(z)))
        track = Track(self._made, kalman, item)
        self._made += 1
        self.tracks.append(track)
        return track


def moved(objects: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """`objects` of `read_objects`, given in a frame whose pose (4, 4) is known, in the axes of the pose's own frame."""
    out, turn = objects.copy(), pose[:3, :3]
    out['centre'] = objects['centre'] @ turn.T + pose[:3, 3]
    out['velocity'] = objects['velocity'] @ turn.T
    out['yaw'] += np.arctan2(turn[1, 0], turn[0, 0])
    for name in ('position_covariance', 'velocity_covariance'):
        out[name] = turn @ objects[name] @ turn.T
    return out


def main() -> None:
    """The node."""
    import rclpy
    from nav_msgs.msg import Odometry
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.node import Node
    from sensor_msgs.msg import PointCloud2
    from std_msgs.msg import Header

    from ssrflow_ros.errors import SSRFlowError
    from ssrflow_ros.formats.stamped import pose_of, stamp_ns
    from ssrflow_ros.node import qos
    from ssrflow_ros.node.messages import to_pointcloud2
    from ssrflow_ros.steps.trajectory import Trajectory

    class ObjectTracker(Node):
        def __init__(self):
            super().__init__('object_tracker')
            self._tracker, self._sensor, self._fixed_frame = Tracker(), Trajectory('the sensor', 2000), ''
            self._tracks = self.create_publisher(PointCloud2, '~/tracks', qos.OUTPUT)
            self._standing = self.declare_parameter('standing', False).value
            self.create_subscription(Odometry, 'odometry', self._on_odometry, qos.ODOMETRY)
            self.create_subscription(PointCloud2, 'objects', self._on_objects, qos.OUTPUT)

        def _on_odometry(self, message):
            self._fixed_frame = message.header.frame_id
            self._sensor.push(*pose_of(message))

        def _on_objects(self, message):
            stamp, header = stamp_ns(message), message.header
            try:
                objects = read_objects(message)
                if not self._standing:
                    objects = moved(objects, self._sensor.at(stamp))
                    header = Header(stamp=message.header.stamp, frame_id=self._fixed_frame)
            except SSRFlowError as error:
                self.get_logger().warning(f'objects left out: {error}', throttle_duration_sec=5.0)
                return
            self._tracker.update(stamp, objects)
            tracks = encode_objects([track.as_object() for track in self._tracker.tracks])
            self._tracks.publish(to_pointcloud2(tracks, header))

    # Python's KeyboardInterrupt could come anywhere, and get lost there; rclpy misses a signal that comes just before
    # it waits, so it never waits for long.
    ended = Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    rclpy.init()
    node, executor = ObjectTracker(), SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while rclpy.ok() and not ended.is_set():
            executor.spin_once(timeout_sec=0.5)
    except ExternalShutdownException:
        pass
    except Exception:
        if rclpy.ok():  # else a signal ended its context in the middle of something
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
