"""Moving objects as a PointCloud2, one point an object: what `~/objects` carries, and how to read it. No ROS.

A tracker reads them into one structured array:

    >>> objects = read_objects(message)                  # of rclpy or of rosbags
    >>> objects['velocity'], objects['position_covariance']     # (N, 3) m/s, (N, 3, 3) m²
"""

from __future__ import annotations

from typing import Iterable

import numpy as np

from ..sweep import Basis, MovingObject
from ..transforms import transformed
from .message_types import PointCloud2
from .pointcloud2 import Cloud, has_field, pack, read_field

FIELDS: dict[str, tuple[str, ...]] = {
    'centre': ('x', 'y', 'z'),
    'velocity': ('vx', 'vy', 'vz'),
    'size': ('length', 'width', 'height'),
    'yaw': ('yaw',),
    'yaw_rate': ('yaw_rate',),
    'position_covariance': ('cov_x_x', 'cov_x_y', 'cov_x_z', 'cov_y_y', 'cov_y_z', 'cov_z_z'),
    'velocity_covariance': ('cov_vx_vx', 'cov_vx_vy', 'cov_vx_vz', 'cov_vy_vy', 'cov_vy_vz', 'cov_vz_vz'),
    'yaw_rate_variance': ('var_yaw_rate',),
    'probability': ('probability',),
    'id': ('object',),
    'track_id': ('track_id',),
    'age': ('age',),
    'n_points': ('n_points',),
    'basis': ('basis',),
}
"""The cloud's fields for each attribute of a MovingObject, in `OBJECT`'s order; of a covariance the upper triangle."""

_ABSENT = {'probability': 1.0, 'basis': Basis.UNKNOWN}  # of recordings that are older than these fields
_UPPER = np.triu_indices(3)
_WHOLE = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # upper triangle to symmetric matrix
_UNKNOWN = -1.0  # in place of a variance, since NaN is never published

OBJECT = np.dtype(
    [
        *(
            (name, np.float64, shape)
            for name, shape in {
                'centre': 3,
                'velocity': 3,
                'size': 3,
                'yaw': (),
                'yaw_rate': (),
                'position_covariance': (3, 3),
                'velocity_covariance': (3, 3),
                'yaw_rate_variance': (),
                'probability': (),
            }.items()
        ),
        *((name, np.int32) for name in ('id', 'track_id', 'age', 'n_points', 'basis')),
    ]
)
"""An object as its consumers read it; names, units and frames are those of MovingObject, a NaN is unknown."""


def encode_objects(objects: Iterable[MovingObject]) -> Cloud:
    """One point an object, float32 and int32; in an unknown covariance variances are -1 and the rest 0, never NaN."""
    rows = rows_of(objects)
    columns: dict[str, np.ndarray] = {}
    for name, fields in FIELDS.items():
        values = rows[name]
        if name.endswith('_covariance'):
            values = _known(values[:, _UPPER[0], _UPPER[1]], np.eye(3)[_UPPER])
        elif name.endswith('_variance'):
            values = _known(values[:, None], np.ones(1))
        kind = np.int32 if values.dtype.kind == 'i' else np.float32
        columns.update(zip(fields, values.reshape(len(rows), len(fields)).T.astype(kind)))
    return pack(columns)


def read_objects(message: PointCloud2) -> np.ndarray:
    """(N,) array of dtype OBJECT: the objects of a `~/objects` cloud, of rclpy or of rosbags.

    In the frame and at the time of the message's header. Raises InputError for a cloud without these fields; of one
    that was recorded without probabilities all are sure, without `basis` it is unknown.
    """
    rows = np.zeros(len(read_field(message, 'x')), OBJECT)
    for name, fields in FIELDS.items():
        if name in _ABSENT and not has_field(message, name):
            rows[name] = _ABSENT[name]
            continue
        values = np.stack([read_field(message, field) for field in fields], axis=1)
        if name.endswith(('_covariance', '_variance')):
            values = np.where(values[:, :1] < 0, np.nan, values)
        if name.endswith('_covariance'):
            values = values[:, _WHOLE]
        rows[name] = values.reshape(rows[name].shape)
    return rows


def moved(objects: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """`objects` of `read_objects`, given in a frame whose pose (4, 4) is known, in the axes of the pose's own frame."""
    out, turn = objects.copy(), pose[:3, :3]
    out['centre'] = transformed(objects['centre'], pose)
    out['velocity'] = objects['velocity'] @ turn.T
    out['yaw'] += np.arctan2(turn[1, 0], turn[0, 0])
    for name in ('position_covariance', 'velocity_covariance'):
        out[name] = turn @ objects[name] @ turn.T
    return out


def rows_of(objects: Iterable[MovingObject]) -> np.ndarray:
    """(N,) array of dtype OBJECT."""
    items = list(objects)
    rows = np.empty(len(items), OBJECT)
    for name in FIELDS:  # a column at a time: NumPy takes long for rows of many fields
        rows[name] = np.reshape([getattr(item, name) for item in items], rows[name].shape)
    return rows


def objects_of(rows: np.ndarray) -> list[MovingObject]:
    """The objects of an array of dtype OBJECT."""
    return [
        MovingObject(**{name: row[name].item() if not row[name].shape else row[name] for name in FIELDS})
        for row in rows
    ]


def _known(values: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """(N, k) `values`, a row that is not finite replaced by 'unknown' where `variances` (k,) is 1."""
    return np.where(np.isfinite(values).all(axis=1, keepdims=True), values, _UNKNOWN * variances)
