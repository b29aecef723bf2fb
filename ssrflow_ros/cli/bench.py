"""Where the time goes on this machine: stage by stage, block by block, beside the alternatives.

IN is a rosbag2 of yours; without it a street is simulated, 120,000 returns a sweep. OUT then holds
  bench.json   all figures, in the vocabulary of ros2_benchmark (milliseconds, frames a second)
  stages.png   one bar a pass, one colour a stage
  scaling.png  the same over the points of a sweep, and over those that the network sees
What each table means, and how figures of other machines compare: docs/performance.md. A figure is only as good
as the machine is quiet: its use by others before the measurement is told first.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

from ..errors import InputError
from ..settings import Settings
from ..table import print_table
from .first_use import tell_if_cold
from .options import add_overwrite, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow

PARTS = ('stages', 'throughput', 'dds', 'blocks', 'alternatives', 'scaling')


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
        help='numbers of network points (default: 2048,8192; the first one for alternatives and scaling)',
    )
    parser.add_argument(
        '--repeats', type=int, default=10, metavar='N', help='of each block and alternative (default: 10)'
    )
    add_settings(parser, without=('network_points', 'max_gap', 'ego_motion', 'fixed_frame', 'mounting'))


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
    tell_if_cold()
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
        self._clouds = (
            clouds.recorded(args.input, args.topic, args.sweeps) if args.input else clouds.simulated(args.sweeps)
        )
        self._json: dict[str, Any] = {}
        self._bars: dict[str, dict[str, float]] = {}

    def run(self) -> None:
        print_table(
            'machine',
            [
                *self._machine.items(),
                ('in use by others', 'unknown' if self._baseline is None else f'{self._baseline:.0f} % of all cores'),
            ],
        )
        for part in PARTS:
            if part in self._args.parts:
                getattr(self, f'_{part}')()
        self._write()

    def _methods(self) -> Iterator[tuple[str, 'SceneFlow']]:
        """The name of each in a title, and the method."""
        from ..scene_flow import SceneFlow

        for count in self._args.points:
            method = SceneFlow(self._settings.replace(network_points=count))
            yield f'{count} network points', method

    def _stages(self) -> None:
        from ..bench.report import print_walk, walk_json
        from ..bench.stages import walk

        for named, method in self._methods():
            searched = walk(method, self._clouds, self._args.warm_up)
            given = walk(method, self._clouds, self._args.warm_up, searched.ego_motions)
            for name, one in (('scan matching', searched), ('odometry given', given)):
                title = f'{named}, {name}'
                print_walk(title, one)
                self._json.setdefault('passes', {})[title] = walk_json(one)
                self._bars[title] = {stage: timing.p50 for stage, timing in one.stages.items()}

    def _throughput(self) -> None:
        from ..bench.report import print_throughput, throughput_json
        from ..bench.stages import walk
        from ..bench.throughput import run_through

        passes = {}
        for named, method in self._methods():
            egos = walk(method, self._clouds, 0).ego_motions
            for name, given in (('scan matching', None), ('odometry given', egos)):
                title = f'{named}, {name}'
                passes[title] = run_through(method, self._clouds, self._args.warm_up, given)
        print_throughput(passes)
        self._json['throughput'] = {title: throughput_json(one) for title, one in passes.items()}

    def _dds(self) -> None:
        from ..bench.dds import round_trip

        timing = round_trip(self._clouds)
        if timing is None:
            print("\nDDS: not measured, since ROS 2 is not here: source it, or pip install '.[ros]' in the sources")
            return
        print_table(
            'DDS, a cloud from publish to callback, ms: p50, p95, max',
            [('PointCloud2', f'{timing.p50:8.1f} {timing.p95:8.1f} {timing.max:8.1f}')],
        )
        self._json['dds'] = timing.as_dict()

    def _blocks(self) -> None:
        import torch

        from ..bench import machine
        from ..bench.blocks import measure_blocks
        from ..bench.report import blocks_json, print_blocks
        from ..bench.stages import one_pair

        flops, bandwidth = machine.peak_flops(self._device), machine.peak_bandwidth(self._device)
        print_table(
            'peaks, measured',
            [('fp32 matrix product', f'{flops / 1e9:.0f} GFLOP/s'), ('memory', f'{bandwidth / 1e9:.1f} GB/s')],
        )
        self._json['peaks'] = {'FLOPS_PER_SECOND': flops, 'BYTES_PER_SECOND': bandwidth}
        for _, method in self._methods():
            count = method.settings.network_points
            prepared = method.prepare(*one_pair(method, self._clouds))
            assert prepared.samples is not None
            source, target = (
                torch.from_numpy(sample.of(points))[None].to(self._device)
                for sample, points in zip(prepared.samples, (prepared.points, prepared.target))
            )
            blocks = measure_blocks(method.inference.network, source, target, self._args.repeats)
            print(f'\n{count} network points')
            print_blocks(blocks, flops, bandwidth)
            self._json.setdefault('blocks', {})[str(count)] = blocks_json(blocks, flops, bandwidth)

    def _alternatives(self) -> None:
        from ..bench.alternatives import measure_alternatives
        from ..bench.report import alternatives_json, print_alternatives
        from ..bench.stages import one_pair

        _, method = next(self._methods())
        found, missing = measure_alternatives(method, *one_pair(method, self._clouds), self._args.repeats)
        print_alternatives(found, missing)
        self._json['alternatives'] = alternatives_json(found)

    def _scaling(self) -> None:
        from ..bench.report import print_scaling
        from ..bench.scaling import INPUT_POINTS, NETWORK_POINTS, scale
        from ..bench.stages import one_pair

        _, method = next(self._methods())
        rows = scale(method.settings, *one_pair(method, self._clouds), INPUT_POINTS, NETWORK_POINTS, 3)
        print_scaling(rows)
        self._json['scaling'] = rows

    def _write(self) -> None:
        from ..bench.machine import peak_device_bytes, peak_host_bytes
        from ..bench.plot import draw_scaling, draw_stages
        from ..bench.report import resources_json

        host, device, busy = peak_host_bytes(), peak_device_bytes(self._device), self._busy.percent()
        print_table(
            'the whole run',
            [
                ('most memory of the host', f'{host / 2**20:.0f} MiB'),
                ('most memory of the device', f'{device / 2**20:.0f} MiB' if device else 'the same'),
                ('processor in use', 'unknown' if busy is None else f'{busy:.0f} % of all cores'),
            ],
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
        title = f'{self._machine["DEVICE"]}, {self._machine["THREADS"]} threads'
        if self._bars:
            draw_stages(self._output / 'stages.png', self._bars, title)
        if 'scaling' in self._json:
            draw_scaling(self._output / 'scaling.png', self._json['scaling'], title)
