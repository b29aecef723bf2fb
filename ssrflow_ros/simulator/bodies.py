"""Bodies that move or stand about: what they are made of, and how their limbs hang together.

Every builder takes the random generator and returns a `Body` that stands on z = 0 and looks along x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from .motion import Joints
from .shapes import Mesh, balls, boxes, convex_blob, extrude, join, lump, split, tubes

GLASS = 0.01


@dataclass(frozen=True, eq=False)
class Body:
    """Rigid parts of one thing.

    kind    name in CLASSES.  parts: one mesh each.
    radius  m, of the circle on the ground that it needs.
    joints  how the parts swing, or None.
    lags    (K,) m that each part follows behind on the path (trailers), or None.
    """

    kind: str
    parts: tuple[Mesh, ...]
    radius: float
    joints: Joints | None = None
    lags: tuple[float, ...] | None = None

    def at_rest(self) -> Mesh:
        """All parts as one mesh, as they hang at rest."""
        return join(
            part.moved(x=-lag) for part, lag in zip(self.parts, self.lags or (0.0,) * len(self.parts))
        )


def _body(kind: str, parts, radius: float, joints: Joints | None = None, lags=None) -> Body:
    return Body(kind, tuple(part.named(kind) for part in parts), radius, joints, lags)


def _paint(rng: np.random.Generator) -> float:
    """Car paint: mostly bright, sometimes nearly black to the laser."""
    return float(rng.choice([rng.uniform(0.2, 0.9), rng.uniform(0.015, 0.06)], p=[0.85, 0.15]))


def _wheels(xs, half_track: float, radius: float, width: float = 0.22) -> Mesh:
    centres = np.array([[x, side * half_track, radius] for x in xs for side in (1, -1)])
    shift = np.array([0, width / 2, 0])
    return tubes(centres - shift, centres + shift, radius, rho=0.08, sides=12)


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
    paint, scale, wheel = _paint(rng), np.array([length, height]), rng.uniform(0.29, 0.36)
    roof = cabin[cabin[:, 1] > 0.9]
    parts = [
        extrude(low * scale, width / 2, paint, width / 2 * 0.95),
        extrude(cabin * scale, width / 2 * 0.9, GLASS, width / 2 * 0.7),
        boxes(
            [roof[:, 0].mean() * length, 0, height * 0.985],
            [np.ptp(roof[:, 0]) * length, width * 0.68, 0.05],
            paint,
        ),
        _wheels((-0.31 * length, 0.31 * length), width / 2 - 0.1, wheel),
        boxes(
            [[0.17 * length, side * (width / 2 + 0.08), 0.68 * height] for side in (1, -1)],
            [0.12, 0.2, 0.14],
            paint,
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
            [
                [posts[1, 0], top, posts[1, 1]],
                [posts[2, 0], top, posts[2, 1]],
                [posts[:, 0].mean(), top, posts[1, 1]],
            ]
        )
        parts.append(tubes(feet, heads, 0.06, rho=paint, sides=4))
    if shape == 'pickup':
        bed = np.array([[-0.3 * length, side * (width / 2 - 0.05), 0.66 * height] for side in (1, -1)])
        parts.append(boxes(bed, [0.4 * length, 0.08, 0.16 * height], paint))
    if rng.random() < 0.1:
        parts.append(boxes([-0.1 * length, 0, height + 0.18], [1.6, 0.8, 0.3], 0.2))
    return _body('car', [join(parts)], length / 2)


def van(rng: np.random.Generator) -> Body:
    """A delivery van or a people carrier."""
    length, width, height = rng.uniform(4.6, 6.8), rng.uniform(1.9, 2.2), rng.uniform(1.9, 2.8)
    paint = _paint(rng)
    nose = min(0.8 / length, 0.18)
    low = np.array(
        [(-0.5, 0.14), (-0.5, 1), (0.5 - 2 * nose, 1), (0.5 - nose * 0.9, 0.52), (0.5, 0.42), (0.5, 0.12)]
    )
    glass = boxes(
        [[0.5 * length - 2.1 * nose * length, side * width * 0.495, 0.75 * height] for side in (1, -1)],
        [0.9, 0.04, 0.25 * height],
        GLASS,
    )
    parts = [
        extrude(low * [length, height], width / 2, paint, width / 2 * 0.93),
        glass,
        _wheels((-0.3 * length, 0.34 * length), width / 2 - 0.12, 0.34),
    ]
    return _body('van', [join(parts)], length / 2)


def _long_box(length: float, width: float, height: float, floor: float, paint: float) -> list[Mesh]:
    """A bus's section with a band of windows, centred on its length."""
    panes = np.arange(-length / 2 + 0.9, length / 2 - 0.6, 1.5)
    windows = [[x, side * (width / 2 - 0.01), 0.66 * height] for x in panes for side in (1, -1)]
    return [
        boxes([0, 0, (height + floor) / 2], [length, width - 0.06, height - floor], paint),
        boxes(windows, [1.2, 0.06, 0.32 * height], GLASS),
    ]


