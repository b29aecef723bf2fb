"""Messages of ROS as they are read here: by attribute, so that those of rclpy and of rosbags will do alike."""

from __future__ import annotations

from typing import Any, Protocol, Sequence


class Time(Protocol):
    """builtin_interfaces/Time: seconds, and nanoseconds below a second."""

    @property
    def sec(self) -> int: ...

    @property
    def nanosec(self) -> int: ...


class Header(Protocol):
    """std_msgs/Header."""

    @property
    def stamp(self) -> Time: ...

    @property
    def frame_id(self) -> str: ...


class Stamped(Protocol):
    """Any message with a header."""

    @property
    def header(self) -> Header: ...


class PointCloud2(Stamped, Protocol):
    """sensor_msgs/PointCloud2, as drivers fill it: `pointcloud2.decode` believes nothing of it.

    data    height * row_step bytes: bytes, array, memoryview or uint8 array.
    fields  sensor_msgs/PointField: name, offset in the point, datatype (1 int8 ... 8 float64), count.
    """

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def fields(self) -> Sequence[Any]: ...

    @property
    def is_bigendian(self) -> bool: ...

    @property
    def point_step(self) -> int: ...

    @property
    def row_step(self) -> int: ...

    @property
    def data(self) -> Any: ...
