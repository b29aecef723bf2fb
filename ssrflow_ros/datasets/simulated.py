"""Pairs of the simulator, made as they are asked for; all sensors and scenes in turn."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..simulator import SENSORS, simulate
from ..simulator.classes import CLASSES
from ..simulator.simulate import LabelledSweep
from ..transforms import invert
from .labelled_pair import ARGOVERSE2, BACKGROUND, CATEGORIES, UNKNOWN, LabelledPair, Preparation, labelled_pair

UNSEEN_SEED = 3_000_000
"""No training and no choice of a constant uses the seeds from here on."""
PREPARATION = Preparation(
    'simulated pairs at 10 Hz, seeds from 3,000,000 on, the sensors in turn, scenes drawn; all points but the ground',
    ARGOVERSE2,
)
_KIND = {
    'car': 'car',
    'van': 'car',
    'pedestrian': 'pedestrian',
    'animal': 'pedestrian',
    'motorcycle': 'wheeled_vru',
    'cyclist': 'wheeled_vru',
    'bus': 'other_vehicle',
    'truck': 'other_vehicle',
    'cart': 'other_vehicle',
    'forklift': 'other_vehicle',
    'drone': 'unknown',
    'blob': 'unknown',
}
CATEGORY = np.array([CATEGORIES.index(_KIND.get(name, 'background')) for name in CLASSES], np.int8)
"""Category of each class of the simulator; of these both what moves and what stands is foreground."""


class Pairs:
    """Pair number i has seed UNSEEN_SEED + i and the sensor number i, counted round."""

    def __init__(self, count: int):
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> LabelledPair:
        if not 0 <= number < self._count:
            raise IndexError(number)
        sensor = list(SENSORS)[number % len(SENSORS)]
        first, second = simulate(UNSEEN_SEED + number, 2, sensor)
        return from_sweeps(f'{sensor}/{UNSEEN_SEED + number}', first, second, PREPARATION)


def category_of(class_id: np.ndarray, mover: np.ndarray) -> np.ndarray:
    """(N,) int8 of the simulator's class and number of the mover (N,), -1 for none: whatever moves is foreground."""
    category = CATEGORY[class_id]
    return np.where((category == BACKGROUND) & (mover >= 0), UNKNOWN, category).astype(np.int8)


def from_sweeps(name: str, first: LabelledSweep, second: LabelledSweep, preparation: Preparation) -> LabelledPair:
    """Of two LabelledSweeps, one after the other."""
    return labelled_pair(
        name,
        first.sweep.points,
        second.sweep.points,
        first.flow_next,
        preparation,
        scored=~first.ground,
        category=category_of(first.class_id, first.object_id),
        dt=first.dt,
        target_from_source=invert(second.pose) @ first.pose,
    )


def open_at(count: str) -> Pairs:
    """`count` is the number of pairs."""
    if not count.isdecimal() or not int(count):
        raise InputError(f"simulated:{count}: '{count}' is no number of pairs: give simulated:200 for 200 unseen pairs")
    return Pairs(int(count))
