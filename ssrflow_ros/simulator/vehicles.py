"""Vehicles: cars, vans, buses, trucks, carts and forklifts.

Every builder takes the random generator and returns a `Body` that stands on z = 0 and looks along x.
"""

from __future__ import annotations

import numpy as np

from .body import GLASS, TINTED, Body, make_body, make_wheels, random_paint
from .motion import Joints
from .shapes import Mesh, balls, boxes, extrude, join, lump, tubes
from .walkers import pedestrian

# Side views as (x, z), shares of length and height, from the rear bumper over the roof to the front.
# The first is the body up to the waist, the second the cabin.
_CAR_SHAPES = {
    'sedan': (
        [(-0.5, 0.2), (-0.5, 0.62), (-0.3, 0.66), (0.18, 0.66), (0.46, 0.52), (0.5, 0.42), (0.5, 0.16)],
        [(-0.34, 0.64), (-0.2, 0.97), (-0.08, 1), (0.06, 0.97), (0.24, 0.64)],
    ),
    'hatchback': (
        [(-0.5, 0.2), (-0.5, 0.58), (-0.46, 0.64), (0.2, 0.64), (0.46, 0.52), (0.5, 0.4), (0.5, 0.16)],
        [(-0.48, 0.62), (-0.4, 0.96), (-0.2, 1), (0.05, 0.97), (0.26, 0.62)],
    ),
    'wagon': (
        [(-0.5, 0.2), (-0.5, 0.6), (-0.46, 0.64), (0.2, 0.64), (0.46, 0.52), (0.5, 0.4), (0.5, 0.16)],
        [(-0.48, 0.62), (-0.42, 0.98), (-0.2, 1), (0.08, 0.97), (0.26, 0.62)],
    ),
    'suv': (
        [(-0.5, 0.25), (-0.5, 0.64), (0.22, 0.66), (0.46, 0.58), (0.5, 0.45), (0.5, 0.2)],
        [(-0.49, 0.64), (-0.44, 0.98), (-0.1, 1), (0.1, 0.97), (0.25, 0.64)],
    ),
    'pickup': (
        [(-0.5, 0.28), (-0.5, 0.6), (-0.1, 0.6), (0.25, 0.6), (0.46, 0.56), (0.5, 0.45), (0.5, 0.25)],
        [(-0.1, 0.58), (-0.06, 0.96), (0.04, 1), (0.13, 0.97), (0.26, 0.58)],
    ),
    'coupe': (
        [(-0.5, 0.22), (-0.5, 0.7), (-0.3, 0.72), (0.12, 0.68), (0.45, 0.48), (0.5, 0.36), (0.5, 0.18)],
        [(-0.38, 0.68), (-0.16, 0.98), (-0.06, 1), (0.02, 0.97), (0.2, 0.66)],
    ),
}


