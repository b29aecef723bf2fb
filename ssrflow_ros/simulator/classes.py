"""What a ray can hit. The index of a name is its `class_id`."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    'ground',
    'building',
    'structure',
    'vegetation',
    'pole',
    'object',
    'car',
    'van',
    'bus',
    'truck',
    'motorcycle',
    'cyclist',
    'pedestrian',
    'cart',
    'forklift',
    'animal',
    'drone',
    'blob',
)

CLASS_ID: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}
