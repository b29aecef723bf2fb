"""A made-up flow field for the tests of outputs: a street with cars of known speed."""

import numpy as np

from ssrflow_ros.sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair


def make_flow(
    objects: int = 2, stamp_ns: int = 10_000_000_000, frame_id: str = 'lidar', ground_points: int = 400
) -> FlowField:
    """Flat ground, two walls and `objects` cars, each with a velocity of its own; dt = -0.1 s."""
    rng = np.random.default_rng(objects)
    parts = [
        np.column_stack(
            [rng.uniform(-30, 30, ground_points), rng.uniform(-9, 9, ground_points), np.full(ground_points, -1.7)]
        )
    ]
    parts += [
        np.column_stack([rng.uniform(-30, 30, 200), np.full(200, side), rng.uniform(-1.6, 3, 200)])
        for side in (-9.0, 9.0)
    ]
    ids = [np.full(sum(map(len, parts)), -1)]
    ground = np.zeros(len(ids[0]) + 60 * objects, bool)
    ground[:ground_points] = True
    found = []
    for index in range(objects):
        centre = np.array([12.0 * index - 15, 4.0 * (-1) ** index, -0.9])
        velocity = np.array([(8.0 + 2 * index) * (-1) ** index, 0.5 * index, 0.0])
        parts.append(centre + rng.uniform(-0.5, 0.5, (60, 3)) * [4.4, 1.8, 1.5])
        ids.append(np.full(60, index))
        found.append(MovingObject(index, centre, np.array([4.4, 1.8, 1.5]), 0.0, velocity, 60))
    object_ids = np.concatenate(ids).astype(np.int32)
    velocity = np.zeros((len(object_ids), 3), np.float32)
    for item in found:
        velocity[object_ids == item.id] = item.velocity
    source = Sweep.from_points(np.concatenate(parts), stamp_ns, frame_id)
    target = Sweep.from_points(source.points - 0.1 * velocity, stamp_ns - 100_000_000, frame_id)
    return FlowField(
        SweepPair(source, target),
        EgoMotion(np.eye(4), 'given'),
        -0.1 * velocity,
        velocity,
        object_ids >= 0,
        ground,
        object_ids,
        tuple(found),
        {'ground': 4.0, 'network': 90.0},
    )
