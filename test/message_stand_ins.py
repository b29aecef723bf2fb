"""Messages of packages that PyPI lacks, made from their definitions: as strict as a message can be.

`DEFINITIONS` are the fields and the constants in use of autoware_perception_msgs 1.12, vision_msgs 4.1, and
nav2_dynamic_msgs of navigation2_dynamic e1b0d92. Where a package is installed, its own messages are taken.
"""

import functools
import importlib
import types

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

DEFINITIONS = {
    'autoware_perception_msgs': {
        'DetectedObjects': 'std_msgs/Header header\nDetectedObject[] objects',
        'DetectedObject': 'float32 existence_probability\nObjectClassification[] classification\n'
        'DetectedObjectKinematics kinematics\nShape shape',
        'DetectedObjectKinematics': 'uint8 UNAVAILABLE=0\nuint8 SIGN_UNKNOWN=1\nuint8 AVAILABLE=2\n'
        'geometry_msgs/PoseWithCovariance pose_with_covariance\n'
        'bool has_position_covariance\nuint8 orientation_availability\n'
        'geometry_msgs/TwistWithCovariance twist_with_covariance\n'
        'bool has_twist\nbool has_twist_covariance',
        'ObjectClassification': 'uint8 UNKNOWN=0\nuint8 label\nfloat32 probability',
        'Shape': 'uint8 BOUNDING_BOX=0\nuint8 type\ngeometry_msgs/Polygon footprint\ngeometry_msgs/Vector3 dimensions',
    },
    'vision_msgs': {
        'Detection3DArray': 'std_msgs/Header header\nDetection3D[] detections',
        'Detection3D': 'std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox3D bbox\nstring id',
        'ObjectHypothesisWithPose': 'ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose',
        'ObjectHypothesis': 'string class_id\nfloat64 score',
        'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size',
    },
    'nav2_dynamic_msgs': {
        'ObstacleArray': 'std_msgs/Header header\nObstacle[] obstacles',
        'Obstacle': 'unique_identifier_msgs/UUID uuid\nfloat32 score\ngeometry_msgs/Point position\n'
        'geometry_msgs/Vector3 velocity\ngeometry_msgs/Vector3 size\n'
        'float64[9] position_covariance\nfloat64[9] velocity_covariance',
    },
}

HASHES = {
    'autoware_perception_msgs/msg/DetectedObjects': '2facd6b15786cbd1f720cdd23d22e6d60d2e7e83b8dff8fd401330e24edb187b',
    'vision_msgs/msg/Detection3DArray': '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'nav2_dynamic_msgs/msg/ObstacleArray': '30bef8eb1da85ccb8d8fd860be402b7710dd81b368d1622325aa617436b0cb2a',
}
"""Type hashes (RIHS01) of the packages' own, as `ros2 topic info -v` shows them; what is nested counts too. That of
nav2_dynamic_msgs, which nobody ships built, is what rosidl_generator_type_description makes of the package's files."""

_PLAIN = {'float32': float, 'float64': float, 'bool': bool, 'uint8': int, 'string': str}


def message_module(package):
    """`package`.msg: the installed one, or stand-ins."""
    try:
        return importlib.import_module(f'{package}.msg')
    except ImportError:
        return stand_ins(package)


def stand_ins(package):
    """A module of classes that refuse unknown fields and values of another type."""
    module = types.ModuleType(f'{package}.msg')
    for name, text in DEFINITIONS[package].items():
        ((constants, fields),) = get_types_from_msg(text, f'{package}/msg/{name}').values()
        setattr(module, name, _message_class(module, name, constants, dict(fields)))
    return module


def serialized(package, kind, message):
    """CDR of `message`, by the definition; fails where the message does not fit it."""
    store = _typestore(package)
    raw = store.serialize_cdr(message, f'{package}/msg/{kind}')
    return store.deserialize_cdr(raw, f'{package}/msg/{kind}')


def type_hash(name):
    """RIHS01 hash of `name`, 'package/msg/Kind', as it is defined here."""
    return _typestore(name.split('/')[0]).hash_rihs01(name)


@functools.cache
def _typestore(package):
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS[package].items():
        store.register(get_types_from_msg(text, f'{package}/msg/{name}'))
    return store


def _message_class(module, name, constants, fields):
    def set_field(self, field, value):
        if field not in fields:
            raise AttributeError(f'{name} has no field {field}')
        if not _fits(module, fields[field], value):
            raise TypeError(f'{name}.{field} cannot be {value!r}')
        object.__setattr__(self, field, value)

    def build(self, **values):
        for field, kind in fields.items():
            object.__setattr__(self, field, _default(module, kind))
        for field, value in values.items():
            setattr(self, field, value)

    return type(
        name, (), {'__init__': build, '__setattr__': set_field, **{constant: value for constant, _, value in constants}}
    )


def _class_of(module, name):
    package, _, kind = name.split('/')
    return getattr(module if f'{package}.msg' == module.__name__ else importlib.import_module(f'{package}.msg'), kind)


def _default(module, kind):
    node, what = kind
    if node == Nodetype.SEQUENCE:
        return []
    if node == Nodetype.ARRAY:
        (_, (plain, _)), count = what
        return np.zeros(count, plain)
    return _class_of(module, what)() if node == Nodetype.NAME else _PLAIN[what[0]]()


def _fits(module, kind, value):
    node, what = kind
    if node == Nodetype.SEQUENCE:
        return isinstance(value, list) and all(_fits(module, what[0], item) for item in value)
    if node == Nodetype.ARRAY:
        (_, (plain, _)), count = what
        return isinstance(value, np.ndarray) and value.dtype == plain and value.shape == (count,)
    if node == Nodetype.NAME:
        return type(value) is _class_of(module, what)
    if type(value) is not _PLAIN[what[0]]:
        return False
    return 0 <= value < 256 if what[0] == 'uint8' else what[0] == 'string' or bool(np.isfinite(value))
