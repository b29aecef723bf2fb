"""What has no class of its own: drones and blobs; builders as in `vehicles`."""

from __future__ import annotations

import numpy as np

from .body import Body, make_body
from .shapes import balls, boxes, convex_blob, join, lump, tubes


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
    return make_body('drone', [join(parts)], size)


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
    return make_body('blob', [part], float(np.linalg.norm(radii)))
