"""What stands still: builders of one thing each, at the origin, on z = 0, its front towards -y."""

from __future__ import annotations

import numpy as np

from .body import GLASS
from .shapes import Mesh, balls, boxes, join, leaves, lump, tubes

SINK = 1.5
"""Metres that walls reach below their ground point, so that no gap opens on a slope."""


def building(rng: np.random.Generator, width: float, depth: float, height: float) -> Mesh:
    """A block whose front has piers and bands, with windows set back between them: dark, or with rooms behind."""
    wall, recess = rng.uniform(0.2, 0.7), rng.uniform(0.08, 0.5)
    pane = GLASS if rng.random() < 0.75 else wall * 0.6
    middle, tall = (height - SINK) / 2, height + SINK
    parts = [boxes([0, depth / 2 + recess, middle], [width, depth, tall], wall)]
    if rng.random() < 0.85:
        piers = np.linspace(-width / 2, width / 2, max(int(width / rng.uniform(2, 4)), 1) + 1)
        bands = np.arange(rng.uniform(0.6, 1.1), height, rng.uniform(2.6, 3.6))
        pier, band = rng.uniform(0.3, 1.4), rng.uniform(0.6, 1.6)
        inside = (
            rooms(rng, width, depth, height, piers, bands - band / 2)
            if pane == GLASS
            else boxes([0, depth / 2, middle], [width, depth, tall], wall)
        )
        parts = [
            boxes([0, recess + 0.02, middle], [width, 0.04, tall], pane),
            inside.moved(y=recess + 0.04),
            boxes([[x, recess / 2, middle] for x in piers], [pier, recess, tall], wall),
            boxes([[0, recess / 2, z] for z in bands], [width, recess * 0.98, band], wall),
        ]
    if rng.random() < 0.35:
        count = rng.integers(1, 6)
        place = np.column_stack(
            [
                rng.uniform(-width / 2 + 1, width / 2 - 1, count),
                np.full(count, -0.6),
                rng.uniform(2.8, max(height - 1, 3), count),
            ]
        )
        parts.append(boxes(place, [2.0, 1.3, 0.9], wall * 0.8))
    if rng.random() < 0.4:
        parts.append(boxes([0, depth / 2, height + 0.3], [width + 0.6, depth + 0.8, 0.3], 0.3))
    return join(parts).named('building')


