#!/usr/bin/env python3
"""How soon a tracker knows a mover's velocity: with the velocities of `~/objects`, and with their places alone.

    python3 examples/lock_on.py --seeds $(seq 0 15)

Simulated recordings go through the whole method; the objects, in the form in which they are published, feed
trackers that differ in nothing else. The published covariance of a place is that of the whole object's centre, of
which only one side is seen; from sweep to sweep the places are far steadier. So that places get their best chance, a
third tracker is told a covariance tuned on these very recordings, and is the one that is compared with.

A mover of at least 1 m/s is locked on in the first sweep, counted from the one in which it is first detected, in
which the velocity of its track is wrong by at most 30 % of its speed, or 0.5 m/s.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Iterator

import numpy as np

from ssrflow_ros import SceneFlow, SweepPair
from ssrflow_ros.formats.object_cloud import encode_objects, moved, read_objects
from ssrflow_ros.node.tracker import Tracker
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import LabelledSweep, simulate
from ssrflow_ros.steps.ego_motion import from_poses
from ssrflow_ros.sweep import FlowField

SLOWEST = 1.0  # m/s, of the movers that count
PURITY = 0.7  # share of an object's points that must be of one mover
STEADY = 0.15  # m, the deviation of a place that serves a tracker of places best (0.05 to 0.5 were tried)
SWEEPS = 6  # of each mover that are looked at

VELOCITY, PLACES, TUNED = 'velocity', 'places alone', 'places, tuned'

Errors = dict[str, np.ndarray]
"""Of each tracker (movers, SWEEPS): velocity error ÷ tolerance, by sweeps since the first detection; nan: not seen."""
Played = Iterator[tuple[LabelledSweep, FlowField]]


def play(seed: int, sweeps: int, scene_flow: SceneFlow, sensor: str | None) -> Played:
    """Each sweep of a recording but the first, and the flow from it back to the one before."""
    stream, before = scene_flow.stream(), None
    for labelled in simulate(seed, sweeps, sensor):
        if before is not None:
            ego = from_poses(labelled.pose, before.pose)
            yield labelled, stream.flow(SweepPair(labelled.sweep, before.sweep), ego)
        before = labelled


def movers(labelled: LabelledSweep, flow: FlowField) -> dict[int, tuple[int, np.ndarray]]:
    """Of each mover that is detected: the number of its largest object, and its true velocity (3,) in the world."""
    found: dict[int, tuple[int, np.ndarray]] = {}
    for number, item in sorted(enumerate(flow.objects), key=lambda entry: entry[1].n_points):
        owners, counts = np.unique(labelled.object_id[flow.object_ids == item.id], return_counts=True)
        owner = int(owners[counts.argmax()])
        if owner >= 0 and counts.max() >= PURITY * counts.sum():
            truth = labelled.pose[:3, :3] @ labelled.velocity[labelled.object_id == owner].mean(axis=0)
            found[owner] = number, truth
    return found


def follow(played: Played) -> Errors:
    """Feed the trackers with one recording, and hold their velocities against the truth."""
    trackers = {VELOCITY: Tracker(), PLACES: Tracker(with_velocity=False), TUNED: Tracker(with_velocity=False)}
    first: dict[int, int] = {}
    errors: dict[str, dict[int, np.ndarray]] = {name: defaultdict(lambda: np.full(SWEEPS, np.nan)) for name in trackers}
    for count, (labelled, flow) in enumerate(played):
        objects = moved(read_objects(encode_objects(flow.objects)), labelled.pose)
        steady = objects.copy()
        steady['position_covariance'] = STEADY**2 * np.eye(3)
        tracks = {
            name: tracker.update(labelled.sweep.stamp_ns, steady if name == TUNED else objects)
            for name, tracker in trackers.items()
        }
        for owner, (number, truth) in movers(labelled, flow).items():
            since = count - first.setdefault(owner, count)
            speed = np.linalg.norm(truth)
            if since < SWEEPS and speed >= SLOWEST:
                for name in trackers:
                    error = np.linalg.norm(tracks[name][number].filter.x[3:] - truth)
                    errors[name][owner][since] = error / max(0.5, 0.3 * speed)
    return {name: np.array(list(of_mover.values())).reshape(-1, SWEEPS) for name, of_mover in errors.items()}


def locked(errors: np.ndarray) -> np.ndarray:
    """(movers,) sweep of the lock, 1 for that of the first detection; nan where there is none."""
    right = errors <= 1.0
    return np.where(right.any(axis=1), 1.0 + right.argmax(axis=1), np.nan)


def report(errors: Errors) -> str:
    """A table: movers locked on by each sweep, and by how much the one tracker is earlier than the other."""
    locks = {name: locked(rows) for name, rows in errors.items()}
    lines = [
        f'{len(next(iter(errors.values())))} movers of {SLOWEST:g} m/s and above',
        'locked on by sweep   ' + ''.join(f'{sweep:7d}' for sweep in range(1, SWEEPS + 1)),
    ]
    for name, lock in locks.items():
        shares = [np.mean(lock <= sweep) for sweep in range(1, SWEEPS + 1)]
        lines.append(f'{name:20s} ' + ''.join(f'{share:7.0%}' for share in shares))
    lead = locks[TUNED] - locks[VELOCITY]
    lead = lead[np.isfinite(lead)]
    lines.append(
        f'velocity before {TUNED} by {lead.mean():.2f} sweeps in the mean, median {np.median(lead):g} '
        f'({len(lead)} movers that both lock on)'
    )
    return '\n'.join(lines)


def measure(seeds: list[int], sweeps: int, settings: Settings, sensor: str | None = None) -> Errors:
    """All trackers on the recordings of `seeds`."""
    scene_flow = SceneFlow(settings)
    found = [follow(play(seed, sweeps, scene_flow, sensor)) for seed in seeds]
    return {name: np.concatenate([errors[name] for errors in found]) for name in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=list(range(8)), help='one recording each')
    parser.add_argument('--sweeps', type=int, default=12, help='of each recording (default: 12)')
    parser.add_argument('--sensor', help='a LiDAR of the simulator (default: drawn by the seed)')
    parser.add_argument('--weights', default='onboard')
    args = parser.parse_args()
    print(report(measure(args.seeds, args.sweeps, Settings(weights=args.weights), args.sensor)))


if __name__ == '__main__':
    main()
