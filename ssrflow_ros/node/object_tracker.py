"""The executable `object_tracker.py`, an example: a node that tracks the objects of `~/objects`.

    ros2 run ssrflow_ros object_tracker.py --ros-args -r objects:=/ssrflow/objects -r odometry:=/odom
    ros2 run ssrflow_ros object_tracker.py --ros-args -r objects:=/ssrflow/objects -p standing:=true

Subscribes to `objects` and to `odometry` (pose of the SENSOR in a fixed frame; not needed by a sensor that stands:
`standing:=true`). Publishes `~/tracks`, a cloud with the fields of `~/objects`, in the odometry's frame.
The tracker itself is in tracker.py.
"""

from __future__ import annotations

import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from ..errors import SSRFlowError
from ..formats.object_cloud import encode_objects, moved, read_objects
from ..formats.stamped import pose_of, stamp_ns
from ..steps.trajectory import Trajectory
from ..sweep import Basis
from . import qos
from .messages import to_pointcloud2

if TYPE_CHECKING:
    from .tracker import Tracker


class ObjectTracker(Node):
    """Feeds `tracker` with what it hears."""

    def __init__(self, tracker: Tracker):
        super().__init__('object_tracker')
        self._tracker, self._sensor, self._fixed_frame = tracker, Trajectory('the sensor', 2000), ''
        self._tracks = self.create_publisher(PointCloud2, '~/tracks', qos.OUTPUT)
        self._standing = self.declare_parameter('standing', False).value
        self.create_subscription(Odometry, 'odometry', self._on_odometry, qos.ODOMETRY)
        self.create_subscription(PointCloud2, 'objects', self._on_objects, qos.OUTPUT)

    def _on_odometry(self, message: Odometry) -> None:
        self._fixed_frame = message.header.frame_id
        self._sensor.push(*pose_of(message))

    def _on_objects(self, message: PointCloud2) -> None:
        stamp, header = stamp_ns(message), message.header
        try:
            objects = read_objects(message)
            objects = objects[objects['basis'] != Basis.PREDICTION]  # the tracker predicts by itself
            if not self._standing:
                objects = moved(objects, self._sensor.at(stamp))
                header = Header(stamp=message.header.stamp, frame_id=self._fixed_frame)
        except SSRFlowError as error:
            self.get_logger().warning(f'objects left out: {error}', throttle_duration_sec=5.0)
            return
        self._tracker.update(stamp, objects)
        tracks = encode_objects([track.as_object() for track in self._tracker.tracks])
        self._tracks.publish(to_pointcloud2(tracks, header))


def main() -> None:
    """Run the node until SIGINT or SIGTERM."""
    try:
        from .tracker import Tracker
    except ModuleNotFoundError as error:  # filterpy comes neither with the package nor with ROS
        sys.exit(f'object_tracker.py needs {error.name}: pip install {error.name}')
    # Python's KeyboardInterrupt could come anywhere, and get lost there; rclpy misses a signal that comes just before
    # it waits, so it never waits for long.
    ended = Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    rclpy.init()
    node, executor = ObjectTracker(Tracker()), SingleThreadedExecutor()
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