def rooms(
    rng: np.random.Generator, width: float, depth: float, height: float, piers: np.ndarray, floors: np.ndarray
) -> Mesh:
    """What is seen through the windows of a building: floors, partitions, rooms that end somewhere, things in them.

    Curtains and shutters close some windows, a passage to the yard may open instead of a room.
    """
    rho, middle, tall = rng.uniform(0.2, 0.7), (height - SINK) / 2, height + SINK
    walls = rng.choice(piers, rng.integers(len(piers) // 2 + 1), replace=False)
    side = [[x, depth / 2, middle] for x in (-width / 2, width / 2, *walls)]
    parts = [
        boxes([0, depth / 2, height], [width, depth, 0.3], rho),
        boxes(side, [0.15, depth, tall], rho),
        boxes([[0, depth / 2, z] for z in (-0.3, *floors[1:])], [width, depth, 0.2], rho),
    ]
    bays = np.diff(piers)
    passage = rng.integers(len(bays)) if rng.random() < 0.3 else -1
    for bay, (left, broad) in enumerate(zip(piers, bays)):
        storeys = [*floors, height]
        for low, high in zip(storeys, storeys[1:]):
            if bay == passage and low == storeys[0]:
                continue
            x, end, z = left + broad / 2, rng.uniform(min(1.5, depth), depth), (low + high) / 2
            parts.append(boxes([x, end, z], [broad, 0.1, high - low], rho))
            if rng.random() < 0.25:
                parts.append(boxes([x, 0.1, z], [broad, 0.03, high - low], rho * 0.8))
            things = rng.integers(0, 4)
            if things:
                size = rng.uniform([0.3, 0.3, 0.4], [1.8, 0.9, 2.1], (things, 3))
                place = rng.uniform([left, 0.4, 0.0], [left + broad, end, 0.01], (things, 3))
                parts.append(boxes(place + [0, 0, low + 0.1] + size * [0, 0, 0.5], size, rng.uniform(0.2, 0.7)))
    return join(parts)


def wall(rng: np.random.Generator, length: float, height: float) -> Mesh:
    """A free-standing wall along x, sometimes with a coping and posts, sometimes with a gateway."""
    gate = min(rng.choice([0.0, rng.uniform(1, 4)]), 0.4 * length)
    start = rng.uniform(-length / 2, length / 2 - gate)
    ends = np.array([[-length / 2, start], [start + gate, length / 2]])
    broad, middle = np.diff(ends)[:, 0], ends.mean(axis=1)
    parts = [
        boxes(
            [[x, 0, (height - SINK) / 2] for x in middle],
            np.column_stack([broad, np.full(2, rng.uniform(0.15, 0.4)), np.full(2, height + SINK)]),
            rng.uniform(0.2, 0.7),
        )
    ]
    if rng.random() < 0.5:
        posts = np.arange(-length / 2, length / 2 + 0.1, rng.uniform(2, 4))
        parts.append(boxes([[x, 0, height / 2] for x in posts], [0.45, 0.45, height + 0.2], 0.4))
    return join(parts).named('structure')


def fence(rng: np.random.Generator, length: float, height: float) -> Mesh:
    """Posts with rails, slats or wire, through which rays pass."""
    posts = np.arange(-length / 2, length / 2 + 0.1, rng.uniform(1.8, 3.0))
    ends = np.column_stack([posts, 0 * posts, 0 * posts])
    parts = [tubes(ends - [0, 0, 0.4], ends + [0, 0, height], 0.04, rho=0.4, sides=4)]
    rails = rng.uniform(0.15, height, rng.integers(2, 6))
    parts.append(boxes([[0, 0, z] for z in rails], [length, 0.03, rng.choice([0.03, 0.12])], 0.4))
    if rng.random() < 0.6:
        slats = np.arange(-length / 2, length / 2, rng.uniform(0.15, 0.4))
        parts.append(boxes([[x, 0.03, height / 2] for x in slats], [rng.uniform(0.02, 0.12), 0.02, height], 0.4))
    return join(parts).named('structure')


def hedge(rng: np.random.Generator, length: float, height: float) -> Mesh:
    """A leafy wall with a rough skin."""
    depth = rng.uniform(0.5, 1.2)
    core = boxes([0, 0, height * 0.4], [length, depth * 0.7, height * 0.9], 0.3)
    count = int(length * height * 14)
    middle = rng.uniform(-0.5, 0.5, (count, 1, 3)) * [length, depth * 1.1, height] + [0, 0, height / 2]
    skin = Mesh.of(middle + rng.normal(0, 0.12, (count, 3, 3)), np.arange(3 * count), 0.35)
    return join([core, skin]).named('vegetation')


def tree(rng: np.random.Generator) -> Mesh:
    """A trunk, some boughs and a crown of loose leaves: round, or a cone, or bare."""
    height = rng.uniform(3.5, 14.0)
    trunk, clear = rng.uniform(0.08, 0.35), rng.uniform(0.15, 0.4) * height
    lean = rng.normal(0, 0.03, 2) * height
    top = np.array([lean[0], lean[1], height * 0.8])
    boughs = rng.integers(3, 9)
    share = rng.uniform(0.35, 0.9, (boughs, 1))
    tips = top * share + rng.normal(0, 0.16, (boughs, 3)) * height * [1, 1, 0.4] + [0, 0, 0.1 * height]
    parts = [tubes([0, 0, -0.5], top, trunk, trunk * 0.4, 0.3), tubes(top * share, tips, trunk * 0.35, 0.02, 0.3, 4)]
    wood = join(parts)
    form = rng.random()
    if form < 0.12:
        return wood.named('vegetation')
    crown = np.array([0, 0, (height - clear) / 2])
    radii = np.array([rng.uniform(0.18, 0.35) * height] * 2 + [(height - clear) / 2])
    foliage = leaves(
        rng,
        top * 0.6 * [1, 1, 0] + crown + [0, 0, clear],
        radii,
        int(rng.uniform(80, 260)),
        rng.uniform(0.25, 0.6),
        rng.uniform(0.2, 0.5),
    )
    if form < 0.35:
        narrowing = np.clip((height - foliage.vertices[:, 2:]) / (height - clear), 0.03, 1.2)
        foliage.vertices[:, :2] *= narrowing
    return join([wood, foliage]).named('vegetation')


def bush(rng: np.random.Generator) -> Mesh:
    """A rough lump with leaves."""
    radii = rng.uniform(0.3, 1.3, 3)
    return join(
        [lump(rng, radii * 0.8, 0.2, 0.3).moved(z=radii[2] * 0.5), leaves(rng, [0, 0, radii[2] * 0.6], radii, 50, 0.22)]
    ).named('vegetation')


def grass(rng: np.random.Generator, length: float, width: float) -> Mesh:
    """Tufts over a rectangle."""
    count = int(min(length * width * 3, 500))
    foot = rng.uniform(-0.5, 0.5, (count, 3)) * [length, width, 0]
    spread = rng.normal(0, 0.12, (count, 3, 3))
    spread[..., 2] = [0, 0, 1] * rng.uniform(0.1, 0.6, (count, 1))
    return Mesh.of(foot[:, None] + spread, np.arange(3 * count), 0.4).named('vegetation')


def pole(rng: np.random.Generator) -> Mesh:
    """A lamp post, a sign, a traffic light or a bollard."""
    style = rng.integers(4)
    if style == 0:
        height, arm = rng.uniform(4.5, 10.0), rng.uniform(0.5, 2.5)
        return join(
            [
                tubes([0, 0, -0.5], [0, 0, height], 0.1, 0.06, 0.5),
                tubes([0, 0, height], [0, -arm, height + 0.2], 0.05, rho=0.5, sides=4),
                boxes([0, -arm, height + 0.15], [0.25, 0.7, 0.12], 0.5),
            ]
        ).named('pole')
    if style == 1:
        height, size = rng.uniform(1.8, 3.2), rng.uniform(0.4, 1.2, 2)
        return join(
            [
                tubes([0, 0, -0.5], [0, 0, height], 0.04, rho=0.5),
                boxes([0.05, 0, height], [0.03, size[0], size[1]], 0.95),
            ]
        ).named('pole')
    if style == 2:
        return join(
            [tubes([0, 0, -0.5], [0, 0, 3.2], 0.07, rho=0.5), boxes([0.12, 0, 2.8], [0.25, 0.32, 0.95], 0.15)]
        ).named('pole')
    return tubes([0, 0, -0.2], [0, 0, rng.uniform(0.5, 1.2)], rng.uniform(0.04, 0.15), rho=0.5).named('pole')


def furniture(rng: np.random.Generator) -> Mesh:
    """A bench, a bin, a box, a bus shelter, a planter or a cable cabinet."""
    style = rng.integers(6)
    if style == 0:
        return boxes(
            [[0, 0, 0.45], [0, 0.22, 0.75], [-0.7, 0, 0.22], [0.7, 0, 0.22]],
            [[1.6, 0.45, 0.06], [1.6, 0.05, 0.4], [0.08, 0.4, 0.45], [0.08, 0.4, 0.45]],
            0.4,
        )
    if style == 1:
        return tubes([0, 0, 0], [0, 0, rng.uniform(0.7, 1.3)], rng.uniform(0.2, 0.4), rho=0.3, sides=10)
    if style == 2:
        size = rng.uniform(0.3, 1.4, 3)
        return boxes([0, 0, size[2] / 2], size, rng.uniform(0.1, 0.7)).moved(yaw=rng.uniform(0, 3))
    if style == 3:
        return join(
            [
                boxes([0, 0.7, 1.2], [3.5, 0.04, 2.2], GLASS),
                boxes([0, 0, 2.45], [3.8, 1.6, 0.1], 0.4),
                tubes([[x, 0.7, 0] for x in (-1.8, 0, 1.8)], [[x, 0.7, 2.4] for x in (-1.8, 0, 1.8)], 0.05),
                boxes([0, 0.4, 0.5], [2.5, 0.4, 0.06], 0.4),
            ]
        )
    if style == 4:
        return join([boxes([0, 0, 0.3], [1.2, 0.6, 0.6], 0.4), bush(rng).scaled(0.6, 0.6, 0.6).moved(z=0.5)])
    return boxes([0, 0, 0.7], [rng.uniform(0.7, 1.6), 0.4, 1.4], 0.5)


def container(rng: np.random.Generator) -> Mesh:
    """One shipping container or a stack of two, ribbed."""
    length = rng.choice([6.06, 12.19])
    ribs = np.arange(-length / 2 + 0.3, length / 2, 0.6)
    rho = rng.uniform(0.15, 0.6)
    one = join(
        [
            boxes([0, 0, 1.3], [length, 2.3, 2.6], rho),
            boxes([[x, side * 1.17, 1.3] for x in ribs for side in (1, -1)], [0.3, 0.07, 2.5], rho),
        ]
    )
    return (join([one, one.moved(x=rng.normal(0, 0.3), z=2.62)]) if rng.random() < 0.3 else one).named('structure')


def heap(rng: np.random.Generator) -> Mesh:
    """Spoil, gravel or rubble."""
    radii = rng.uniform(1.0, 4.0, 3) * [1, 1, 0.5]
    return lump(rng, radii, 0.12, rng.uniform(0.2, 0.5), fine=True).named('structure')


def rack(rng: np.random.Generator, length: float) -> Mesh:
    """Warehouse shelving along x with goods on some of its places."""
    depth, height, bay = rng.uniform(0.7, 1.3), rng.uniform(2.0, 7.0), rng.uniform(1.2, 2.8)
    floors = np.arange(rng.uniform(0.1, 0.3), height, rng.uniform(0.8, 1.8))
    posts = np.arange(-length / 2, length / 2 + 0.01, bay)
    feet = np.array([[x, side * depth / 2, 0] for x in posts for side in (1, -1)])
    parts = [
        tubes(feet, feet + [0, 0, height], 0.05, rho=0.5, sides=4),
        boxes([[0, 0, z] for z in floors], [length, depth, 0.06], 0.4),
    ]
    places = np.array([[x, 0, z + 0.03] for x in posts[:-1] + bay / 2 for z in floors]).reshape(-1, 3)
    places = places[rng.random(len(places)) < rng.uniform(0.3, 0.95)]
    if len(places):
        size = rng.uniform(0.35, 0.95, (len(places), 3)) * [bay, depth, 0.8]
        parts.append(boxes(places + size * [0, 0, 0.5], size, rng.uniform(0.2, 0.7)))
    return join(parts).named('structure')


def goods(rng: np.random.Generator) -> Mesh:
    """A pallet with boxes, a barrel, a table, a machine or a lying pipe."""
    style = rng.integers(5)
    if style == 0:
        layers = rng.integers(0, 4)
        parts = [boxes([0, 0, 0.07], [1.2, 0.8, 0.14], 0.4)]
        if layers:
            size = rng.uniform(0.7, 1.0, (layers, 3)) * [1.2, 0.8, 0.5]
            parts.append(boxes(np.array([[0, 0, 0.4 + 0.45 * k] for k in range(layers)]), size, rng.uniform(0.2, 0.7)))
        return join(parts)
    if style == 1:
        return tubes([0, 0, 0], [0, 0, 0.9], 0.3, rho=0.4, sides=12)
    if style == 2:
        legs = np.array([[x, y, 0] for x in (-0.7, 0.7) for y in (-0.35, 0.35)])
        return join([boxes([0, 0, 0.74], [1.6, 0.8, 0.05], 0.5), tubes(legs, legs + [0, 0, 0.72], 0.03, rho=0.4)])
    if style == 3:
        size = rng.uniform(0.6, 2.2, 3)
        return join(
            [
                boxes([0, 0, size[2] / 2], size, rng.uniform(0.2, 0.7)),
                tubes([0, 0, size[2]], [0, 0, size[2] + 0.8], 0.2, rho=0.4),
                balls([size[0] / 2, 0, 1], 0.3),
            ]
        )
    length = rng.uniform(1.5, 5.0)
    return tubes([-length / 2, 0, 0.2], [length / 2, 0, 0.2], rng.uniform(0.1, 0.35), rho=0.4, sides=10)


def room(rng: np.random.Generator, length: float, width: float, height: float, ceiling: bool) -> Mesh:
    """Four walls around the origin with pilasters, doors' recesses and perhaps a ceiling with beams."""
    rho, x, y, z = rng.uniform(0.3, 0.8), length / 2, width / 2, height / 2
    parts = [
        boxes(
            [[0, y + 0.1, z], [0, -y - 0.1, z], [x + 0.1, 0, z], [-x - 0.1, 0, z]],
            [[length, 0.2, height + 1], [length, 0.2, height + 1], [0.2, width, height + 1], [0.2, width, height + 1]],
            rho,
        )
    ]
    step, deep = rng.uniform(3, 8), rng.uniform(0.1, 0.6)
    piers = [[u, side * y, z] for u in np.arange(-x, x + 0.1, step) for side in (1, -1)]
    piers += [[side * x, u, z] for u in np.arange(-y, y + 0.1, step) for side in (1, -1)]
    parts.append(boxes(piers, [deep, deep, height], rho * 0.8))
    if rng.random() < 0.5:
        doors = rng.integers(1, 6)
        parts.append(
            boxes(
                np.column_stack([rng.uniform(-x, x, doors), rng.choice([-y, y], doors), np.full(doors, 1.1)]),
                [rng.uniform(1, 3), 0.12, 2.2],
                rng.choice([0.5, GLASS]),
            )
        )
    if ceiling:
        beams = np.arange(-x, x, rng.uniform(2, 6))
        parts += [
            boxes([0, 0, height + 0.1], [length, width, 0.2], rho),
            boxes([[u, 0, height - 0.2] for u in beams], [0.25, width, 0.4], rho * 0.7),
        ]
    return join(parts).named('building')
