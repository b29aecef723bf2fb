"""From the package's own objects to the messages of `rosbags`: the counterpart of `node/messages.py`."""
from __future__ import annotations

from typing import Any, Iterable

import numpy as np

from .bags import typestore
from .markers import Marker
from .pointcloud2 import Cloud


def to_header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    return _type('std_msgs/msg/Header')(
        stamp=_type('builtin_interfaces/msg/Time')(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def to_pointcloud2(cloud: Cloud, header: Any) -> Any:
    """sensor_msgs/PointCloud2."""
    make_field = _type('sensor_msgs/msg/PointField')
    return _type('sensor_msgs/msg/PointCloud2')(
        header=header, height=cloud.height, width=cloud.width, point_step=cloud.point_step,
        row_step=cloud.row_step, is_bigendian=cloud.is_bigendian, is_dense=cloud.is_dense, data=cloud.data,
        fields=[make_field(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
                for f in cloud.fields])


def to_marker_array(markers: Iterable[Marker], header: Any) -> Any:
    """visualization_msgs/MarkerArray."""
    return _type('visualization_msgs/msg/MarkerArray')(markers=[_marker(item, header) for item in markers])


def to_odometry(world_from_sensor: np.ndarray, stamp_ns: int, frame_id: str, child_frame_id: str) -> Any:
    """nav_msgs/Odometry of a (4, 4) pose; the twist is left zero."""
    from scipy.spatial.transform import Rotation
    quaternion = Rotation.from_matrix(world_from_sensor[:3, :3]).as_quat()
    unknown = np.zeros(36)
    zero = _vector(0.0, 0.0, 0.0)
    pose = _type('geometry_msgs/msg/PoseWithCovariance')(
        pose=_pose(world_from_sensor[:3, 3], quaternion), covariance=unknown)
    twist = _type('geometry_msgs/msg/TwistWithCovariance')(
        twist=_type('geometry_msgs/msg/Twist')(linear=zero, angular=zero), covariance=unknown)
    return _type('nav_msgs/msg/Odometry')(
        header=to_header(stamp_ns, frame_id), child_frame_id=child_frame_id, pose=pose, twist=twist)


def _marker(item: Marker, header: Any) -> Any:
    make_point, make_colour = _type('geometry_msgs/msg/Point'), _type('std_msgs/msg/ColorRGBA')
    seconds, share = divmod(item.lifetime, 1.0)
    return _type('visualization_msgs/msg/Marker')(
        header=header, ns=item.ns, id=item.id, type=item.type, action=item.action,
        pose=_pose(item.position, item.orientation), scale=_vector(*item.scale),
        color=make_colour(*item.colour),
        lifetime=_type('builtin_interfaces/msg/Duration')(sec=int(seconds), nanosec=int(share * 1e9)),
        points=[make_point(*point) for point in item.points.tolist()],
        colors=[make_colour(*colour) for colour in item.colours.tolist()], text=item.text,
        frame_locked=False, mesh_resource='', mesh_use_embedded_materials=False, texture_resource='',
        texture=_type('sensor_msgs/msg/CompressedImage')(header=to_header(0, ''), format='',
                                                         data=np.empty(0, np.uint8)),
        uv_coordinates=[], mesh_file=_type('visualization_msgs/msg/MeshFile')(
            filename='', data=np.empty(0, np.uint8)))


def _pose(position: Iterable[float], quaternion: Iterable[float]) -> Any:
    return _type('geometry_msgs/msg/Pose')(
        position=_type('geometry_msgs/msg/Point')(*map(float, position)),
        orientation=_type('geometry_msgs/msg/Quaternion')(*map(float, quaternion)))


def _vector(x: float, y: float, z: float) -> Any:
    return _type('geometry_msgs/msg/Vector3')(x=x, y=y, z=z)


def _type(name: str) -> Any:
    return typestore().types[name]
