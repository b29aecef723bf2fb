"""Moving objects as messages of packages that not everybody has; each is imported only if it is asked for."""

from __future__ import annotations

import functools
import importlib
import uuid
from typing import Any, Callable, NamedTuple, Protocol, Sequence

import numpy as np
from geometry_msgs.msg import Pose, PoseWithCovariance, Twist, TwistWithCovariance, Vector3
from unique_identifier_msgs.msg import UUID

from ..errors import InputError
from ..sweep import MovingObject
from ..transforms import quaternion
from .messages import MESSAGES

_ANY_YAW = np.pi**2 / 12  # rad², variance of a direction of which nothing is known but its line
_OURS = uuid.uuid4()
_YAW = 5  # row of the turn about z in a covariance (6, 6) of ROS


class ObjectMessage(Protocol):
    """Makes a message of moving objects under their `header`.

    They are in the frame and at the stamp of that header, in m, m/s and rad, ego-motion removed (`MovingObject`).

    messages  the package's module of messages, such as `autoware_perception_msgs.msg`.
    """

    def __call__(self, messages: Any, objects: Sequence[MovingObject], header: Any) -> Any: ...


class Adapter(NamedTuple):
    """A further output: its topic, its type, and what makes its message of objects and their header."""

    topic: str
    type: type
    make: Callable[[Sequence[MovingObject], Any], Any]


def adapters(chosen: str) -> list[Adapter]:
    """The outputs that the setting `object_messages` asks for; InputError if their package is not installed."""
    return [_adapter(name) for name in ADAPTERS if chosen == name or chosen == 'both' and name in _BOTH]


def _adapter(name: str) -> Adapter:
    package, topic, kind, make, cure = ADAPTERS[name]
    try:
        messages = importlib.import_module(f'{package}.msg')
    except ImportError:
        raise InputError(
            f"object_messages: '{name}' needs the package {package}, which is not installed: {cure}"
        ) from None
    return Adapter(topic, getattr(messages, kind), functools.partial(make, messages))


def detected_objects(messages: Any, objects: Sequence[MovingObject], header: Any) -> Any:
    """autoware_perception_msgs/DetectedObjects: pose in the frame of the header, twist in that of the OBJECT."""
    return messages.DetectedObjects(header=header, objects=[_detected_object(messages, item) for item in objects])


def detections(messages: Any, objects: Sequence[MovingObject], header: Any) -> Any:
    """vision_msgs/Detection3DArray: boxes and tracks; it has no place for a velocity."""
    return messages.Detection3DArray(header=header, detections=[_detection(messages, item, header) for item in objects])


def obstacles(messages: Any, objects: Sequence[MovingObject], header: Any) -> Any:
    """nav2_dynamic_msgs/ObstacleArray: it has no place for a yaw, so a box is told by its extent along the axes."""
    return messages.ObstacleArray(header=header, obstacles=[_obstacle(messages, item) for item in objects])


_APT = 'sudo apt install ros-$ROS_DISTRO-'
ADAPTERS: dict[str, tuple[str, str, str, ObjectMessage, str]] = {
    'autoware': (
        'autoware_perception_msgs',
        '~/detected_objects',
        'DetectedObjects',
        detected_objects,
        f'{_APT}autoware-perception-msgs',
    ),
    'vision': ('vision_msgs', '~/detections', 'Detection3DArray', detections, f'{_APT}vision-msgs'),
    'nav2': (
        'nav2_dynamic_msgs',
        '~/obstacles',
        'ObstacleArray',
        obstacles,
        'clone https://github.com/ros-navigation/navigation2_dynamic into your workspace and build that package',
    ),
}
"""By the values of the setting `object_messages`: package, topic, type, what makes it, and how to get the package."""
_BOTH = 'autoware', 'vision'