def car(rng: np.random.Generator) -> Body:
    """A passenger car of one of several outlines."""
    shape = str(rng.choice(list(_CAR_SHAPES)))
    low, cabin = (np.array(outline) for outline in _CAR_SHAPES[shape])
    length = rng.uniform(3.5, 4.2) if shape == 'hatchback' else rng.uniform(4.2, 5.3)
    width = rng.uniform(1.65, 2.0)
    height = rng.uniform(1.65, 1.95) if shape in ('suv', 'pickup') else rng.uniform(1.35, 1.55)
    paint, scale, wheel = random_paint(rng), np.array([length, height]), rng.uniform(0.29, 0.36)
    roof = cabin[cabin[:, 1] > 0.9]
    parts = [
        extrude(low * scale, width / 2, paint, width / 2 * 0.95),
        extrude(cabin * scale, width / 2 * 0.9, GLASS, width / 2 * 0.7),
        boxes(
            [roof[:, 0].mean() * length, 0, height * 0.985], [np.ptp(roof[:, 0]) * length, width * 0.68, 0.05], paint
        ),
        make_wheels((-0.31 * length, 0.31 * length), width / 2 - 0.1, wheel),
        boxes(
            [[0.17 * length, side * (width / 2 + 0.08), 0.68 * height] for side in (1, -1)], [0.12, 0.2, 0.14], paint
        ),
    ]
    # Pillars, without which the cabin is glass only and hardly returns anything.
    posts = cabin[[0, 1, -2, -1]] * scale
    for side in (1, -1):
        waist, top = side * width / 2 * 0.9, side * width / 2 * 0.7
        feet = np.array(
            [
                [posts[0, 0], waist, posts[0, 1]],
                [posts[3, 0], waist, posts[3, 1]],
                [posts[:, 0].mean(), waist, posts[0, 1]],
            ]
        )
        heads = np.array(
            [[posts[1, 0], top, posts[1, 1]], [posts[2, 0], top, posts[2, 1]], [posts[:, 0].mean(), top, posts[1, 1]]]
        )
        parts.append(tubes(feet, heads, 0.06, rho=paint, sides=4))
    # What is seen through the windows: backs of the seats, the steering wheel.
    middle, rows = posts[:, 0].mean() - 0.2, 1 if shape in ('pickup', 'coupe') else 2
    seats = [[middle - 0.85 * row, side * 0.22 * width, 0.78 * height] for row in range(rows) for side in (1, -1)]
    parts += [
        boxes(seats, [0.14, 0.48, 0.24 * height], rng.uniform(0.1, 0.6)),
        boxes([middle + 0.6, 0.22 * width, 0.72 * height], [0.05, 0.36, 0.2], 0.2),
    ]
    if shape == 'pickup':
        bed = np.array([[-0.3 * length, side * (width / 2 - 0.05), 0.66 * height] for side in (1, -1)])
        parts.append(boxes(bed, [0.4 * length, 0.08, 0.16 * height], paint))
    if rng.random() < 0.1:
        parts.append(boxes([-0.1 * length, 0, height + 0.18], [1.6, 0.8, 0.3], 0.2))
    return make_body('car', [join(parts)], length / 2)


def van(rng: np.random.Generator) -> Body:
    """A delivery van or a people carrier."""
    length, width, height = rng.uniform(4.6, 6.8), rng.uniform(1.9, 2.2), rng.uniform(1.9, 2.8)
    paint = random_paint(rng)
    nose = min(0.8 / length, 0.18)
    low = np.array([(-0.5, 0.14), (-0.5, 1), (0.5 - 2 * nose, 1), (0.5 - nose * 0.9, 0.52), (0.5, 0.42), (0.5, 0.12)])
    glass = boxes(
        [[0.5 * length - 2.1 * nose * length, side * width * 0.495, 0.75 * height] for side in (1, -1)],
        [0.9, 0.04, 0.25 * height],
        TINTED,
    )
    parts = [
        extrude(low * [length, height], width / 2, paint, width / 2 * 0.93),
        glass,
        make_wheels((-0.3 * length, 0.34 * length), width / 2 - 0.12, 0.34),
    ]
    return make_body('van', [join(parts)], length / 2)


def _long_box(length: float, width: float, height: float, floor: float, paint: float) -> list[Mesh]:
    """A bus's section with a band of windows, centred on its length."""
    panes = np.arange(-length / 2 + 0.9, length / 2 - 0.6, 1.5)
    windows = [[x, side * (width / 2 - 0.01), 0.66 * height] for x in panes for side in (1, -1)]
    return [
        boxes([0, 0, (height + floor) / 2], [length, width - 0.06, height - floor], paint),
        boxes(windows, [1.2, 0.06, 0.32 * height], TINTED),
    ]


def bus(rng: np.random.Generator) -> Body:
    """A city bus, sometimes with an articulated rear."""
    width, height, paint = rng.uniform(2.4, 2.6), rng.uniform(2.8, 3.4), random_paint(rng)
    front = rng.uniform(9.0, 12.5)
    parts = [
        join(
            _long_box(front, width, height, 0.3, paint)
            + [make_wheels((-0.28 * front, 0.34 * front), width / 2 - 0.15, 0.48, 0.3)]
        )
    ]
    if rng.random() < 0.7:
        return make_body('bus', parts, front / 2)
    rear = rng.uniform(5.5, 7.0)
    parts.append(
        join(_long_box(rear, width, height, 0.3, paint) + [make_wheels((-0.1 * rear,), width / 2 - 0.15, 0.48, 0.3)])
    )
    return make_body('bus', parts, front / 2 + rear / 2, lags=(0.0, (front + rear) / 2 + 0.2))


