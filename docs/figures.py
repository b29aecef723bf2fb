"""Draws the pictures of docs/images that are not a command's own: make pictures"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ssrflow_ros import SceneFlow, Settings, SweepPair
from ssrflow_ros.cli.demo import SEED
from ssrflow_ros.formats.markers import Drawing
from ssrflow_ros.formats.picture import draw_flow, footprint, label_place
from ssrflow_ros.formats.video import film
from ssrflow_ros.network.weights import SHIPPED
from ssrflow_ros.preparation import Preparation
from ssrflow_ros.simulator import CLASSES, simulate

IMAGES = Path(__file__).parent / 'images'
PAGE, INK, GREY, DARK, OLD, NEW = '#0f1720', '#f3f6f9', '#7c8c9b', '#34424f', '#ffb454', '#4cc3ff'
VIEW = 26.0  # metres shown to each side


def method(path: Path, seed: int = 3000224) -> None:
    """Six panels: one step of the method each, on a simulated street."""
    older, newer = simulate(seed, sweeps=2, sensor='hdl64e', scene='street')
    pair = SweepPair(newer.sweep, older.sweep)
    scene_flow = SceneFlow(Settings())
    prepared = scene_flow.prepare(pair)
    flow = scene_flow.estimate(prepared)
    new, old = pair.source.points, pair.target.points
    aligned = flow.ego_motion.into_source(old)
    sampled = prepared.rows[prepared.samples[0].rows]
    speed = np.linalg.norm(flow.velocity, axis=1)

    figure = Figure(figsize=(15, 11.2), dpi=80, facecolor=PAGE)
    panels = figure.subplots(2, 3)
    _points(panels[0, 0], (old, OLD), (new, NEW))
    _title(panels[0, 0], 'pair', 'the older sweep, orange, and the newest, blue')
    _points(panels[0, 1], (aligned, OLD), (new, NEW))
    _title(panels[0, 1], 'ego-motion', 'aligned: what still differs, moves by itself')
    _points(panels[0, 2], (new[flow.ground], DARK), (new[~flow.ground], GREY))
    _title(panels[0, 2], 'ground', 'found and set aside, dark')
    _points(panels[1, 0], (new[~flow.ground], DARK), (new[sampled], NEW))
    _title(panels[1, 0], 'sample', f'{len(sampled)} points, half of them where the sweeps differ')
    _points(panels[1, 1], (new, DARK))
    few = np.flatnonzero(flow.moving)[::6]
    panels[1, 1].quiver(
        -new[few, 1],
        new[few, 0],
        -flow.velocity[few, 1],
        flow.velocity[few, 0],
        speed[few],
        cmap='turbo',
        angles='xy',
        scale_units='xy',
        scale=1.0,
        width=0.004,
        clim=(0, 12),
    )
    _title(panels[1, 1], 'SSRFlow, upsample', 'velocity of every point; moving ones drawn, 1 s long')
    _points(panels[1, 2], (new, DARK))
    panels[1, 2].scatter(
        -new[flow.moving, 1],
        new[flow.moving, 0],
        s=4,
        c=speed[flow.moving],
        cmap='turbo',
        vmin=0,
        vmax=12,
        linewidths=0,
    )
    labels: list[np.ndarray] = []
    for item in sorted(flow.objects, key=lambda item: -item.speed * item.n_points):
        _box(panels[1, 2], item, labels)
    _title(panels[1, 2], 'objects', 'clusters in space and velocity, with their speed in m/s')
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.925, 0.03, 0.2)
    figure.savefig(path)


def past(path: Path, seed: int = 3000240) -> None:
    """What stands where the sensor had surely seen through, in the sweep before and half a second before that."""
    recording, prepare = list(simulate(seed, sweeps=7, sensor='os1_64', scene='street')), Preparation(Settings())
    for newer, older in zip(recording[1:], recording):
        prepared = prepare(SweepPair(newer.sweep, older.sweep))
    points, moving = prepared.points, recording[-1].moving[prepared.rows]
    figure = Figure(figsize=(15, 8.5), dpi=80, facecolor=PAGE)
    whens = 'a tenth of a second', 'six tenths of a second'
    for axes, image, when in zip(figure.subplots(1, 2), prepared.range_images[1:], whens):
        free = image.at(points).is_free(about=True)
        _points(axes, (points[~moving & ~free], GREY))
        for cloud, colour in ((points[moving & ~free], NEW), (points[free], OLD)):
            axes.scatter(-cloud[:, 1], cloud[:, 0], s=5, c=colour, linewidths=0)
        _title(
            axes,
            f'{when} before',
            'orange: stands where beams had gone through; blue: moves, and does not\n'
            f'{free[moving].mean():.0%} of the points that move, {free[~moving].mean():.2%} of those that stand',
        )
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.87, 0.03)
    figure.savefig(path)


def steady(path: Path, seed: int = 3000240, sweeps: int = 24) -> None:
    """Speeds of movers over a recording, by each pair alone and in the stream: of those seen for 10 sweeps and more the
    fastest, the slowest, and the one above 2 m/s whose speed changes by the largest share."""
    recording = list(simulate(seed, sweeps, 'hdl64e', 'street'))
    alone, stream = (_velocities(recording, Settings(steady=steady)) for steady in (False, True))
    seen = {mover: both for mover in alone if len(both := sorted(alone[mover].keys() & stream[mover].keys())) >= 10}
    truth, kind = {}, {}
    for mover, numbers in seen.items():
        its = {number: recording[number].object_id == mover for number in numbers}
        truth[mover] = {number: np.median(recording[number].velocity[its[number]], axis=0) for number in numbers}
        kind[mover] = CLASSES[recording[numbers[0]].class_id[its[numbers[0]]][0]]

    def speeds(said, mover) -> np.ndarray:
        return np.array([np.linalg.norm(said[mover][number][:2]) for number in seen[mover]])

    def off(said) -> float:
        return float(
            np.mean(
                [
                    np.mean(
                        [np.linalg.norm((said[mover][number] - truth[mover][number])[:2]) for number in seen[mover]]
                    )
                    for mover in seen
                ]
            )
        )

    mean = {mover: speeds(truth, mover).mean() for mover in seen}
    change = {mover: np.ptp(speeds(truth, mover)) / mean[mover] for mover in seen if mean[mover] > 2}
    figure = Figure(figsize=(15, 4.6), dpi=80, facecolor=PAGE)
    for axes, mover in zip(
        figure.subplots(1, 3), (max(seen, key=mean.get), max(change, key=change.get), min(seen, key=mean.get))
    ):
        for said, colour, label in (
            (truth, INK, 'truth'),
            (alone, OLD, 'each pair alone'),
            (stream, NEW, 'in the stream'),
        ):
            axes.plot(
                np.array(seen[mover]) / 10,
                speeds(said, mover),
                color=colour,
                label=label,
                marker=None if said is truth else 'o',
                markersize=4,
                linewidth=1.5,
            )
        axes.set_title(kind[mover], color=INK, fontsize=14, loc='left')
        axes.set_facecolor(PAGE)
        axes.tick_params(colors=GREY)
        axes.set_xlabel('s', color=GREY)
        axes.spines[['top', 'right']].set_visible(False)
        axes.spines[['left', 'bottom']].set_color(GREY)
        axes.legend(frameon=False, labelcolor=INK)
    figure.axes[0].set_ylabel('m/s', color=GREY)
    figure.suptitle(
        f'{len(seen)} movers seen for 10 sweeps and more: velocity wrong by {off(alone):.2f} m/s alone, '
        f'{off(stream):.2f} in the stream',
        color=INK,
        x=0.01,
        ha='left',
    )
    figure.tight_layout()
    figure.savefig(path)


def _velocities(recording, settings: Settings) -> dict[int, dict[int, np.ndarray]]:
    """Of each mover, of each sweep, the velocity of the largest object that is mostly its own."""
    stream, said = SceneFlow(settings).stream(), defaultdict(dict)
    for number, (newer, older) in enumerate(zip(recording[1:], recording), 1):
        flow = stream.flow(SweepPair(newer.sweep, older.sweep))
        for item in sorted(flow.objects, key=lambda item: item.n_points):
            owners, counts = np.unique(newer.object_id[flow.object_ids == item.id], return_counts=True)
            if (owner := int(owners[counts.argmax()])) >= 0:
                said[owner][number] = item.velocity
    return said


def street(path: Path, seed: int = SEED, sweeps: int = 100) -> None:
    """Ten seconds of the street that the demo plays, as `ssrflow bag --video` draws them."""
    stream, drawing, before = SceneFlow().stream(), Drawing(), None
    with film(path, 'figures', True, (800, 450), quality=50) as frames:
        for labelled in simulate(seed, sweeps + 1, 'hdl64e', 'street'):
            if before is not None:
                flow = stream.flow(SweepPair(labelled.sweep, before))
                frames.add(flow, drawing.update(flow, 0))
            before = labelled.sweep


def objects(path: Path, seed: int, sensor: str, scene: str) -> None:
    """Boxes, arrows and speeds in the fourth sweep of a simulated recording."""
    recording, stream = [labelled.sweep for labelled in simulate(seed, 4, sensor, scene)], SceneFlow().stream()
    for newer, older in zip(recording[1:], recording):
        flow = stream.flow(SweepPair(newer, older))
    draw_flow(path, flow, f'{scene}, {sensor}, seed {seed}', extent=35.0 if scene != 'hall' else 20.0)


def learning_curve(path: Path, name: str = 'onboard') -> None:
    """EPE3D of moving points over pairs seen: training batches, and unseen pairs; first of what it was begun from, of
    which the curves are numbered."""
    cards = [json.loads((SHIPPED / f'{name}.json').read_text())]
    while 'begun_from' in cards[0]:
        cards.insert(0, cards[0]['begun_from'])
    figure = Figure(figsize=(9, 4.2), dpi=90)
    axes = figure.subplots()
    for suffix, label, colour in (
        ('curve', 'training batches (crops, extra movers)', '#9bb4c7'),
        ('validation', 'unseen simulated pairs, whole sweeps', '#d1495b'),
    ):
        before = 0
        for number, card in enumerate(cards, 1):
            last = number == len(cards)
            with open(SHIPPED / f'{name}{"" if last else f".{number}"}.{suffix}.csv', newline='') as file:
                rows = list(csv.DictReader(file))
            seen, error, zero = (
                np.array([float(row[key]) for row in rows]) for key in ('pairs', 'epe_moving', 'zero_moving')
            )
            axes.plot(
                before + seen,
                error / zero,
                color=colour,
                label=label if last else None,
                marker='o' if suffix == 'validation' else None,
            )
            before += card['pairs_seen']
    axes.axhline(1.0, color='#555', linewidth=0.8, linestyle='--', label='zero flow')
    axes.set(xlabel='pairs seen', ylabel='EPE3D of moving points / zero flow', ylim=(0, 1.1))
    axes.legend(frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def _points(axes, *clouds) -> None:
    """From above, forward upwards."""
    axes.set_facecolor(PAGE)
    axes.set(xlim=(-VIEW, VIEW), ylim=(-VIEW, VIEW), xticks=[], yticks=[], aspect='equal')
    for cloud, colour in clouds:
        axes.scatter(-cloud[:, 1], cloud[:, 0], s=0.7, c=colour, linewidths=0)


def _title(axes, step: str, what: str) -> None:
    """The step, and beneath it what is to be seen: both above the points."""
    lines = what.count('\n') + 1
    axes.set_title(step, color=INK, fontsize=17, fontweight='bold', loc='left', pad=8 + 17 * lines)
    axes.text(0, 1.02, what, color=GREY, fontsize=11.5, transform=axes.transAxes, va='bottom')


def _box(axes, item, labels: list[np.ndarray]) -> None:
    """Box and, where it finds room, speed, whose place joins `labels`."""
    corners = footprint(item)[[0, 1, 2, 3, 0]]
    axes.plot(-corners[:, 1], corners[:, 0], color=INK, linewidth=1.0)
    place = label_place(item, labels, np.array([1.7, 3.2]), (VIEW, VIEW))
    if place is not None:
        axes.text(
            -place[1],
            place[0],
            f'{item.speed:.1f}',
            color=INK,
            fontsize=10,
            fontweight='bold',
            ha='center',
            va='center',
        )


if __name__ == '__main__':
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / 'street.webp').unlink(missing_ok=True)
    street(IMAGES / 'street.webp')
    method(IMAGES / 'method.png')
    past(IMAGES / 'past.png')
    steady(IMAGES / 'steady.png')
    learning_curve(IMAGES / 'learning_curve.png')
    for drawn in ((3_000_237, 'hdl64e', 'street'), (3_000_102, 'os1_128', 'yard'), (3_000_103, 'os1_128', 'hall')):
        objects(IMAGES / f'objects_{drawn[2]}.png', *drawn)
