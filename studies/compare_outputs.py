"""Whether a change left every number of the method as it was, bit by bit.

    python studies/compare_outputs.py record FOLDER --data DATA   # before the change; after it into another folder
    python studies/compare_outputs.py compare BEFORE AFTER        # exit code 1, and the first arrays that differ

DATA is a folder of real sweeps, with pairs/*.npz and sequences/kitti_a/*.bin. Recorded are, each in an .npz of its own,
  pair_*       each real pair by itself, forwards in time and, as the live node does, with the newest sweep as source
  simulated_*  twenty simulated pairs likewise
  stream_*     kitti_a as a live node takes it, sweep by sweep; the same with sweeps left out, and with point times
where the method refuses, its error. One thread, so that one machine gives the same bits again;
two machines need not.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Callable, Iterator

for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[_name] = '1'  # read when the libraries are loaded

import numpy as np  # noqa: E402

from ssrflow_ros import FlowField, SceneFlow, Settings, Sweep, SweepPair  # noqa: E402
from ssrflow_ros.datasets import open_dataset  # noqa: E402
from ssrflow_ros.errors import SSRFlowError  # noqa: E402
from ssrflow_ros.simulator import SENSORS, simulate  # noqa: E402
from ssrflow_ros.sweep import MovingObject  # noqa: E402

SETTINGS = Settings(device='cpu', threads=1, min_range=0.0)
MIN_RANGE = 1.0  # m, of kitti_a
SEED, SIMULATED = 7_200_000, 20
PERIOD_NS = 100_000_000
GAPS = 0, 3, 6, 10, 11, 12  # first sweeps of the pairs of a machine that does not keep up
TIMED = 5  # sweeps with point times
NAMED = 10  # differing arrays that are named

Arrays = dict[str, np.ndarray]


# --- what is asked of the package: to be adapted here, and here alone, when its interface changes ------


class Method:
    """The method, loaded once."""

    def __init__(self):
        self._scene_flow = SceneFlow(SETTINGS)

    def pair(self, pair: SweepPair) -> FlowField:
        """A pair by itself."""
        return self._scene_flow(pair)

    def stream(self) -> Callable[[SweepPair], FlowField]:
        """What answers the pairs of one stream."""
        return self._scene_flow.stream().flow


def arrays(flow: FlowField) -> Arrays:
    """All numbers of an answer, but the times that it took."""
    ego, source = flow.ego_motion, flow.pair.source
    fields = {
        'points': source.points,
        'rows': source.rows,
        'flow': flow.flow,
        'velocity': flow.velocity,
        'moving': flow.moving,
        'ground': flow.ground,
        'object_ids': flow.object_ids,
        'network_velocity': flow.network_velocity,
        'ego_motion': ego.target_from_source,
        'ego_method': ego.method,
        'ego_inliers': ego.inliers,
        'ego_rmse': ego.rmse,
        'n_objects': len(flow.objects),
    }
    if flow.objects:
        fields |= {
            f'objects.{name}': [getattr(item, name) for item in flow.objects]
            for name in ('axes', *(field.name for field in dataclasses.fields(MovingObject)))
            if name != 'tilted_axes'  # as `axes` has them
        }
    return {name: np.asarray(value) for name, value in fields.items()}


# --- the cases ------------------------------------------------------------------------------------------


def cases(data: Path) -> Iterator[tuple[str, Arrays]]:
    """Name and arrays of each."""
    method = Method()
    for name, pair in _pairs(data):
        for way, one in (('forwards', pair), ('newest', SweepPair(pair.target, pair.source))):
            yield f'{name}_{way}', _answer(method.pair, one)
    for name, pairs in _streams(data):
        ask = method.stream()
        yield (
            name,
            {
                f'{number:02d}.{key}': value
                for number, pair in enumerate(pairs)
                for key, value in _answer(ask, pair).items()
            },
        )


def _answer(ask: Callable[[SweepPair], FlowField], pair: SweepPair) -> Arrays:
    try:
        return arrays(ask(pair))
    except SSRFlowError as error:
        return {'error': np.array(f'{type(error).__name__}: {error}')}


def _pairs(data: Path) -> Iterator[tuple[str, SweepPair]]:
    """Forwards in time."""
    real = open_dataset(f'pairs:{data / "pairs"}')
    for number in range(len(real)):
        yield f'pair_{real[number].name}', real[number].pair
    for number in range(SIMULATED):
        sensor = list(SENSORS)[number % len(SENSORS)]
        older, newer = (labelled.sweep for labelled in simulate(SEED + number, 2, sensor))
        yield f'simulated_{number:02d}_{sensor}', SweepPair(older, newer)


def _streams(data: Path) -> Iterator[tuple[str, list[SweepPair]]]:
    """The newest sweep is the source."""
    files = sorted((data / 'sequences' / 'kitti_a').glob('*.bin'))
    sweeps = [
        Sweep.from_points(np.fromfile(file, np.float32).reshape(-1, 4), (number + 10) * PERIOD_NS, 'lidar', MIN_RANGE)
        for number, file in enumerate(files)
    ]
    # As of a sensor that turns once a period, its stamp being that of the end.
    timed = [
        dataclasses.replace(
            sweep,
            times=(1e-9 * PERIOD_NS * (np.arctan2(*sweep.points.T[1::-1]) / (2 * np.pi) - 0.5)).astype(np.float32),
        )
        for sweep in sweeps[:TIMED]
    ]
    following = [SweepPair(newer, older) for newer, older in zip(sweeps[1:], sweeps)]
    yield 'stream_kitti_a', following
    yield 'stream_left_out', [following[first] for first in GAPS]
    yield 'stream_deskewed', [SweepPair(newer, older) for newer, older in zip(timed[1:], timed)]


def record(folder: Path, data: Path) -> None:
    """Write the arrays of every case to `folder`, made anew."""
    folder.mkdir(parents=True)
    for name, found in cases(data):
        np.savez(folder / f'{name}.npz', **found)
        print(f'{name}: {len(found)} arrays' + (f', {found["error"]}' if 'error' in found else ''), flush=True)


def differences(before: Path, after: Path) -> Iterator[str]:
    """A line for each array that is not the same, to the bit, in both folders."""
    names = [{file.name for file in folder.glob('*.npz')} for folder in (before, after)]
    if not all(names):
        yield f'nothing was recorded in {after if names[0] else before}'
        return
    for name in sorted(names[0] ^ names[1]):
        yield f'{name}: only in {before if name in names[0] else after}'
    for name in sorted(names[0] & names[1]):
        with np.load(before / name) as one, np.load(after / name) as other:
            for key in sorted(one.keys() ^ other.keys()):
                yield f'{name} {key}: only in {before if key in one else after}'
            for key in (key for key in one if key in other):
                a, b = one[key], other[key]
                if a.dtype != b.dtype or a.shape != b.shape:
                    yield f'{name} {key}: {a.dtype} {a.shape} and {b.dtype} {b.shape}'
                elif a.tobytes() != b.tobytes():
                    yield f'{name} {key}: {_off(a, b)}'


def _off(a: np.ndarray, b: np.ndarray) -> str:
    if a.dtype.kind not in 'fiub':
        return f'{a} and {b}'
    unlike = ~((a == b) | ((a != a) & (b != b)))
    with np.errstate(invalid='ignore'):
        most = np.nanmax(np.abs(a.astype(float) - b.astype(float)), initial=0.0)
    return f'{unlike.sum()} of {a.size} numbers differ, by at most {most:.3g}'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    one = commands.add_parser('record')
    one.add_argument('folder', type=Path, help='new')
    one.add_argument('--data', type=Path, required=True)
    two = commands.add_parser('compare')
    two.add_argument('before', type=Path)
    two.add_argument('after', type=Path)
    args = parser.parse_args()
    if args.command == 'record':
        record(args.folder, args.data)
        return 0
    found = list(differences(args.before, args.after))
    for line in found[:NAMED]:
        print(line)
    print(f'{len(found)} arrays differ' if found else 'the same, bit by bit')
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