def truck(rng: np.random.Generator) -> Body:
    """A rigid truck, or a tractor that draws a trailer: box, tank or flat bed."""
    width, height, paint = rng.uniform(2.3, 2.55), rng.uniform(2.6, 3.8), random_paint(rng)
    drawn = rng.random() < 0.5
    body = rng.uniform(9.0, 13.0) if drawn else rng.uniform(3.5, 7.5)
    cab = join(
        [
            extrude(
                np.array([(-1.1, 0.5), (-1.1, height), (0.6, height), (1.1, height * 0.55), (1.1, 0.4)]),
                width / 2,
                paint,
            ),
            boxes([[0.3, side * width * 0.49, height * 0.7] for side in (1, -1)], [0.9, 0.06, 0.7], TINTED),
        ]
    )
    load = str(rng.choice(['box', 'tank', 'flat'], p=[0.6, 0.2, 0.2]))
    cargo = [boxes([0, 0, 1.0], [body, 0.9, 0.25], 0.2)]
    if load == 'box':
        cargo.append(boxes([0, 0, (1.15 + height) / 2], [body, width, height - 1.15], rng.uniform(0.2, 0.8)))
    elif load == 'tank':
        radius = width / 2 * 0.9
        cargo.append(tubes([-body / 2, 0, 1.1 + radius], [body / 2, 0, 1.1 + radius], radius, rho=0.7, sides=14))
    else:
        count = rng.integers(0, 5)
        cargo.append(boxes([0, 0, 1.2], [body, width, 0.15], 0.3))
        if count:
            size = rng.uniform(0.5, 1.6, (count, 3))
            place = np.column_stack(
                [rng.uniform(-body / 2 + 1, body / 2 - 1, count), rng.uniform(-0.4, 0.4, count), 1.27 + size[:, 2] / 2]
            )
            cargo.append(boxes(place, size, 0.4))
    axles = (-0.3 * body, -0.3 * body - 1.1) if body > 6 else (-0.3 * body,)
    cargo.append(make_wheels(axles, width / 2 - 0.18, 0.5, 0.35))
    cab_wheels = make_wheels((0.0, -2.6) if drawn else (0.0,), width / 2 - 0.16, 0.5, 0.32)
    if drawn:
        chassis = boxes([-1.6, 0, 0.8], [3.4, 0.9, 0.3], 0.15)
        return make_body(
            'truck', [join([cab, cab_wheels, chassis]), join(cargo)], body / 2 + 1.5, lags=(0.0, body / 2 + 1.4)
        )
    shift = body / 2 + 1.25
    return make_body(
        'truck', [join([cab.moved(x=shift - 0.2), cab_wheels.moved(x=shift - 0.2), *cargo])], body / 2 + 1.2
    )


