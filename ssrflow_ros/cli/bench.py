"""Goals and where the time goes on this machine: stage by stage, block by block, beside alternatives and peers.

IN is a rosbag2 of yours; without it a street is simulated, 120,000 returns a sweep. OUT then holds
  bench.json   all figures, in the vocabulary of ros2_benchmark (milliseconds, frames a second)
  tables.md    the tables that are printed, as Markdown
  goals.png    a sweep's stages as they were and as they are
  stages.png   one bar a pass, one colour a stage
  scaling.png  the same over the points of a sweep, over those that the network sees, over cores; and memory
What each table means, and how figures of other machines compare: docs/performance.md. A figure is only as good
as the machine is quiet: its use by others before the measurement is told with the machine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from ..errors import InputError
from ..settings import Settings
from .first_use import compile_if_cold
from .options import add_overwrite, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..bench.stages import Walk
    from ..bench.tables import Table
    from ..bench.throughput import Throughput
    from ..scene_flow import SceneFlow

PARTS = ('goals', 'stages', 'throughput', 'dds', 'blocks', 'alternatives', 'peers', 'scaling')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('input', metavar='IN', nargs='?', help='a recording; default: a simulated one')
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    parser.add_argument('-o', '--output', metavar='OUT', default='bench', help='folder, made anew (default: bench)')
    add_overwrite(parser)
    parser.add_argument(
        '--parts',
        type=_list_of(str),
        default=PARTS,
        metavar='A,B',
        help=f'measure only these of {", ".join(PARTS)} (default: all)',
    )
    parser.add_argument('--sweeps', type=int, default=22, metavar='N', help='of IN, at most (default: 22)')
    parser.add_argument('--warm-up', type=int, default=4, metavar='N', help='first pairs not counted (default: 4)')
    parser.add_argument(
        '--points',
        type=_list_of(int),
        default=(2048, 8192),
        metavar='N,M',
        help='numbers of network points (default: 2048,8192; the first one for alternatives, peers and scaling)',
    )
    parser.add_argument(
        '--repeats', type=int, default=10, metavar='N', help='of each block and alternative (default: 10)'
    )
    add_settings(parser, without=('network_points', 'max_gap', 'ego_motion', 'fixed_frame', 'mounting', 'base_frame'))


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import atomic_write, check_outputs

    if args.sweeps < 5 or args.warm_up < 0 or args.repeats < 1:
        raise InputError('too little to measure: give --sweeps 5 or more, --warm-up 0 or more, --repeats 1 or more')
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        raise InputError(f'--parts: {min(unknown)} is not known: choose from {", ".join(PARTS)}')
    settings = settings_from(args)
    for count in args.points:
        settings.replace(network_points=count)
    check_outputs({'-o': args.output}, (args.input, weights_file(settings.weights)), 'bench', args.overwrite)
    compile_if_cold()
    with atomic_write(args.output, 'bench', args.overwrite) as output:
        output.mkdir()
        _Bench(args, settings, output).run()
    print(f'\nwritten: {args.output}')


def _list_of(kind: type) -> Callable[[str], list]:
    def parse(text: str) -> list:
        return [kind(word) for word in text.split(',')]

    parse.__name__ = f'list of {kind.__name__}'  # as argparse names it where it cannot parse
    return parse


class _Bench:
    """One run: measures part by part, tells each at once, writes all at the end."""

    def __init__(self, args: argparse.Namespace, settings: Settings, output: Path):
        from ..bench import clouds
        from ..bench.goals import before
        from ..bench.machine import CpuUse, describe
        from ..inference.device import choose_device, set_threads

        self._args, self._settings, self._output = args, settings, output
        idle = CpuUse()
        time.sleep(1.0)
        self._baseline = idle.percent()
        self._busy = CpuUse()
        self._device = choose_device(settings.device)
        set_threads(settings.threads)  # the peaks are told of as many as the method takes
        self._machine = describe(self._device)
        self._before = before(recorded=bool(args.input))
        self._clouds = (
            clouds.recorded(args.input, args.topic, args.sweeps) if args.input else clouds.simulated(args.sweeps)
        )
        self._json: dict[str, Any] = {}
        self._tables: list[Table] = []
        self._searched: dict[int, Walk] = {}
        self._overlapped: dict[int, Throughput] = {}

    def run(self) -> None:
        print(f'in use by others: {self._others}', flush=True)
        for part in PARTS:
            if part in self._args.parts:
                getattr(self, f'_{part}')()
        self._write()

    def _show(self, table: 'Table') -> None:
        print(table.text(), flush=True)
        self._tables.append(table)

    def _method(self, count: int, **changes: int) -> 'SceneFlow':
        from ..scene_flow import SceneFlow

        return SceneFlow(self._settings.replace(network_points=count, **changes))

    def _walk(self, count: int) -> 'Walk':
        """With scan matching, so many network points; measured once."""
        from ..bench.stages import walk

        if count not in self._searched:
            self._searched[count] = walk(self._method(count), self._clouds, self._args.warm_up)
        return self._searched[count]

    def _run_through(self, count: int) -> 'Throughput':
        """Likewise, overlapped."""
        from ..bench.throughput import run_through

        if count not in self._overlapped:
            self._overlapped[count] = run_through(self._method(count), self._clouds, self._args.warm_up)
        return self._overlapped[count]

    def _goals(self) -> None:
        from ..bench import tables
        from ..bench.live_node import measure_node
        from ..bench.plot import draw_goal
        from ..bench.stages import walk

        count = self._settings.network_points
        one, through, node = self._walk(count), self._run_through(count), measure_node(self._clouds)
        # One core is what the goal asks of: two threads that share the sampling take more between them.
        alone = walk(self._method(count, threads=1), self._clouds, self._args.warm_up)
        found = {'sweep_ms': one.whole.p50, 'sweeps_per_second': through.rate, 'processor_ms': alone.processor.p50}
        if node is not None:
            found |= {'resident_mb': node.resident_mb, 'ready_s': node.ready_s}
        self._show(tables.goals(found, self._before))
        now = {stage: timing.p50 for stage, timing in one.stages.items()}
        self._json['goals'] = {'figures': found, 'stages': now}
        draw_goal(self._output / 'goals.png', self._before, now)

    def _stages(self) -> None:
        from ..bench import tables
        from ..bench.plot import draw_stages
        from ..bench.report import walk_json
        from ..bench.stages import walk

        bars = {}
        for count in self._args.points:
            searched = self._walk(count)
            given = walk(self._method(count), self._clouds, self._args.warm_up, searched.ego_motions)
            for name, one in (('scan matching', searched), ('odometry given', given)):
                title = f'{count} network points, {name}'
                self._show(tables.walk(title, one))
                self._json.setdefault('passes', {})[title] = walk_json(one)
                bars[title] = {stage: timing.p50 for stage, timing in one.stages.items()}
        draw_stages(self._output / 'stages.png', bars, self._title)

    def _throughput(self) -> None:
        from ..bench import tables
        from ..bench.report import throughput_json
        from ..bench.throughput import run_through

        passes = {}
        for count in self._args.points:
            passes[f'{count} network points, scan matching'] = self._run_through(count)
            passes[f'{count} network points, odometry given'] = run_through(
                self._method(count), self._clouds, self._args.warm_up, self._walk(count).ego_motions
            )
        self._show(tables.throughput(passes))
        self._json['throughput'] = {title: throughput_json(one) for title, one in passes.items()}

    def _dds(self) -> None:
        from ..bench import tables
        from ..bench.dds import round_trip

        timing = round_trip(self._clouds)
        if timing is None:
            print("\nDDS: not measured, since ROS 2 is not here: source it, or pip install '.[ros]' in the sources")
            return
        self._show(tables.dds(timing))
        self._json['dds'] = timing.as_dict()

    def _blocks(self) -> None:
        import torch

        from ..bench import machine, tables
        from ..bench.blocks import measure_blocks
        from ..bench.report import blocks_json
        from ..bench.stages import one_pair
        from ..inference.device import lent_to_torch

        with lent_to_torch():
            flops, bandwidth = machine.peak_flops(self._device), machine.peak_bandwidth(self._device)
        peaks = ('fp32 matrix product', f'{flops / 1e9:.0f} GFLOP/s'), ('memory', f'{bandwidth / 1e9:.1f} GB/s')
        self._show(tables.pairs('peaks, measured', peaks))
        self._json['peaks'] = {'FLOPS_PER_SECOND': flops, 'BYTES_PER_SECOND': bandwidth}
        of_each = {}
        for count in self._args.points:
            method = self._method(count)
            prepared = method.prepare(*one_pair(method, self._clouds))
            assert prepared.samples is not None
            source, target = (
                torch.from_numpy(sample.of(points))[None].to(self._device)
                for sample, points in zip(prepared.samples, (prepared.points, prepared.target))
            )
            of_each[str(count)] = measure_blocks(method.inference.network, source, target, self._args.repeats)
        self._show(tables.blocks(of_each, flops, bandwidth))
        self._json['blocks'] = {count: blocks_json(one, flops, bandwidth) for count, one in of_each.items()}

    def _alternatives(self) -> None:
        from ..bench import tables
        from ..bench.alternatives import measure_alternatives
        from ..bench.report import alternatives_json
        from ..bench.stages import one_pair

        method = self._method(self._args.points[0])
        found, missing = measure_alternatives(method, *one_pair(method, self._clouds), self._args.repeats)
        self._show(tables.alternatives(found))
        if missing:
            print(f'not installed, so not measured: {", ".join(missing)}')
        self._json['alternatives'] = alternatives_json(found)

    def _peers(self) -> None:
        from ..bench import tables
        from ..bench.peers import measure_peers
        from ..bench.report import peers_json
        from ..bench.stages import all_pairs

        method = self._method(self._args.points[0])
        found = measure_peers(method, all_pairs(method, self._clouds), self._args.warm_up)
        self._show(tables.peers(found))
        self._json['peers'] = peers_json(found)

    def _scaling(self) -> None:
        from ..bench import tables
        from ..bench.plot import draw_scaling
        from ..bench.scaling import INPUT_SIZES, NETWORK_SIZES, scale, scale_cores
        from ..bench.stages import one_pair

        method = self._method(self._args.points[0])
        rows = scale_cores(method.settings, self._clouds, self._args.warm_up)
        rows += scale(method.settings, *one_pair(method, self._clouds), INPUT_SIZES, NETWORK_SIZES, 3)
        for table in tables.scaling(rows):
            self._show(table)
        self._json['scaling'] = rows
        draw_scaling(self._output / 'scaling.png', rows, self._title)

    @property
    def _others(self) -> str:
        return 'unknown' if self._baseline is None else f'{self._baseline:.0f} % of all cores'

    @property
    def _title(self) -> str:
        return f'{self._machine["DEVICE"]}, {self._machine["THREADS"]} threads'

    def _write(self) -> None:
        from ..bench import tables
        from ..bench.machine import peak_device_bytes, peak_host_bytes
        from ..bench.report import resources_json

        host, device, busy = peak_host_bytes(), peak_device_bytes(self._device), self._busy.percent()
        self._show(tables.pairs('machine', [*self._machine.items(), ('in use by others before', self._others)]))
        self._show(
            tables.pairs(
                'the whole run',
                [
                    ('most memory of the host', f'{host / 2**20:.0f} MiB'),
                    ('most memory of the device', f'{device / 2**20:.0f} MiB' if device else 'the same'),
                    ('processor in use', 'unknown' if busy is None else f'{busy:.0f} % of all cores'),
                ],
            )
        )
        resources = resources_json(self._baseline, busy, host, device)
        metadata = {
            **self._machine,
            'NAME': 'ssrflow bench',
            'INPUT': 'recording' if self._args.input else 'simulated',
            'NUM_CLOUDS': len(self._clouds),
            'WEIGHTS': Path(self._settings.weights).name,
        }
        (self._output / 'bench.json').write_text(
            json.dumps({'metadata': metadata, **resources, **self._json}, indent=1) + '\n'
        )
        (self._output / 'tables.md').write_text('\n'.join(table.markdown() for table in self._tables))