def bus(rng: np.random.Generator) -> Body:
    """A city bus, sometimes with an articulated rear."""
    width, height, paint = rng.uniform(2.4, 2.6), rng.uniform(2.8, 3.4), _paint(rng)
    front = rng.uniform(9.0, 12.5)
    parts = [
        join(
            _long_box(front, width, height, 0.3, paint)
            + [_wheels((-0.28 * front, 0.34 * front), width / 2 - 0.15, 0.48, 0.3)]
        )
    ]
    if rng.random() < 0.7:
        return _body('bus', parts, front / 2)
    rear = rng.uniform(5.5, 7.0)
    parts.append(
        join(
            _long_box(rear, width, height, 0.3, paint)
            + [_wheels((-0.1 * rear,), width / 2 - 0.15, 0.48, 0.3)]
        )
    )
    return _body('bus', parts, front / 2 + rear / 2, lags=(0.0, (front + rear) / 2 + 0.2))


def truck(rng: np.random.Generator) -> Body:
    """A rigid truck, or a tractor that draws a trailer: box, tank or flat bed."""
    width, height, paint = rng.uniform(2.3, 2.55), rng.uniform(2.6, 3.8), _paint(rng)
    drawn = rng.random() < 0.5
    body = rng.uniform(9.0, 13.0) if drawn else rng.uniform(3.5, 7.5)
    cab = join(
        [
            extrude(
                np.array([(-1.1, 0.5), (-1.1, height), (0.6, height), (1.1, height * 0.55), (1.1, 0.4)]),
                width / 2,
                paint,
            ),
            boxes([[0.3, side * width * 0.49, height * 0.7] for side in (1, -1)], [0.9, 0.06, 0.7], GLASS),
        ]
    )
    load = str(rng.choice(['box', 'tank', 'flat'], p=[0.6, 0.2, 0.2]))
    cargo = [boxes([0, 0, 1.0], [body, 0.9, 0.25], 0.2)]
    if load == 'box':
        cargo.append(boxes([0, 0, (1.15 + height) / 2], [body, width, height - 1.15], rng.uniform(0.2, 0.8)))
    elif load == 'tank':
        radius = width / 2 * 0.9
        cargo.append(
            tubes([-body / 2, 0, 1.1 + radius], [body / 2, 0, 1.1 + radius], radius, rho=0.7, sides=14)
        )
    else:
        count = rng.integers(0, 5)
        cargo.append(boxes([0, 0, 1.2], [body, width, 0.15], 0.3))
        if count:
            size = rng.uniform(0.5, 1.6, (count, 3))
            place = np.column_stack(
                [
                    rng.uniform(-body / 2 + 1, body / 2 - 1, count),
                    rng.uniform(-0.4, 0.4, count),
                    1.27 + size[:, 2] / 2,
                ]
            )
            cargo.append(boxes(place, size, 0.4))
    axles = (-0.3 * body, -0.3 * body - 1.1) if body > 6 else (-0.3 * body,)
    cargo.append(_wheels(axles, width / 2 - 0.18, 0.5, 0.35))
    cab_wheels = _wheels((0.0, -2.6) if drawn else (0.0,), width / 2 - 0.16, 0.5, 0.32)
    if drawn:
        chassis = boxes([-1.6, 0, 0.8], [3.4, 0.9, 0.3], 0.15)
        return _body(
            'truck',
            [join([cab, cab_wheels, chassis]), join(cargo)],
            body / 2 + 1.5,
            lags=(0.0, body / 2 + 1.4),
        )
    shift = body / 2 + 1.25
    return _body(
        'truck', [join([cab.moved(x=shift - 0.2), cab_wheels.moved(x=shift - 0.2), *cargo])], body / 2 + 1.2
    )


