"""A recording on one page: map with tracks, speeds, doubtful tracks, drops, times, settings. For screen and paper."""

from __future__ import annotations

import base64
import html
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from ..formats.markers import ARROW_SECONDS, Marker
from ..formats.picture import footprint
from ..settings import Settings
from ..sweep import FlowField, MovingObject

Rows = Sequence[tuple[str, object]]

_PAGE = Path(__file__).with_name('report.html')

LASTING = 3
"""Sweeps, from which on a track is hardly an accident."""
SUSPECTS = 12
"""Doubtful tracks that are drawn."""
_STAYED, _SHORTEST_WAY = 0.3, 1.0  # share of the way that its speed promises; m, less than which tells nothing
_CELL, _CROP, _CROP_POINTS = 0.4, 6.0, 500  # m of the map; m around a suspect, and points of it
_STILL, _MOVING, _INK = '#aeb6bf', '#d1495b', '#20262d'


@dataclass
class _Sighting:
    """An object in one sweep. seconds since the first; place (2,) m in the world; its crop: points (N, 2) m, moving."""

    seconds: float
    place: np.ndarray
    item: MovingObject
    crop: tuple[np.ndarray, np.ndarray] | None = None


class DriveReport:
    """Takes the flows of a recording in their order; `html` is the page."""

    def __init__(self) -> None:
        self._tracks: dict[int, list[_Sighting]] = defaultdict(list)
        self._cells: list[set[tuple[int, int]]] = []  # of the map, for each unbroken piece
        self._path: list[list[np.ndarray]] = []
        self._piece: dict[int, int] = {}  # of each track, that in which it was first seen
        self._pose, self._last_ns, self._first_ns = np.eye(4), 0, 0
        self._counts: list[tuple[float, int]] = []

    def add(self, flow: FlowField, markers: Sequence[Marker] = ()) -> None:
        """The next flow; its markers are not needed."""
        source = flow.pair.source
        if not self._last_ns:
            self._first_ns = source.stamp_ns
        if flow.pair.target.stamp_ns == self._last_ns:
            self._pose = self._pose @ flow.ego_motion.target_from_source
        else:  # where the sensor went meanwhile nobody knows
            self._pose = np.eye(4)
            self._cells.append(set())
            self._path.append([])
        self._last_ns = source.stamp_ns
        turn, place = self._pose[:2, :3], self._pose[:2, 3]
        standing = source.points[~flow.ground & ~flow.moving]
        cells = np.unique(np.floor((standing @ turn.T + place) / _CELL).astype(int), axis=0)
        self._cells[-1].update(map(tuple, cells.tolist()))
        self._path[-1].append(place)
        seconds = (source.stamp_ns - self._first_ns) * 1e-9
        self._counts.append((seconds, len(flow.objects)))
        for item in flow.objects:
            if item.track_id < 0:
                continue
            seen = self._tracks[item.track_id]
            self._piece.setdefault(item.track_id, len(self._cells) - 1)
            sighting = _Sighting(seconds, turn @ item.centre + place, item)
            best = next((one for one in seen if one.crop is not None), None)
            if best is None or item.n_points > best.item.n_points:
                sighting.crop = _crop(flow, item)
                if best is not None:
                    best.crop = None
            seen.append(sighting)

    def html(
        self,
        title: str,
        summary: Rows,
        drops: Mapping[str, int],
        stages: Rows,
        settings: Settings,
        findings: Iterable[str] = (),
        mark: str = '',
    ) -> str:
        """The page; `mark` is a note at its end that nobody sees."""
        suspects = self._suspects()
        lasting = sum(len(seen) >= LASTING for seen in self._tracks.values())
        changed = [
            (row.name, getattr(settings, row.name), row.default, row.unit)
            for row in Settings.table()
            if not row.of_node
        ]
        parts = [
            _table([(name, value) for name, value in summary]),
            *(f'<p class="finding">{html.escape(finding)}</p>' for finding in findings),
            '<h2>Map and tracks</h2>',
            f'<p>{self._which_piece()} Grey: what stands. Lines: tracks of {LASTING} sweeps and more, a dot where they '
            f'end; black: the way of the sensor. {lasting} tracks of {len(self._tracks)} are drawn.</p>',
            _picture(self._draw_map(), 'Map with tracks'),
            '<h2>Speeds over time</h2>',
            '<p>Above: each track of three sweeps and more. Below: objects in each sweep.</p>',
            _picture(self._draw_speeds(), 'Speeds over time'),
            f'<h2>Doubtful tracks: {len(suspects)}</h2>',
            '<p>Tracks that do not leave their place though they have a speed, then those seen in one or two sweeps '
            f'only. Many of them may be false alarms; {min(len(suspects), SUSPECTS)} are drawn at their clearest, from '
            f'above, forward is up, {2 * _CROP:.0f} m wide.</p>',
            '<div class="suspects">',
            *(_suspect(track, self._tracks[track], why) for track, why in suspects[:SUSPECTS]),
            '</div>',
            '<h2>Sweeps without flow</h2>',
            _table(list(drops.items())) if drops else '<p>None.</p>',
            '<h2>Times</h2>',
            '<p>Milliseconds of each step: median and 95th percentile, on the machine that made this page.</p>',
            _table(stages),
            '<h2>Settings</h2>',
            '<p>Bold: not the default, which stands in brackets.</p>',
            _table(
                [
                    (name, f'{value} {unit}'.strip(), f'({default})' if value != default else '')
                    for name, value, default, unit in changed
                ],
                bold=lambda row: bool(row[2]),
            ),
        ]
        page = _PAGE.read_text(encoding='utf-8').replace('TITLE', html.escape(title))
        return page.replace('MARK', html.escape(mark), 1).replace('BODY', '\n'.join(parts), 1)

    def _suspects(self) -> list[tuple[int, str]]:
        """Number of each doubtful track, and why; those that stay where they are first, then those of most points."""
        stays, short = [], []
        for track, seen in self._tracks.items():
            if len(seen) < LASTING:
                short.append((track, f'seen in {len(seen)} sweep{"s" * (len(seen) > 1)} only'))
                continue
            seconds = seen[-1].seconds - seen[0].seconds
            speed = float(np.mean([one.item.speed for one in seen]))
            way = float(np.linalg.norm(seen[-1].place - seen[0].place))
            if speed * seconds > _SHORTEST_WAY and way < _STAYED * speed * seconds:
                stays.append((track, f'says {speed:.1f} m/s for {seconds:.1f} s, but went {way:.1f} m'))

        def size(entry: tuple[int, str]) -> int:
            return -max(one.item.n_points for one in self._tracks[entry[0]])

        return sorted(stays, key=size) + sorted(short, key=size)

    def _longest(self) -> int:
        return max(range(len(self._path)), key=lambda piece: len(self._path[piece]), default=0)

    def _which_piece(self) -> str:
        if len(self._path) < 2:
            return ''
        return (
            f'The sweeps are {len(self._path)} pieces, between which the motion is not known; the longest one is '
            f'drawn, {len(self._path[self._longest()])} sweeps.'
        )

    def _draw_map(self) -> Any:
        from matplotlib.figure import Figure

        piece = self._longest()
        cells = np.array(sorted(self._cells[piece])).reshape(-1, 2) * _CELL if self._cells else np.empty((0, 2))
        path = np.array(self._path[piece]).reshape(-1, 2) if self._path else np.empty((0, 2))
        drawn = [
            (track, np.array([one.place for one in seen]))
            for track, seen in self._tracks.items()
            if len(seen) >= LASTING and self._piece[track] == piece
        ]
        shown = np.concatenate([path, *(places for _, places in drawn)])
        low, high = (shown.min(axis=0) - 15, shown.max(axis=0) + 15) if len(shown) else (np.zeros(2), np.ones(2))
        wide, tall = high - low
        figure = Figure(figsize=(10, float(np.clip(10 * tall / wide, 3, 8))), dpi=110, layout='constrained')
        axes = figure.subplots()
        axes.scatter(cells[:, 0], cells[:, 1], s=1.2, c=_STILL, linewidths=0)
        axes.plot(path[:, 0], path[:, 1], color='black', linewidth=1.2)
        for track, places in drawn:
            colour = _COLOURS[track % len(_COLOURS)]
            axes.plot(places[:, 0], places[:, 1], color=colour, linewidth=1.8)
            axes.plot(*places[-1], 'o', color=colour, markersize=4)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect='equal', xlabel='x, m', ylabel='y, m')
        axes.spines[['top', 'right']].set_visible(False)
        return figure

    def _draw_speeds(self) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4.6), dpi=110, layout='constrained')
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for track, seen in self._tracks.items():
            if len(seen) >= LASTING:
                above.plot(
                    [one.seconds for one in seen],
                    [one.item.speed for one in seen],
                    color=_COLOURS[track % len(_COLOURS)],
                    linewidth=1.3,
                )
        seconds, counts = np.array(self._counts or [(0.0, 0)]).T
        below.step(seconds, counts, where='post', color=_INK, linewidth=1)
        above.set_ylabel('m/s')
        below.set(xlabel='s', ylabel='objects', ylim=(0, None))
        above.set_ylim(0, None)
        for axes in (above, below):
            axes.spines[['top', 'right']].set_visible(False)
            axes.grid(alpha=0.25)
        return figure


