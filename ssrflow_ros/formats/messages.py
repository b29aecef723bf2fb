"""The package's own objects as messages of rclpy (`node/messages.py`) or of rosbags (`bag_messages.py`)."""

from __future__ import annotations

from functools import cache
from typing import Any, Callable, Iterable

import numpy as np

from ..steps.deskew import twist
from ..sweep import FlowField
from .markers import Marker
from .message_types import Header
from .pointcloud2 import Cloud


class Messages:
    """Builds messages of the types that `types` gives by name, such as 'std_msgs/msg/Header'.

    A type is called with fields by keyword; those that are left out are zero or empty.
    """

    def __init__(self, types: Callable[[str], Callable[..., Any]]):
        self.type = cache(types)

    def pointcloud2(self, cloud: Cloud, header: Header) -> Any:
        """sensor_msgs/PointCloud2, under `header` as it is."""
        make_field = self.type('sensor_msgs/msg/PointField')
        return self.type('sensor_msgs/msg/PointCloud2')(
            header=header,
            height=cloud.height,
            width=cloud.width,
            point_step=cloud.point_step,
            row_step=cloud.row_step,
            is_bigendian=cloud.is_bigendian,
            is_dense=cloud.is_dense,
            data=cloud.data,
            fields=[make_field(name=f.name, offset=f.offset, datatype=f.datatype, count=f.count) for f in cloud.fields],
        )

    def marker_array(self, markers: Iterable[Marker], header: Header) -> Any:
        """visualization_msgs/MarkerArray, all of them under `header`."""
        return self.type('visualization_msgs/msg/MarkerArray')(markers=[self._marker(item, header) for item in markers])

    def odometry(
        self,
        header: Header,
        child_frame_id: str,
        pose: np.ndarray,
        velocity: Iterable[float] = (0, 0, 0),
        turn_rate: Iterable[float] = (0, 0, 0),
    ) -> Any:
        """nav_msgs/Odometry: pose (4, 4) of the child in the header's frame, m/s and rad/s in the child's axes.

        Covariances are left 0, which means unknown.
        """
        from scipy.spatial.transform import Rotation

        with_covariance = self.type('geometry_msgs/msg/PoseWithCovariance')
        twist = self.type('geometry_msgs/msg/Twist')(linear=self.vector(velocity), angular=self.vector(turn_rate))
        return self.type('nav_msgs/msg/Odometry')(
            header=header,
            child_frame_id=child_frame_id,
            pose=with_covariance(pose=self.pose(pose[:3, 3], Rotation.from_matrix(pose[:3, :3]).as_quat())),
            twist=self.type('geometry_msgs/msg/TwistWithCovariance')(twist=twist),
        )

    def ego_odometry(self, flow: FlowField, header: Any) -> Any:
        """nav_msgs/Odometry: how the sensor moved from the sweep before to that of `flow`, in the sensor's own frame.

        pose is that of the sensor now, seen from where it was at the sweep before; twist, m/s and rad/s, is the mean
        over that time in the axes of the sensor now. Covariances are left 0, which means unknown.
        """
        moved = twist(flow.ego_motion, flow.pair.dt)
        return self.odometry(header, header.frame_id, flow.ego_motion.target_from_source, *moved)

    def pose(self, position: Iterable[float], quaternion: Iterable[float]) -> Any:
        """geometry_msgs/Pose of (3,) m and (4,) x y z w."""
        x, y, z, w = map(float, quaternion)
        return self.type('geometry_msgs/msg/Pose')(
            position=self.point(position), orientation=self.type('geometry_msgs/msg/Quaternion')(x=x, y=y, z=z, w=w)
        )

    def point(self, values: Iterable[float]) -> Any:
        """geometry_msgs/Point of (3,) m."""
        x, y, z = map(float, values)
        return self.type('geometry_msgs/msg/Point')(x=x, y=y, z=z)

    def vector(self, values: Iterable[float]) -> Any:
        """geometry_msgs/Vector3 of (3,) numbers."""
        x, y, z = map(float, values)
        return self.type('geometry_msgs/msg/Vector3')(x=x, y=y, z=z)

    def _marker(self, item: Marker, header: Header) -> Any:
        seconds, share = divmod(item.lifetime, 1.0)
        return self.type('visualization_msgs/msg/Marker')(
            header=header,
            ns=item.ns,
            id=item.id,
            type=item.type,
            action=item.action,
            text=item.text,
            pose=self.pose(item.position, item.orientation),
            scale=self.vector(item.scale),
            color=self._colour(item.colour),
            lifetime=self.type('builtin_interfaces/msg/Duration')(sec=int(seconds), nanosec=int(share * 1e9)),
            points=_made_once(self.point, item.points),
            colors=_made_once(self._colour, item.colours),
        )

    def _colour(self, values: Iterable[float]) -> Any:
        red, green, blue, alpha = values
        return self.type('std_msgs/msg/ColorRGBA')(r=red, g=green, b=blue, a=alpha)


def _made_once(make: Callable[[Iterable[float]], Any], rows: np.ndarray) -> list[Any]:
    """make(row) of each of the rows (N, C); equal ones share an object, whose making is what costs."""
    made: dict[tuple[float, ...], Any] = {}
    return [made[row] if row in made else made.setdefault(row, make(row)) for row in map(tuple, rows.tolist())]