def _joints(rows, per_metre: float = 0.0, per_second: float = 0.0) -> Joints:
    """From rows of (parent, pivot, mean, amplitude, phase); all turn about the body's y axis."""
    parents, pivots, means, amplitudes, phases = zip(*rows)
    count = len(rows)
    return Joints(
        np.array(parents),
        np.array(pivots, float),
        np.tile([0.0, 1.0, 0.0], (count, 1)),
        np.array(means, float),
        np.array(amplitudes, float),
        np.array(phases, float),
        np.zeros((count, 3)),
        per_metre,
        per_second,
    )


_STILL = (-1, (0, 0, 0), 0.0, 0.0, 0.0)


def pedestrian(rng: np.random.Generator, speed: float = 1.3, height: float | None = None) -> Body:
    """A person whose arms and legs swing as `speed` m/s asks for; nearly still people gesture."""
    h = float(height or np.clip(rng.normal(1.70, 0.1), 1.45, 2.05) * (0.65 if rng.random() < 0.1 else 1.0))
    wide = rng.uniform(0.85, 1.35)
    hip, knee, shoulder, elbow = 0.52 * h, 0.28 * h, 0.82 * h, 0.63 * h
    side, arm = 0.055 * h * wide, 0.125 * h * wide
    skin, cloth = rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.8)
    heights = np.array([hip - 0.05 * h, 0.7 * h, shoulder + 0.03 * h, 0.89 * h])
    spine = np.column_stack([0 * heights, 0 * heights, heights])
    girth = np.array([0.075 * h * wide, 0.09 * h * wide, 0.032 * h])
    trunk = [
        tubes(spine[:3], spine[1:], girth, [0.09 * h * wide, 0.05 * h, 0.032 * h], cloth, 8).scaled(
            0.8, 1.25, 1
        ),
        balls([0.01 * h, 0, 0.935 * h], [0.058 * h, 0.048 * h, 0.066 * h], skin),
    ]
    extra = rng.random()
    if extra < 0.15:
        trunk.append(boxes([-0.13 * h, 0, 0.72 * h], [0.11 * h, 0.17 * h, 0.24 * h], 0.2))
    elif extra < 0.22:
        trunk.append(tubes([0, 0, 0.3 * h], [0, 0, hip + 0.06 * h], 0.16 * h, 0.1 * h, cloth, 10))
    elif extra < 0.26:
        trunk += [
            tubes([0.15, 0, 0.7 * h], [0.15, 0, 1.15 * h], 0.012, rho=0.3, sides=4),
            tubes([0.15, 0, 1.08 * h], [0.15, 0, 1.18 * h], 0.5, 0.02, 0.3, 10),
        ]
    parts, rows = [join(trunk)], [_STILL]
    swing = float(np.clip(0.22 + 0.24 * speed, 0.0, 0.95)) * rng.uniform(0.8, 1.15) if speed > 0.1 else 0.0
    gesture = rng.uniform(0.0, 0.5) if speed <= 0.1 else 0.0
    running = speed > 2.7
    starts, ends, thick, thin = [], [], [], []
    for sign in (1, -1):
        y, reach = sign * side, sign * arm
        starts += [(0, y, hip), (0, y, knee), (0, reach, shoulder), (0, reach, elbow)]
        ends += [(0, y, knee), (0, y, 0.03 * h), (0, reach, elbow), (0, reach, 0.45 * h)]
        thick += [0.05 * h * wide**0.5, 0.035 * h, 0.03 * h, 0.025 * h]
        thin += [0.036 * h, 0.024 * h, 0.025 * h, 0.02 * h]
        phase, first = (0.0 if sign > 0 else np.pi), len(rows)
        bend = (0.5 if running else 0.35) * swing
        rows += [
            (0, (0, y, hip), -0.15 * swing, swing * 0.8, phase),
            (first, (0, y, knee), bend, bend, phase + 0.9),
            (0, (0, reach, shoulder), 0.0, swing * 0.6 + gesture * rng.random(), phase + np.pi),
            (
                first + 2,
                (0, reach, elbow),
                -1.4 if running else -0.25 - gesture,
                0.3 * swing + gesture,
                phase + np.pi,
            ),
        ]
    limbs = split(tubes(np.array(starts), np.array(ends), np.array(thick), np.array(thin), cloth * 0.8), 8)
    for shin, sign in ((1, 1), (5, -1)):
        limbs[shin] = join(
            [limbs[shin], boxes([0.045 * h, sign * side, 0.02 * h], [0.15 * h, 0.055 * h, 0.04 * h], 0.2)]
        )
    parts += limbs
    stride = max(0.55 * h + 0.45 * speed, 0.5)
    joints = _joints(rows, 1 / stride if speed > 0.1 else 0.0, 0.0 if speed > 0.1 else rng.uniform(0.1, 0.7))
    return _body('pedestrian', parts, 0.4, joints)