_COLOURS = (
    '#0072b2',
    '#d55e00',
    '#009e73',
    '#cc79a7',
    '#e69f00',
    '#56b4e9',
    '#7b4fa3',
    '#8c6d31',
    '#b2182b',
    '#4d9221',
)


def _crop(flow: FlowField, item: MovingObject) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) float32 m around the object that are no ground, seen from its centre, and which of them move."""
    points = flow.pair.source.points
    rows = np.flatnonzero((np.abs(points[:, :2] - item.centre[:2]) < _CROP).all(axis=1) & ~flow.ground)
    if len(rows) > _CROP_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, _CROP_POINTS).astype(int)]
    return (points[rows, :2] - item.centre[:2]).astype(np.float32), flow.moving[rows]


def _suspect(track: int, seen: Sequence[_Sighting], why: str) -> str:
    """A figure: what was seen of the track at its clearest."""
    best = next(one for one in seen if one.crop is not None)
    assert best.crop is not None
    points, moving = best.crop
    item = best.item
    dots = ''.join(
        f'<circle cx="{-y:.2f}" cy="{-x:.2f}" r=".06" fill="{_MOVING if moves else _STILL}"/>'
        for (x, y), moves in zip(points, moving)
    )
    corners = ' '.join(f'{-y:.2f},{-x:.2f}' for x, y in footprint(item) - item.centre[:2])
    x, y = ARROW_SECONDS * item.velocity[:2]
    return (
        f'<figure><svg viewBox="{-_CROP:g} {-_CROP:g} {2 * _CROP:g} {2 * _CROP:g}" role="img">'
        f'{dots}<polygon points="{corners}" fill="none" stroke="{_INK}" stroke-width=".1"/>'
        f'<line x2="{-y:.2f}" y2="{-x:.2f}" stroke="{_INK}" stroke-width=".12"/></svg>'
        f'<figcaption>#{track}, {best.seconds:.1f} s: {html.escape(why)}; {item.n_points} points, '
        f'{np.linalg.norm(item.centre):.0f} m away</figcaption></figure>'
    )


def _picture(figure: Any, what: str) -> str:
    data = io.BytesIO()
    figure.savefig(data, format='png')
    return f'<img alt="{what}" src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'


def _table(rows: Iterable[Sequence[object]], bold: Any = lambda row: False) -> str:
    lines = ''.join(
        f'<tr{" class=changed" * bold(row)}>' + ''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row) + '</tr>'
        for row in rows
    )
    return f'<table>{lines}</table>'
