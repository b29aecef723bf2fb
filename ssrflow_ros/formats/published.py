"""A flow field out of what was published of it: the annotated cloud and the objects cloud, live or recorded."""

from __future__ import annotations

from typing import Any, Callable, Iterable

import numpy as np

from ..sweep import Basis, EgoMotion, FlowField, MovingObject, Sweep, SweepPair
from .object_cloud import FIELDS
from .pointcloud2 import decode, read_field


def read_flow(
    cloud: Any,
    objects: Iterable[np.void],
    find_ground: Callable[[np.ndarray], np.ndarray],
    dt: float = -0.1,
    target_from_source: np.ndarray | None = None,
) -> FlowField:
    """The flow of the annotated PointCloud2 `cloud`, with the rows `objects` of `read_objects`.

    find_ground         as `make_ground` gives it: the ground is not published with the flow.
    dt                  seconds from the cloud to the sweep before it, negative.
    target_from_source  (4, 4), the sensor's motion as in EgoMotion; None: unknown, taken as none.

    Raises InputError for a cloud without vx, vy, vz, moving and object.
    """
    sweep = decode(cloud)
    before = Sweep.from_points(np.empty((0, 3)), sweep.stamp_ns + round(dt * 1e9), sweep.frame_id)
    velocity = read_velocity(cloud)[sweep.rows]
    items = [
        MovingObject(**{name: item[name] if item[name].ndim else item[name].item() for name in FIELDS})
        for item in objects
    ]
    return FlowField(
        SweepPair(sweep, before),
        EgoMotion(np.eye(4), 'none') if target_from_source is None else EgoMotion(target_from_source, 'odometry'),
        flow=dt * velocity,
        velocity=velocity,
        moving=read_field(cloud, 'moving')[sweep.rows].astype(bool),
        ground=find_ground(sweep.points),
        object_ids=read_field(cloud, 'object')[sweep.rows],
        objects=tuple(item for item in items if item.basis != Basis.PREDICTION),
        predicted=tuple(item for item in items if item.basis == Basis.PREDICTION),
    )


def read_velocity(cloud: Any) -> np.ndarray:
    """(N, 3) m/s of the rows of an annotated cloud."""
    return np.stack([read_field(cloud, name) for name in ('vx', 'vy', 'vz')], axis=1)