def _ring(centre_x: float, radius: float) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 13)
    rim = np.column_stack([centre_x + radius * np.cos(angle), np.zeros(13), radius + radius * np.sin(angle)])
    spoke = rim[:-1:2]
    return join(
        [
            tubes(rim[:-1], rim[1:], 0.025, rho=0.15, sides=4),
            tubes(np.tile([centre_x, 0, radius], (len(spoke), 1)), spoke, 0.006, rho=0.5, sides=3),
        ]
    )


def _rider(
    lean: float, seat: tuple[float, float], bars: tuple[float, float], h: float, cloth: float
) -> list[Mesh]:
    """Trunk, head and arms of someone who sits at `seat` (x, z) and holds `bars`."""
    hip = np.array([seat[0], 0, seat[1]])
    neck = hip + 0.31 * h * np.array([np.sin(lean), 0, np.cos(lean)])
    head = neck + 0.1 * h * np.array([0.5 * np.sin(lean), 0, 1.0])
    hands = [np.array([bars[0], sign * 0.24, bars[1]]) for sign in (1, -1)]
    return [
        tubes(hip, neck, 0.09 * h, 0.1 * h, cloth, 8),
        balls(head, [0.07 * h, 0.06 * h, 0.075 * h], 0.5),
        *(
            tubes(neck + [0, 0.11 * h * sign, -0.02], hand, 0.03 * h, rho=cloth)
            for sign, hand in zip((1, -1), hands)
        ),
    ]


def cyclist(rng: np.random.Generator) -> Body:
    """A bicycle and its rider, who pedals."""
    wheel, h = rng.uniform(0.3, 0.36), float(np.clip(rng.normal(1.72, 0.09), 1.4, 2.0))
    base, seat = rng.uniform(0.98, 1.12), (-0.18, 0.55 * h)
    bars = (0.42, rng.uniform(0.95, 1.1))
    cloth = rng.uniform(0.15, 0.8)
    ends = np.array(
        [
            [-base / 2, 0, wheel],
            [base / 2, 0, wheel],
            [-0.05, 0, 0.28],
            [seat[0], 0, seat[1] - 0.05],
            [bars[0], 0, bars[1]],
        ]
    )
    frame = tubes(ends[[0, 0, 2, 2, 3, 1]], ends[[2, 3, 3, 4, 4, 4]], 0.022, rho=0.4, sides=4)
    handle = tubes([bars[0], -0.27, bars[1]], [bars[0], 0.27, bars[1]], 0.018, rho=0.3, sides=4)
    body = [
        _ring(-base / 2, wheel),
        _ring(base / 2, wheel),
        frame,
        handle,
        *_rider(rng.uniform(0.15, 0.7), seat, bars, h, cloth),
    ]
    if rng.random() < 0.25:
        body.append(boxes([-base / 2, 0, 0.95], [0.4, 0.45, 0.3], 0.4))
    parts, rows = [join(body)], [_STILL]
    for sign in (1, -1):
        phase, y, leg = (0.0 if sign > 0 else np.pi), sign * 0.1, len(parts)
        hip, knee = np.array([seat[0], y, seat[1]]), np.array([seat[0] + 0.2 * h, y, seat[1] - 0.14 * h])
        parts.append(tubes(hip, knee, 0.05 * h, 0.036 * h, cloth * 0.7))
        rows.append((0, hip, 0.1, 0.35, phase))
        foot = np.array([0.02, y, max(seat[1] - 0.41 * h, 0.12)])
        parts.append(
            join(
                [
                    tubes(knee, foot, 0.035 * h, 0.026 * h, cloth * 0.7),
                    boxes(foot + [0.06, 0, -0.03], [0.24, 0.09, 0.06], 0.2),
                ]
            )
        )
        rows.append((leg, knee, 0.0, 0.35, phase + 0.5 * np.pi))
    pedals = rng.random() < 0.85
    return _body('cyclist', parts, 0.9, _joints(rows, 0.18 if pedals else 0.0))


