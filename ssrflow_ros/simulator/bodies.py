"""Every body that moves or stands about, by its name in CLASSES."""

from __future__ import annotations

from typing import Callable

from .body import Body
from .distractors import blob, drone
from .vehicles import bus, car, cart, forklift, truck, van
from .walkers import animal, cyclist, motorcycle, pedestrian, scooter

BODIES: dict[str, Callable[..., Body]] = {
    'car': car,
    'van': van,
    'bus': bus,
    'truck': truck,
    'motorcycle': motorcycle,
    'cyclist': cyclist,
    'pedestrian': pedestrian,
    'scooter': scooter,
    'cart': cart,
    'forklift': forklift,
    'animal': animal,
    'drone': drone,
    'blob': blob,
}