def cart(rng: np.random.Generator) -> Body:
    """A trolley, a pram, a wheeled bin, a low transport robot, or a tugger with its train."""
    style = str(rng.choice(['trolley', 'robot', 'pram', 'train'], p=[0.35, 0.35, 0.15, 0.15]))
    length, width = rng.uniform(0.5, 1.5), rng.uniform(0.45, 0.95)
    if style == 'robot':
        height = rng.uniform(0.2, 0.6)
        parts = [boxes([0, 0, 0.04 + height / 2], [length, width, height], rng.uniform(0.1, 0.8))]
        if rng.random() < 0.6:
            load = rng.uniform(0.2, 1.6)
            parts.append(boxes([0, 0, 0.04 + height + load / 2], [length * 0.9, width * 0.9, load], 0.5))
        if rng.random() < 0.3:
            parts.append(tubes([0.3 * length, 0, height], [0.3 * length, 0, height + 0.9], 0.04, rho=0.4))
        return make_body('cart', [join(parts)], length / 2 + 0.2)
    if style == 'pram':
        parts = [
            lump(rng, [0.42, 0.26, 0.28], 0.08, 0.3).moved(z=0.75),
            make_wheels((-0.3, 0.35), 0.26, 0.13, 0.05),
            tubes([[-0.3, 0.24, 0.2], [-0.3, -0.24, 0.2]], [[-0.75, 0.24, 1.02], [-0.75, -0.24, 1.02]], 0.018, rho=0.4),
        ]
        return make_body('cart', [join(parts)], 0.7)
    deck = join(
        [
            boxes([0, 0, 0.22], [length, width, 0.08], 0.3),
            tubes(
                [[x * length * 0.46, y * width * 0.45, 0.2] for x in (-1, 1) for y in (-1, 1)],
                [[x * length * 0.46, y * width * 0.45, 1.05] for x in (-1, 1) for y in (-1, 1)],
                0.02,
                rho=0.6,
            ),
            boxes([0, 0, 0.26 + 0.35], [length * 0.85, width * 0.85, rng.uniform(0.2, 0.7)], rng.uniform(0.1, 0.7)),
            make_wheels((-0.4 * length, 0.4 * length), width / 2 - 0.05, 0.09, 0.05),
        ]
    )
    if style == 'trolley':
        return make_body('cart', [deck], length / 2 + 0.2)
    tug = join(
        [
            boxes([0, 0, 0.45], [1.3, 0.8, 0.6], 0.5),
            boxes([-0.4, 0, 0.95], [0.3, 0.7, 0.5], 0.3),
            pedestrian(rng, 0.0, 1.5).at_rest().moved(x=-0.05, z=0.25),
        ]
    )
    wagons = rng.integers(1, 4)
    lags = (0.0, *(0.9 + length / 2 + k * (length + 0.35) for k in range(wagons)))
    return make_body('cart', [tug, *[deck] * wagons], 1.2, lags=lags)


def forklift(rng: np.random.Generator) -> Body:
    """A forklift truck with its driver, whose load goes up and down."""
    paint, load = rng.uniform(0.3, 0.8), rng.uniform(0.3, 1.4)
    corners = np.array([(-0.75, 0.45), (-0.75, -0.45), (0.35, 0.4), (0.35, -0.4)])
    feet = np.column_stack([corners, np.full(4, 0.9)])
    heads = np.column_stack([corners * 0.9, np.full(4, 2.1)])
    mast = [[0.95, sign * 0.35, 0.1] for sign in (1, -1)]
    chassis = join(
        [
            boxes([[-0.75, 0, 0.65], [0.2, 0, 0.45]], [[0.8, 1.05, 0.9], [1.3, 1.0, 0.5]], paint),
            tubes(feet, heads, 0.04, rho=0.3, sides=4),
            boxes([-0.2, 0, 2.12], [1.0, 0.85, 0.05], 0.3),
            tubes(mast, np.array(mast) + [0, 0, rng.uniform(1.9, 2.6)], 0.06, rho=0.3, sides=4),
            make_wheels((-0.8, 0.6), 0.46, 0.28, 0.18),
            balls([-0.2, 0, 1.75], [0.11, 0.1, 0.13], 0.5),
            tubes([-0.25, 0, 0.9], [-0.2, 0, 1.6], 0.16, 0.2, 0.4, 8),
        ]
    )
    forks = [boxes([[1.55, 0.25, 0.12], [1.55, -0.25, 0.12]], [1.15, 0.12, 0.05], 0.3)]
    if rng.random() < 0.6:
        forks.append(boxes([1.6, 0, 0.16 + load / 2], [1.0, rng.uniform(0.8, 1.2), load], 0.5))
    lift = np.array([[0, 0, 0], [0, 0, rng.uniform(0.0, 0.5)]])
    forks = [join(forks).moved(z=float(lift[1, 2]) + rng.uniform(0, 0.5))]
    joints = Joints(
        np.array([-1, 0]),
        np.zeros((2, 3)),
        np.tile([0.0, 1.0, 0.0], (2, 1)),
        np.zeros(2),
        np.zeros(2),
        np.array([0.0, rng.uniform(0, 6)]),
        lift,
        per_second=rng.uniform(0.05, 0.25),
    )
    return make_body('forklift', [chassis, *forks], 1.6, joints)
