"""What moves its limbs: people, riders of two wheels, animals; builders as in `vehicles`."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from .body import Body, make_body, make_joints, random_paint
from .shapes import Mesh, balls, boxes, extrude, join, split, tubes

_Joint = tuple[int, Sequence[float] | np.ndarray, float, float, float]
_STILL: _Joint = (-1, (0, 0, 0), 0.0, 0.0, 0.0)


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
        tubes(spine[:3], spine[1:], girth, [0.09 * h * wide, 0.05 * h, 0.032 * h], cloth, 8).scaled(0.8, 1.25, 1),
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
            (first + 2, (0, reach, elbow), -1.4 if running else -0.25 - gesture, 0.3 * swing + gesture, phase + np.pi),
        ]
    limbs = split(tubes(np.array(starts), np.array(ends), np.array(thick), np.array(thin), cloth * 0.8), 8)
    for shin, sign in ((1, 1), (5, -1)):
        limbs[shin] = join(
            [limbs[shin], boxes([0.045 * h, sign * side, 0.02 * h], [0.15 * h, 0.055 * h, 0.04 * h], 0.2)]
        )
    parts += limbs
    stride = max(0.55 * h + 0.45 * speed, 0.5)
    joints = make_joints(rows, 1 / stride if speed > 0.1 else 0.0, 0.0 if speed > 0.1 else rng.uniform(0.1, 0.7))
    return make_body('pedestrian', parts, 0.4, joints)


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


def _rider(lean: float, seat: tuple[float, float], bars: tuple[float, float], h: float, cloth: float) -> list[Mesh]:
    """Trunk, head and arms of someone who sits at `seat` (x, z) and holds `bars`."""
    hip = np.array([seat[0], 0, seat[1]])
    neck = hip + 0.31 * h * np.array([np.sin(lean), 0, np.cos(lean)])
    head = neck + 0.1 * h * np.array([0.5 * np.sin(lean), 0, 1.0])
    hands = [np.array([bars[0], sign * 0.24, bars[1]]) for sign in (1, -1)]
    return [
        tubes(hip, neck, 0.09 * h, 0.1 * h, cloth, 8),
        balls(head, [0.07 * h, 0.06 * h, 0.075 * h], 0.5),
        *(tubes(neck + [0, 0.11 * h * sign, -0.02], hand, 0.03 * h, rho=cloth) for sign, hand in zip((1, -1), hands)),
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
    return make_body('cyclist', parts, 0.9, make_joints(rows, 0.18 if pedals else 0.0))


def motorcycle(rng: np.random.Generator) -> Body:
    """A motorcycle or scooter with its rider."""
    base, wheel, h = rng.uniform(1.25, 1.55), rng.uniform(0.24, 0.34), rng.uniform(1.6, 1.9)
    cloth, paint = rng.uniform(0.1, 0.6), random_paint(rng)
    hull = np.array(
        [(-0.95, 0.8), (-0.2, 0.85), (0.15, 1.0), (0.45, 0.95), (0.5, 0.6), (0.25, 0.3), (-0.3, 0.28), (-0.6, 0.5)]
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
    return make_body('motorcycle', [join(parts)], 1.1)


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
    return make_body('pedestrian', [join([person.at_rest().moved(z=0.13), platform])], 0.6)


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
    return make_body('animal', parts, length / 2 + 0.1, make_joints(rows, 0.9 / length, 0.1))
