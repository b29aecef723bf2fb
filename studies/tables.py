"""Makes the tables and figures of the docs anew.

    python studies/tables.py                          # what there is: name, page, command
    python studies/tables.py NAME [NAME ...]          # run the commands of these
    python studies/tables.py accuracy-real --data DATA

DATA is a folder of real sweeps that you have, with pairs/*.npz (`ssrflow_ros/datasets/neutral.py` says how a pair
looks), ground/*.npz and sequences/; BAG a recording, made of its sweeps by `ssrflow pack`. Each table goes into the
docs as it is printed, with the commit that printed it (`git rev-parse --short HEAD`). Times mean something on a quiet
machine only.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from typing import NamedTuple


class Table(NamedTuple):
    """Where a table stands, as page#heading, and the commands that print it."""

    place: str
    commands: tuple[str, ...]


def _of(place: str, *commands: str) -> Table:
    return Table(place, commands)


TABLES = {
    'accuracy-real': _of('accuracy.md#real-pairs', 'ssrflow evaluate --data pairs:{data}/pairs --seeds 5'),
    'accuracy-simulated': _of('accuracy.md#unseen-simulated-pairs', 'ssrflow evaluate --data simulated:200'),
    'accuracy-points': _of(
        'accuracy.md#unseen-simulated-pairs',
        *(f'ssrflow evaluate --data simulated:200 --network-points {n}' for n in (2048, 4096, 8192, 16384)),
    ),
    'demo': _of('accuracy.md#the-demo', 'ssrflow demo'),
    'real-drive': _of(
        'accuracy.md#a-real-drive-end-to-end',
        'ssrflow doctor --bag {bag}',
        "ssrflow bag {bag} -o annotated --own-body '-1.4 -1.6 -0.9 -0.6 1.6 -0.3'",
    ),
    'objects': _of('objects.md#how-good-it-is', 'python -m studies.moving_objects'),
    'objects-stream': _of(
        'objects.md#what-a-stream-knows',
        'python -m studies.moving_objects --alone',
        'python -m studies.moving_objects --forget',
    ),
    'hindsight': _of('objects.md#in-hindsight', 'python -m studies.replay_check'),
    'calibration': _of(
        'objects.md#probabilities', 'python -m studies.fit_calibration --judge --picture docs/images/calibration.png'
    ),
    'static': _of('slam.md#how-clean', 'python -m studies.static_clouds'),
    'slam': _of('slam.md#what-it-is-worth', 'python -m studies.slam'),
    'objects-cost': _of('objects.md#what-it-costs', 'python -m studies.objects_cost'),
    'limits': _of(
        'limits.md', 'python -m studies.limits', 'python -m studies.limits --keep-outliers dry snow dust "dual returns"'
    ),
    'errors': _of('research/objects.md#where-the-error-comes-from', 'python -m studies.error_attribution'),
    'ground': _of('steps.md#ground-stepsgroundpy-stepspolar_gridpy', 'python -m studies.ground {data}'),
    'ego-motion': _of(
        'steps.md#ego-motion-stepsego_motionpy-stepsscan_matchingpy', 'python -m studies.ego_motion {data}'
    ),
    'deskew': _of('steps.md#deskewing-stepsdeskewpy', 'python -m pytest -s test/test_deskew.py -k simulated'),
    'before': _of(
        'performance.md#goals',
        'python -m studies.before 33eec63',
        "python -m studies.before 33eec63 {bag} 'a KITTI drive, 118,000 usable returns a sweep'",
    ),
    'goals': _of('performance.md#goals', 'ssrflow bench {bag} --parts goals'),
    'live': _of('performance.md#live-on-two-cores', 'ssrflow demo'),
    'performance': _of('performance.md#stage-by-stage', 'ssrflow bench {bag} --parts stages,throughput --points 2048'),
    'threads': _of('performance.md#threads', 'python -m pytest test/test_threads.py'),
    'floor': _of('performance.md#distance-to-the-floor', 'ssrflow bench --parts blocks'),
    'alternatives': _of('performance.md#alternatives', 'ssrflow bench --parts alternatives'),
    'peers': _of('performance.md#a-sweeps-work-ours-and-theirs', 'ssrflow bench --parts peers'),
    'runtimes': _of('research/performance.md#other-runtimes', 'python -m studies.runtimes'),
    'scaling': _of('performance.md#how-it-grows', 'ssrflow bench --parts scaling'),
    'soak': _of('operation.md#soak', 'make soak'),
    'gpu': _of('gpu.md#how-long-the-network-takes', 'ssrflow bench --device cuda -o bench_gpu'),
    'gpu-memory': _of('gpu.md#memory', 'python -m studies.network_memory'),
    'simulator': _of('simulator.md#speed', 'python -m ssrflow_ros.simulator'),
    'pictures': _of('method.md', 'python docs/figures.py'),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME', help='which; none: list them')
    parser.add_argument('--data', help='folder of real sweeps')
    parser.add_argument('--bag', help='a recording')
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in TABLES]:
        parser.error(f'there is no table {unknown[0]}: without a name all are listed')
    if not arguments.names:
        for name, table in TABLES.items():
            print(f'{name:20} docs/{table.place}')
            print(''.join(f'{"":20} {command}\n' for command in table.commands), end='')
        return 0
    given = {name: shlex.quote(getattr(arguments, name) or '') for name in ('data', 'bag')}
    for name in arguments.names:
        for command in TABLES[name].commands:
            lacking = [f'--{word}' for word in given if f'{{{word}}}' in command and not getattr(arguments, word)]
            if lacking:
                parser.error(f'{name} needs {" and ".join(lacking)}')
            print(f'\n$ {command.format(**given)}', flush=True)
            words = shlex.split(command.format(**given))
            words = {'ssrflow': [sys.executable, '-m', 'ssrflow_ros'], 'python': [sys.executable]}.get(
                words[0], words[:1]
            ) + words[1:]
            if code := subprocess.run(words).returncode:
                return code
    return 0


if __name__ == '__main__':
    sys.exit(main())
