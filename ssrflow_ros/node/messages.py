"""Between the package's own objects and rclpy messages."""
from __future__ import annotations

from array import array
from typing import Any, Iterable

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Twist, Vector3
from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from ..formats import markers as drawn
from ..formats.object_cloud import encode_objects
from ..formats.pointcloud2 import Cloud, encode, encode_points
from ..steps.deskew import twist
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair


def to_pointcloud2(cloud: Cloud, header: Header) -> PointCloud2:
    """The message of `cloud`, with `header` as it is."""
    message = PointCloud2(
        header=header, height=cloud.height, width=cloud.width, point_step=cloud.point_step,
        row_step=cloud.row_step, is_bigendian=cloud.is_bigendian, is_dense=cloud.is_dense,
        fields=[PointField(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
                for f in cloud.fields])
    # rclpy checks every byte of anything but an array of bytes: assigning numpy takes 600 times as long.
    data = array('B')
    data.frombytes(memoryview(cloud.data))
    message.data = data
    return message


def flow_cloud(flow: FlowField, source: PointCloud2, keep: Iterable[str] = (), rgba: bool = False) -> PointCloud2:
    """The annotated cloud of `source`, under the very header of `source`; `keep` and `rgba` as `encode`."""
    return to_pointcloud2(encode(flow, source, keep, rgba), source.header)


def objects_cloud(flow: FlowField, source: PointCloud2) -> PointCloud2:
    """The moving objects in `source`, one point an object."""
    return to_pointcloud2(encode_objects(flow.objects), source.header)


def ground_cloud(flow: FlowField, source: PointCloud2) -> PointCloud2:
    """The points of `source` that are taken as ground: x y z."""
    return to_pointcloud2(encode_points(flow.pair.source.points[flow.ground]), source.header)


def ego_odometry(flow: FlowField, source: PointCloud2) -> Odometry:
    """How the sensor moved from the sweep before to `source`, in the sensor's own frame.

    pose is that of the sensor now, seen from where it was at the sweep before; twist, m/s and rad/s, is the mean
    over that time in the axes of the sensor now. Covariances are left 0, which means unknown.
    """
    message = Odometry(header=source.header, child_frame_id=source.header.frame_id)
    motion = flow.ego_motion.target_from_source
    x, y, z, w = Rotation.from_matrix(motion[:3, :3]).as_quat().tolist()
    message.pose.pose = Pose(position=vector(Point, motion[:3, 3].tolist()),
                             orientation=Quaternion(x=x, y=y, z=z, w=w))
    velocity, turn_rate = twist(flow.ego_motion, flow.pair.dt)
    message.twist.twist = Twist(linear=vector(Vector3, velocity.tolist()),
                                angular=vector(Vector3, turn_rate.tolist()))
    return message


def delete_all() -> MarkerArray:
    """Wipes every marker of a topic."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


def to_marker_array(markers: Iterable[drawn.Marker], header: Header) -> MarkerArray:
    """The message of `markers`, all of them under `header`."""
    return MarkerArray(markers=[_marker(marker, header) for marker in markers])


def _marker(marker: drawn.Marker, header: Header) -> Marker:
    x, y, z, w = marker.orientation
    return Marker(
        header=header, ns=marker.ns, id=marker.id, type=marker.type, action=marker.action, text=marker.text,
        pose=Pose(position=vector(Point, marker.position), orientation=Quaternion(x=x, y=y, z=z, w=w)),
        scale=vector(Vector3, marker.scale), color=_colour(marker.colour),
        lifetime=Duration(seconds=marker.lifetime).to_msg(),
        points=[vector(Point, point) for point in marker.points.tolist()],
        colors=[_colour(colour) for colour in marker.colours.tolist()])


def vector(kind: type, values: Iterable[float]) -> Any:
    """A Point or a Vector3 of (3,) numbers."""
    x, y, z = map(float, values)
    return kind(x=x, y=y, z=z)


def _colour(values) -> ColorRGBA:
    red, green, blue, alpha = values
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


def empty_flow(sweep: Sweep) -> FlowField:
    """The flow of a `sweep` without a point, for which no partner is needed."""
    before = Sweep(sweep.points, sweep.stamp_ns - 1, sweep.frame_id, sweep.rows, sweep.n_rows)
    nothing, none = np.empty((0, 3), np.float32), np.empty(0, bool)
    return FlowField(SweepPair(sweep, before), EgoMotion(np.eye(4), 'none'), flow=nothing, velocity=nothing,
                     moving=none, ground=none, object_ids=np.empty(0, np.int32))