def motorcycle(rng: np.random.Generator) -> Body:
    """A motorcycle or scooter with its rider."""
    base, wheel, h = rng.uniform(1.25, 1.55), rng.uniform(0.24, 0.34), rng.uniform(1.6, 1.9)
    cloth, paint = rng.uniform(0.1, 0.6), _paint(rng)
    hull = np.array(
        [
            (-0.95, 0.8),
            (-0.2, 0.85),
            (0.15, 1.0),
            (0.45, 0.95),
            (0.5, 0.6),
            (0.25, 0.3),
            (-0.3, 0.28),
            (-0.6, 0.5),
        ]
    )
    ends = np.array([[-base / 2, 0, wheel], [base / 2, 0, wheel]])
    parts = [
        tubes(ends - [0, 0.07, 0], ends + [0, 0.07, 0], wheel, rho=0.08, sides=12),
        extrude(hull * [base / 1.4, 1.0], 0.16, paint, 0.13),
        tubes([base / 2, 0, wheel], [base / 2 - 0.25, 0, 1.02], 0.05, rho=0.4),
        tubes([0.45, -0.36, 1.05], [0.45, 0.36, 1.05], 0.02, rho=0.3, sides=4),
        *_rider(rng.uniform(0.1, 0.6), (-0.25, 0.88), (0.42, 1.05), h, cloth),
    ]
    for sign in (1, -1):
        knee, foot = [0.2, sign * 0.22, 0.78], [-0.02, sign * 0.2, 0.3]
        parts += [
            tubes([-0.25, sign * 0.1, 0.88], knee, 0.085, 0.06, cloth),
            tubes(knee, foot, 0.058, 0.045, cloth),
            boxes(foot, [0.26, 0.1, 0.09], 0.2),
        ]
    if rng.random() < 0.3:
        parts.append(boxes([-0.75, 0, 1.05], [0.45, 0.5, 0.4], 0.5))
    return _body('motorcycle', [join(parts)], 1.1)


def scooter(rng: np.random.Generator) -> Body:
    """Someone who stands still on a kick scooter or a small platform; a 'pedestrian' that glides."""
    person = pedestrian(rng, speed=0.0)
    platform = join(
        [
            boxes([0.1, 0, 0.1], [1.0, 0.18, 0.06], 0.3),
            tubes([0.5, 0, 0.1], [0.42, 0, 1.05], 0.03, rho=0.4),
            tubes([0.42, -0.25, 1.05], [0.42, 0.25, 1.05], 0.018, rho=0.4, sides=4),
        ]
    )
    return _body('pedestrian', [join([person.at_rest().moved(z=0.13), platform])], 0.6)


