"""A bird's-eye picture of a flow field that a person understands at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..atomic_write import atomic_write
from ..sweep import FlowField, MovingObject
from .markers import ARROW_SECONDS

# A night view: what stands still recedes into the dark, only motion has colour.
_PAGE, _INK, _SOFT, _RING = '#0f1720', '#f3f6f9', '#93a3b3', '#26323d'
_GROUND, _STILL, _SENSOR = '#34424f', '#7c8c9b', '#ff5fa2'
_TOP_SPEEDS = (2, 5, 10, 15, 20, 30, 40)
_INCHES, _DPI = (12.5, 10.0), 120
_VIEW = (0.012, 0.012, 0.836, 0.893)
"""Place of the view on the page: left, bottom, width, height."""
_LABEL_ROOM = np.array([0.035, 0.07])
"""Height and width of a number, as a share of half the height of the view."""
_CROWDED, _OUTSIDE = 'crowded', 'outside'


def draw_flow(
    path: str | Path, flow: FlowField, title: str = '', extent: float | None = None, software: str = 'ssrflow_ros'
) -> None:
    """Draw `flow` from above into a .png (1500 x 1200 pixels), the sensor's forward direction upwards.

    Moving points are coloured by speed; each object has its box, an arrow as long as its way in one
    second, and its speed. `extent` is half the height of the view in metres, None: as the points lie. `software`: what
    the file says of its writer.
    """
    import matplotlib
    from matplotlib.figure import Figure

    points, speed = flow.pair.source.points, np.linalg.norm(flow.velocity, axis=1)
    extent = extent or _extent(points, flow)
    fastest = max([item.speed for item in flow.objects], default=5.0)
    top_speed = next((top for top in _TOP_SPEEDS if top >= fastest), _TOP_SPEEDS[-1])
    with matplotlib.rc_context(
        {
            'font.family': 'DejaVu Sans',
            'font.size': 11,
            'text.color': _INK,
            'axes.labelcolor': _INK,
            'ytick.color': _SOFT,
        }
    ):
        figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor=_PAGE)
        axes = figure.add_axes(_VIEW)
        axes.set_axis_off()
        # REP 103: x forward is drawn upwards, y left to the left.
        half_width = extent * (_VIEW[2] * _INCHES[0]) / (_VIEW[3] * _INCHES[1])
        axes.set(xlim=(half_width, -half_width), ylim=(-extent, extent))
        _draw_ranges(axes, extent)
        size = float(np.clip(60_000 / max(1, len(points)), 0.4, 5))
        for mask, colour in ((flow.ground & ~flow.moving, _GROUND), (~flow.ground & ~flow.moving, _STILL)):
            axes.scatter(points[mask, 1], points[mask, 0], s=size, c=colour, linewidths=0, zorder=2)
        slow_first = np.flatnonzero(flow.moving)[np.argsort(speed[flow.moving])]
        moving = axes.scatter(
            points[slow_first, 1],
            points[slow_first, 0],
            s=max(6.0, 2 * size),
            zorder=4,
            c=speed[slow_first],
            cmap=_speed_colours(),
            vmin=0,
            vmax=top_speed,
            linewidths=0,
        )
        labels: list[np.ndarray] = []
        drawn = [
            _draw_object(axes, item, (extent, half_width), labels)
            for item in sorted(flow.objects, key=lambda item: -item.speed * item.n_points)
        ]
        _draw_sensor(axes, extent)
        _draw_colour_bar(figure, moving)
        _draw_legend(figure)
        _draw_title(figure, flow, title, drawn.count(_CROWDED), drawn.count(_OUTSIDE))
        with atomic_write(path) as unfinished:
            figure.savefig(unfinished, format='png', metadata={'Software': software})


def _speed_colours() -> Any:
    """Blue over green and yellow to red; all of it bright on the dark page."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps['turbo'](np.linspace(0.2, 0.88, 256)))


def _extent(points: np.ndarray, flow: FlowField) -> float:
    """Half-height that shows most points and most of the objects, a multiple of 5 m, at most 50."""
    forward = float(np.percentile(np.abs(points[:, 0]), 90)) if len(points) else 0.0
    objects = [1.1 * abs(float(item.centre[0])) + 3 for item in flow.objects]
    return float(np.clip(5 * np.ceil(max([forward, *objects]) / 5), 20, 50))


def _draw_ranges(axes: Any, extent: float) -> None:
    """Circles of equal range around the sensor, labelled: the scale of the picture."""
    from matplotlib.patches import Circle

    step = next(step for step in (5, 10, 20) if extent / step <= 5)
    for radius in range(step, int(1.6 * extent), step):
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=_RING, linewidth=1.0, zorder=1))
        if radius < extent:
            axes.text(
                0,
                -radius,
                f'{radius} m',
                fontsize=9.5,
                color=_SOFT,
                ha='center',
                va='center',
                zorder=3,
                path_effects=_halo(),
            )


