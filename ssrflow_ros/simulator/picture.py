"""A picture of what the simulator makes: scenes from above, single movers as the sensor sees them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from .classes import CLASSES
from .simulate import LabelledSweep, simulate

_SCENES = (('street', 69, 'os1_128'), ('street', 64, 'os1_128'), ('hall', 30, 'os1_64'), ('yard', 31, 'os1_64'))
_CLOSE = ('car', 'pedestrian', 'cyclist', 'truck', 'bus', 'animal', 'motorcycle', 'forklift')


def draw(path: str | Path) -> None:
    """Write the picture to `path` (.png)."""
    from matplotlib.figure import Figure  # not pyplot: no window, no global state
    from PIL import Image  # comes with matplotlib

    figure = Figure(figsize=(16, 12.6), facecolor='white', layout='constrained')
    above, below = figure.subfigures(2, 1, height_ratios=(2.1, 1))  # type: ignore[misc]
    axes = above.subplots(2, len(_SCENES))
    for column, (scene, seed, sensor) in enumerate(_SCENES):
        sweep = next(simulate(seed, 1, sensor, scene))
        by_speed = _from_above(axes[0, column], sweep, 'speed')
        by_class = _from_above(axes[1, column], sweep, 'class')
        axes[0, column].set_title(f'{scene}, seed {seed}, {sensor}', fontsize=11)
    above.colorbar(by_speed, ax=axes[0], label='speed, ego-motion removed (m/s)', extend='max', pad=0.005)
    names = above.colorbar(by_class, ax=axes[1], ticks=np.arange(len(CLASSES)), pad=0.005)
    names.ax.set_yticklabels(CLASSES, fontsize=8)
    for axis, (kind, sweep, chosen) in zip(below.subplots(2, len(_CLOSE) // 2).flat, _nearest_movers()):
        _from_sensor(axis, kind, sweep, chosen)
    below.suptitle('Movers as the sensor sees them (metres), coloured by speed', fontsize=11)
    raw = io.BytesIO()
    figure.savefig(raw, dpi=72)
    Image.open(raw).convert('RGB').quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def _from_above(axis: Any, sweep: LabelledSweep, colour: str) -> Any:
    level = sweep.pose[:3, :3].T.astype(np.float32)
    points = sweep.sweep.points @ level
    speed = np.linalg.norm(sweep.velocity, axis=1)
    order = np.argsort(points[:, 2] + 100 * sweep.moving)
    if colour == 'speed':
        values = dict(c=speed[order], cmap='turbo', vmin=0, vmax=12)
    else:
        values = dict(c=sweep.class_id[order], cmap='tab20', vmin=-0.5, vmax=len(CLASSES) - 0.5)
    dots = axis.scatter(*points[order, :2].T, s=np.where(sweep.moving[order], 3.0, 0.25), linewidths=0, **values)
    reach = 22 if sweep.ground.any() and np.abs(points[:, :2]).max() < 40 else 38
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect='equal')
    axis.plot(0, 0, '^', color='black', markersize=6)
    axis.tick_params(labelsize=7)
    return dots


def _nearest_movers() -> list[tuple[str, LabelledSweep, np.ndarray]]:
    """The mover of each kind with the most points, out of some sweeps."""
    best: dict[str, tuple[int, LabelledSweep, np.ndarray]] = {}
    for seed in range(100):
        sweep = next(simulate(seed, 1, 'os1_128'))
        for number in np.unique(sweep.object_id[sweep.moving]):
            chosen = np.flatnonzero(sweep.object_id == number)
            kind = CLASSES[sweep.class_id[chosen[0]]]
            reach = np.linalg.norm(sweep.sweep.points[chosen].mean(axis=0))
            if kind in _CLOSE and 3 < reach < 15 and len(chosen) > best.get(kind, (0,))[0]:
                best[kind] = (len(chosen), sweep, chosen)
    return [(kind, *best[kind][1:]) for kind in _CLOSE if kind in best]


def _from_sensor(axis: Any, kind: str, sweep: LabelledSweep, chosen: np.ndarray) -> None:
    level = sweep.pose[:3, :3].T.astype(np.float32)
    points, speed = sweep.sweep.points[chosen] @ level, np.linalg.norm(sweep.velocity[chosen], axis=1)
    middle = points.mean(axis=0)
    sight = middle[:2] / np.linalg.norm(middle[:2])
    across = (points[:, :2] - middle[:2]) @ np.array([sight[1], -sight[0]])
    axis.scatter(across, points[:, 2] - points[:, 2].min(), s=1.2, c=speed, cmap='turbo', vmin=0, vmax=12, linewidths=0)
    axis.set_aspect('equal', adjustable='datalim')
    axis.set_title(f'{kind}, {len(chosen)} points at {np.linalg.norm(middle):.0f} m', fontsize=9)
    axis.tick_params(labelsize=7)
