"""Measures an older commit as `ssrflow bench` measures this one, for its column "before":

    python -m studies.before COMMIT                # a simulated street
    python -m studies.before COMMIT BAG 'told as'  # a recording, and how a table is to name it

Writes ssrflow_ros/bench/before.json. Run it on the machine, and as quiet, as what is to be compared with it. The older
code runs as it is, from a work tree of its own, with this Python; it is asked for its own default of network points.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from ssrflow_ros.bench import clouds, goals
from ssrflow_ros.bench.live_node import NODE, measure_node

_ROOT = Path(__file__).resolve().parents[1]
_SWEEPS = 22  # as `ssrflow bench` takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('commit')
    parser.add_argument('bag', nargs='?')
    parser.add_argument('told', nargs='?', default='a simulated street, 120,000 returns a sweep')
    parser.add_argument('--topic')
    args = parser.parse_args()
    bag = args.bag and str(Path(args.bag).resolve())
    with older_code(args.commit) as code, tempfile.TemporaryDirectory() as folder:
        python = ['env', '-C', str(code), f'PYTHONPATH={code}', sys.executable]
        asked = 'from ssrflow_ros.settings import Settings; print(Settings().network_points)'
        points = int(subprocess.check_output([*python, '-c', asked], text=True))
        bench = [*python, '-m', 'ssrflow_ros', 'bench', *([bag] if bag else []), '-o', f'{folder}/out']
        bench += ['--topic', args.topic] if args.topic else []
        subprocess.run([*bench, '--parts', 'stages,throughput', '--points', str(points)], check=True)
        told = json.loads(Path(folder, 'out', 'bench.json').read_text())
        played = clouds.recorded(bag, args.topic, _SWEEPS) if bag else clouds.simulated(_SWEEPS)
        node = measure_node(played, [*python, *NODE[1:]])
    figures, stages = figures_of(told, f'{points} network points, scan matching')
    if node is not None:
        figures |= {'resident_mb': node.resident_mb, 'ready_s': node.ready_s}
    machine = f'{told["metadata"]["CPU_CORES"]} cores of {told["metadata"]["CPU"]}'
    entry = {
        'commit': args.commit,
        'machine': machine,
        'input': args.told,
        'points': points,
        'figures': {key: round(value, 1) for key, value in figures.items()},
        'stages': {stage: round(ms, 1) for stage, ms in stages.items()},
    }
    path = Path(goals.__file__).with_name('before.json')
    every = json.loads(path.read_text())
    every['recording' if bag else 'simulated'] = entry
    path.write_text(json.dumps(every, indent=1) + '\n')
    print(f'written: {path}: {entry}')


def figures_of(told: dict[str, Any], title: str) -> tuple[dict[str, float], dict[str, float]]:
    """Goals' figures, by `Goal.key`, and p50 of each stage, ms, of a bench.json and its pass `title`.

    On one thread and a quiet machine the processor's time of a stage is its time.
    """
    one, overlapped = told['passes'][title], told['throughput'][title]
    stages = {stage: timing['P50_LATENCY'] for stage, timing in one['stages'].items()}
    figures = {
        'sweep_ms': one['BasicPerformanceMetrics.P50_LATENCY'],
        'sweeps_per_second': overlapped['BasicPerformanceMetrics.MEAN_FRAME_RATE'],
        'processor_ms': sum(ms for stage, ms in stages.items() if stage != 'network'),
    }
    return figures, stages


@contextmanager
def older_code(commit: str) -> Iterator[Path]:
    """A folder with the package as it was."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'code')
        git = ['git', '-C', str(_ROOT), 'worktree']
        subprocess.run([*git, 'add', '-q', '--detach', str(path), commit], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, 'remove', '--force', str(path)], check=True)


if __name__ == '__main__':
    os.environ.setdefault('GOMP_SPINCOUNT', '0')
    main()
