"""The errors at a glance: where they are, how they grow with range, and with speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import atomic_write
from .evaluate import Evaluation, Shown
from .metrics import RANGES, SPEEDS
from .predictions import METHOD, NETWORK, ZERO

_STYLE = {ZERO: ('zero flow', '#b0b7c0'), NETWORK: ('network alone', '#e69f00'), METHOD: ('whole method', '#0072b2')}
_COLOURS = ('#a3b8cc', '#e69f00', '#a50026')
_MOST = 0.5  # metres per 0.1 s at the end of the colours


def draw_errors(path: str | Path, evaluation: Evaluation, title: str) -> None:
    """Draw into a .png: a bird's-eye view of the pair with the most movers, and errors by range and by speed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), dpi=100, layout='constrained')
    figure.suptitle(title, fontsize=11)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.1, 1))[0]
    if evaluation.shown is not None:
        _draw_view(left.subplots(), evaluation.shown)
    by_range, by_speed = right.subplots(2)
    lidar = evaluation.everywhere[METHOD].n > 0
    errors, groups = (evaluation.everywhere, slice(1, 2)) if lidar else (evaluation.left_in, slice(None))
    _draw_bins(
        by_range,
        RANGES,
        {name: errors[name].by_range.error(groups) for name in _STYLE},
        f'{"moving" if lidar else "all"} points: range, m',
    )
    _draw_bins(by_speed, SPEEDS, {name: errors[name].by_speed.error() for name in _STYLE}, 'all points: speed, m/s')
    by_range.legend(frameon=False, ncols=3, loc='lower right', bbox_to_anchor=(1, 1))
    with atomic_write(path) as unfinished:
        figure.savefig(unfinished, format='png')


def _draw_view(axes: Any, shown: Shown) -> None:
    """Points from above, forward is up; scored ones coloured by their error, the worst on top."""
    from matplotlib.colors import LinearSegmentedColormap

    rest = shown.points[~shown.scored]
    axes.scatter(rest[:, 1], rest[:, 0], s=0.3, c='#d9dde2', linewidths=0)
    order = np.argsort(shown.error[shown.scored])
    points, error, moving = (values[shown.scored][order] for values in (shown.points, shown.error, shown.moving))
    colours = axes.scatter(
        points[:, 1],
        points[:, 0],
        s=np.where(moving, 6, 1.5),
        c=error,
        linewidths=0,
        cmap=LinearSegmentedColormap.from_list('error', _COLOURS),
        vmin=0,
        vmax=_MOST,
    )
    extent = float(np.clip(np.percentile(np.abs(points[:, :2]), 98), 15, 80))
    axes.set(
        xlim=(extent, -extent),
        ylim=(-extent, extent),
        aspect='equal',
        xlabel='y, m (left)',
        ylabel='x, m (forward)',
        title=f'{shown.name}: error of the whole method\n(grey: ground, or without label; large: moving)',
    )
    axes.figure.colorbar(colours, ax=axes, label='error, m per 0.1 s', extend='max', shrink=0.8)


def _draw_bins(axes: Any, edges: np.ndarray, errors: dict[str, np.ndarray], label: str) -> None:
    places, width = np.arange(len(edges) - 1), 0.8 / len(errors)
    for number, (name, values) in enumerate(errors.items()):
        text, colour = _STYLE[name]
        axes.bar(places + (number - 1) * width, values, width, label=text, color=colour)
    names = [f'{low:g}–{high:g}' if np.isfinite(high) else f'{low:g} +' for low, high in zip(edges, edges[1:])]
    axes.set_xticks(places, names)
    axes.set(xlabel=label, ylabel='EPE, m per 0.1 s', xlim=(-0.6, len(places) - 0.4))
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y', alpha=0.3)
    axes.set_axisbelow(True)