def _detected_object(messages: Any, item: MovingObject) -> Any:
    forward, spread = _in_object_frame(item)
    kinematics = messages.DetectedObjectKinematics
    return messages.DetectedObject(
        existence_probability=float(item.probability),
        classification=[messages.ObjectClassification(label=messages.ObjectClassification.UNKNOWN, probability=1.0)],
        kinematics=kinematics(
            pose_with_covariance=_pose_with_covariance(item),
            has_position_covariance=_is_known(item.position_covariance),
            orientation_availability=kinematics.AVAILABLE if _faces_forward(item) else kinematics.SIGN_UNKNOWN,
            twist_with_covariance=TwistWithCovariance(
                twist=Twist(linear=MESSAGES.vector(forward), angular=Vector3(z=float(item.yaw_rate))),
                covariance=_covariance(spread, item.yaw_rate_variance),
            ),
            has_twist=True,
            has_twist_covariance=_is_known(item.velocity_covariance),
        ),
        shape=messages.Shape(type=messages.Shape.BOUNDING_BOX, dimensions=MESSAGES.vector(item.size)),
    )


def _detection(messages: Any, item: MovingObject, header: Any) -> Any:
    hypothesis = messages.ObjectHypothesis(class_id='moving', score=float(item.probability))
    return messages.Detection3D(
        header=header,
        id=str(item.track_id) if item.track_id >= 0 else '',
        results=[messages.ObjectHypothesisWithPose(hypothesis=hypothesis, pose=_pose_with_covariance(item))],
        bbox=messages.BoundingBox3D(center=_pose(item), size=MESSAGES.vector(item.size)),
    )


def _obstacle(messages: Any, item: MovingObject) -> Any:
    return messages.Obstacle(
        uuid=UUID(uuid=np.frombuffer(_uuid(item.track_id).bytes, np.uint8)),
        score=float(item.probability),
        position=MESSAGES.point(item.centre),
        velocity=MESSAGES.vector(item.velocity),
        size=MESSAGES.vector(np.abs(item.axes) @ item.size),  # of the box along the frame's axes
        position_covariance=np.nan_to_num(item.position_covariance, nan=0.0).reshape(9),
        velocity_covariance=np.nan_to_num(item.velocity_covariance, nan=0.0).reshape(9),
    )


def _uuid(track_id: int) -> uuid.UUID:
    """The same for a track as long as this process lives; of what nobody follows a new one."""
    return uuid.uuid5(_OURS, str(track_id)) if track_id >= 0 else uuid.uuid4()


def _in_object_frame(item: MovingObject) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (3,) and its covariance (3, 3) in the object's axes: x along its length."""
    turn = item.axes.T
    return turn @ item.velocity, turn @ item.velocity_covariance @ turn.T


def _pose(item: MovingObject) -> Pose:
    return MESSAGES.pose(item.centre, quaternion(item.axes))


def _faces_forward(item: MovingObject) -> bool:
    """Whether it moves along its length beyond doubt (two standard deviations), and not across it."""
    velocity, spread = _in_object_frame(item)
    doubt = 2 * np.sqrt(np.diag(spread))
    return bool(velocity[0] > doubt[0] and abs(velocity[1]) < doubt[1])


def _pose_with_covariance(item: MovingObject) -> PoseWithCovariance:
    velocity, spread = _in_object_frame(item)
    # Then its yaw is the direction of its velocity, and as sure as the velocity across allows.
    yaw_variance = min(spread[1, 1] / (velocity @ velocity), _ANY_YAW) if _faces_forward(item) else _ANY_YAW
    return PoseWithCovariance(pose=_pose(item), covariance=_covariance(item.position_covariance, yaw_variance))


def _covariance(linear: np.ndarray, about_z: float) -> np.ndarray:
    """(36,) of a linear block (3, 3) and a variance about z; what is unknown is 0, which in ROS means just that."""
    whole = np.zeros((6, 6))
    whole[:3, :3] = linear
    whole[_YAW, _YAW] = about_z
    return np.nan_to_num(whole, nan=0.0).reshape(36)


def _is_known(covariance: np.ndarray) -> bool:
    return bool(np.isfinite(covariance).all())