def animal(rng: np.random.Generator, speed: float = 1.5) -> Body:
    """A dog, or anything on four legs up to the size of a calf."""
    h = float(rng.choice([rng.uniform(0.25, 0.75), rng.uniform(0.8, 1.4)], p=[0.8, 0.2]))
    length, fur = h * rng.uniform(1.1, 1.5), rng.uniform(0.15, 0.6)
    back, girth = 0.72 * h, 0.17 * h
    trunk = [
        balls([0, 0, back], [length / 2, girth, girth * 1.2], fur),
        tubes([length * 0.4, 0, back], [length * 0.58, 0, 0.95 * h], girth * 0.6, girth * 0.45, fur),
        balls([length * 0.66, 0, 0.97 * h], [0.18 * h, 0.1 * h, 0.11 * h], fur),
    ]
    parts, rows = [join(trunk)], [_STILL]
    for x, phase in ((0.32, 0.0), (-0.34, np.pi)):
        for sign in (1, -1):
            top = np.array([x * length, sign * girth * 0.6, back])
            parts.append(tubes(top, top * [1, 1, 0], 0.07 * h, 0.045 * h, fur))
            rows.append((0, top, 0.0, min(0.2 + 0.12 * speed, 0.7), phase + (0 if sign > 0 else np.pi)))
    tail = np.array([-length * 0.47, 0, back])
    parts.append(tubes(tail, tail + [-0.25 * length, 0, 0.2 * h], 0.035 * h, 0.015 * h, fur))
    rows.append((0, tail, 0.0, 0.5, 1.0))
    return _body('animal', parts, length / 2 + 0.1, _joints(rows, 0.9 / length, 0.1))


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
        return _body('cart', [join(parts)], length / 2 + 0.2)
    if style == 'pram':
        parts = [
            lump(rng, [0.42, 0.26, 0.28], 0.08, 0.3).moved(z=0.75),
            _wheels((-0.3, 0.35), 0.26, 0.13, 0.05),
            tubes(
                [[-0.3, 0.24, 0.2], [-0.3, -0.24, 0.2]],
                [[-0.75, 0.24, 1.02], [-0.75, -0.24, 1.02]],
                0.018,
                rho=0.4,
            ),
        ]
        return _body('cart', [join(parts)], 0.7)
    deck = join(
        [
            boxes([0, 0, 0.22], [length, width, 0.08], 0.3),
            tubes(
                [[x * length * 0.46, y * width * 0.45, 0.2] for x in (-1, 1) for y in (-1, 1)],
                [[x * length * 0.46, y * width * 0.45, 1.05] for x in (-1, 1) for y in (-1, 1)],
                0.02,
                rho=0.6,
            ),
            boxes(
                [0, 0, 0.26 + 0.35],
                [length * 0.85, width * 0.85, rng.uniform(0.2, 0.7)],
                rng.uniform(0.1, 0.7),
            ),
            _wheels((-0.4 * length, 0.4 * length), width / 2 - 0.05, 0.09, 0.05),
        ]
    )
    if style == 'trolley':
        return _body('cart', [deck], length / 2 + 0.2)
    tug = join(
        [
            boxes([0, 0, 0.45], [1.3, 0.8, 0.6], 0.5),
            boxes([-0.4, 0, 0.95], [0.3, 0.7, 0.5], 0.3),
            pedestrian(rng, 0.0, 1.5).at_rest().moved(x=-0.05, z=0.25),
        ]
    )
    wagons = rng.integers(1, 4)
    lags = (0.0, *(0.9 + length / 2 + k * (length + 0.35) for k in range(wagons)))
    return _body('cart', [tug, *[deck] * wagons], 1.2, lags=lags)


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
            _wheels((-0.8, 0.6), 0.46, 0.28, 0.18),
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
    return _body('forklift', [chassis, *forks], 1.6, joints)


def drone(rng: np.random.Generator) -> Body:
    """A multicopter of 0.4 to 1.6 m, about its own middle."""
    size = rng.uniform(0.2, 0.8)
    arms = rng.integers(4, 7)
    angle = np.arange(arms) * 2 * np.pi / arms
    tips = np.column_stack([size * np.cos(angle), size * np.sin(angle), np.full(arms, 0.05 * size)])
    parts = [
        balls([0, 0, 0], [0.35 * size, 0.3 * size, 0.22 * size], 0.4),
        tubes(np.zeros((arms, 3)), tips, 0.05 * size, rho=0.3, sides=4),
        tubes(tips, tips + [0, 0, 0.04], 0.42 * size, rho=0.25, sides=10),
        tubes(
            [[0, 0.2 * size, -0.1 * size], [0, -0.2 * size, -0.1 * size]],
            [[0, 0.3 * size, -0.5 * size], [0, -0.3 * size, -0.5 * size]],
            0.02,
            rho=0.3,
            sides=4,
        ),
    ]
    return _body('drone', [join(parts)], size)


def blob(rng: np.random.Generator) -> Body:
    """Any solid, about its own middle: convex, uneven, or a cluster of boxes; 0.3 to 6 m."""
    radii = np.exp(rng.uniform(np.log(0.2), np.log(1.2))) * rng.uniform(0.5, 1.8, 3)
    rho = rng.uniform(0.08, 0.9)
    style = rng.integers(3)
    if style == 0:
        part = convex_blob(rng, radii, rho)
    elif style == 1:
        part = lump(rng, radii, rng.uniform(0.02, 0.25), rho, fine=True)
    else:
        count = rng.integers(2, 7)
        part = join(
            [
                boxes(*(rng.uniform(-0.6, 0.6, 3) * radii, rng.uniform(0.2, 1.0, 3) * radii), rho).moved(
                    yaw=rng.uniform(0, np.pi)
                )
                for _ in range(count)
            ]
        )
    return _body('blob', [part], float(np.linalg.norm(radii)))


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