def _draw_object(axes: Any, item: MovingObject, view: tuple[float, float], labels: list[np.ndarray]) -> str:
    """Box, arrow and speed, whose place joins `labels`; why there is no speed: _CROWDED, _OUTSIDE, '' if there is.

    view  half the height and half the width of what is shown, m.
    """
    from matplotlib.patches import Polygon

    centre, tip = item.centre[:2], item.centre[:2] + ARROW_SECONDS * item.velocity[:2]
    axes.add_patch(Polygon(footprint(item)[:, ::-1], fill=False, edgecolor=_INK, linewidth=1.2, zorder=5))
    style = {
        'arrowstyle': '-|>,head_width=0.28,head_length=0.55',
        'color': _INK,
        'linewidth': 1.6,
        'shrinkA': 0,
        'shrinkB': 0,
    }
    # An arrow whose tip is out of view is cut off at the edge; matplotlib would leave it out.
    arrow = axes.annotate('', xy=tip[::-1], xytext=centre[::-1], zorder=6, annotation_clip=False, arrowprops=style)
    arrow.arrow_patch.set_clip_path(axes.patch)
    if (np.abs(centre) > view).any():
        return _OUTSIDE
    place = label_place(item, labels, _LABEL_ROOM * view[0], view)
    if place is None:
        return _CROWDED
    axes.text(
        place[1],
        place[0],
        f'{item.speed:.1f}',
        fontsize=11,
        fontweight='bold',
        ha='center',
        va='center',
        zorder=7,
        clip_on=True,
        path_effects=_halo(),
    )
    return ''


def footprint(item: MovingObject) -> np.ndarray:
    """(4, 2) m: the corners of the object's box from above, one after the other."""
    along = np.array([np.cos(item.yaw), np.sin(item.yaw)])
    forward, left = along * item.size[0] / 2, np.array([-along[1], along[0]]) * item.size[1] / 2
    return item.centre[:2] + np.array([forward + left, forward - left, -forward - left, -forward + left])


def label_place(
    item: MovingObject, labels: list[np.ndarray], room: np.ndarray, view: tuple[float, float]
) -> np.ndarray | None:
    """Where a number of height and width `room` (2,) m finds place beside `item`, (2,) m; None if nowhere.

    Not on one of `labels`, which it joins, and within `view`, half the height and width of what is shown, m.
    """
    centre, corners = item.centre[:2], footprint(item)
    # Behind the object first, so that number and arrow do not cover each other.
    backward = -item.velocity[:2] / max(np.linalg.norm(item.velocity[:2]), 1e-6)
    beside = np.array([-backward[1], backward[0]])
    for side in (backward, beside, -beside, -backward):
        place = centre + side * (np.max((corners - centre) @ side) + 0.85 * room[0])
        free = all((np.abs(place - other) > room).any() for other in labels)
        if free and (np.abs(place) < np.array(view) - room / 2).all():
            labels.append(place)
            return place
    return None


def _draw_sensor(axes: Any, extent: float) -> None:
    size = 0.02 * extent
    axes.fill(
        size * np.array([0, 0.8, 0, -0.8]), size * np.array([1.6, -1, -0.5, -1]), color=_SENSOR, linewidth=0, zorder=8
    )


def _draw_colour_bar(figure: Any, moving: Any) -> None:
    bar = figure.colorbar(moving, cax=figure.add_axes((0.88, 0.42, 0.02, 0.42)), extend='max')
    bar.set_label('speed of moving points, m/s', fontsize=11, labelpad=8)
    bar.outline.set_visible(False)


def _draw_legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    def sign(marker: str, label: str, **style: Any) -> Line2D:
        return Line2D([], [], marker=marker, label=label, **{'linestyle': 'none', 'markersize': 8, **style})

    figure.legend(
        handles=[
            sign('^', 'sensor, facing up', color=_SENSOR),
            sign('o', 'ground', color=_GROUND),
            sign('o', 'still', color=_STILL),
            sign('s', 'moving object,\nits speed in m/s', markerfacecolor='none', markeredgecolor=_INK),
            sign('>', 'its way in 1 s', color=_INK, linestyle='-', linewidth=1.6, markevery=(1, 2)),
        ],
        loc='lower left',
        bbox_to_anchor=(0.848, 0.08),
        frameon=False,
        fontsize=10.5,
        labelspacing=1.0,
        handletextpad=0.6,
        handlelength=1.6,
    )


def _draw_title(figure: Any, flow: FlowField, title: str, crowded: int, outside: int) -> None:
    ego = flow.ego_motion
    ego_speed = ego.travelled / abs(flow.pair.dt)
    taken_out = (
        ''
        if ego.method == 'none'
        else (f"  The sensor's own {ego_speed:.1f} m/s ({ego.method.replace('_', ' ')}) is taken out.")
    )
    figure.text(0.02, 0.962, title or 'Scene flow', fontsize=17, fontweight='bold', va='center')
    counts = (
        f'{len(flow.pair.source):,} points, {int(flow.moving.sum()):,} of them moving, {len(flow.objects)} objects.'
    )
    if crowded:
        counts += f'  {crowded} without number: no room.'
    if outside:
        counts += f'  {outside} out of view.'
    figure.text(0.02, 0.927, counts + taken_out, fontsize=11, va='center', color=_SOFT)


def _halo() -> list:
    """A dark rim that keeps text readable upon points."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground=_PAGE)]
