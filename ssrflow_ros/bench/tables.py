"""What was measured as tables: aligned for the eye, and as Markdown for a page.

What goes into bench.json, and under which names, is in `report.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

from .alternatives import OURS
from .blocks import Block
from .goals import GOALS, Before
from .peers import Peer
from .scaling import CORES, INPUT_POINTS, NETWORK_POINTS, growth
from .stages import Walk
from .throughput import Throughput
from .timing import Timing

_FEWEST_MS = 0.05
"""Of a floor, below which how many times it is taken says nothing."""


@dataclass(frozen=True)
class Table:
    """Rows of words; `columns` are the heads of those behind the first one."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Aligned: words to the left, numbers to the right."""
        rows = [('', *self.columns), *self.rows] if any(self.columns) else [*self.rows]
        columns = range(len(self.columns) + 1)
        widths = [max(len(row[place]) for row in rows) for place in columns]
        pads = ['>' if any(self.columns) and self._is_of_numbers(place) else '<' for place in columns]
        lines = [
            '  ' + '  '.join(f'{word:{pad}{width}}' for word, pad, width in zip(row, pads, widths)).rstrip()
            for row in rows
        ]
        return '\n'.join(['', self.title, *lines])

    def _is_of_numbers(self, column: int) -> bool:
        return all(row[column][:1].isdigit() or not row[column] for row in self.rows)

    def markdown(self) -> str:
        """With its title as a bold line."""
        lines = [('', *self.columns), ('---',) * (1 + len(self.columns)), *self.rows]
        return '\n'.join([f'**{self.title}**', '', *('| ' + ' | '.join(line) + ' |' for line in lines), ''])


def pairs(title: str, rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values."""
    return Table(title, ('',), [(name, str(value)) for name, value in rows])


def goals(found: Mapping[str, float], before: Before) -> Table:
    """Each goal, the figure of the older code, and the one of now; what could not be measured says so."""
    rows = []
    for goal in GOALS:
        now = found.get(goal.key)
        rows.append(
            (
                goal.name,
                goal.told(goal.limit),
                goal.told(before.figures[goal.key]) if goal.key in before.figures else 'not known',
                'not measured: no ROS 2' if now is None else goal.told(now),
                '' if now is None else 'met' if goal.is_met(now) else 'missed',
            )
        )
    title = f'goals; before: commit {before.commit}, {before.input}, {before.machine}: compare on a like machine only'
    return Table(title, ('goal', 'before', 'now', ''), rows)


def walk(title: str, one: Walk) -> Table:
    """p50, p95, max of each stage."""
    rows = [*one.stages.items(), ('decode to encode', one.whole)]
    rows += [('processor time without the network', one.processor)]
    return Table(
        f'{title}, {one.points:.0f} points a cloud, {1e-3 * one.points / one.whole.p50:.2f} million points/s',
        ('p50, ms', 'p95', 'max'),
        [
            (name.replace('_', '-'), f'{timing.p50:.1f}', f'{timing.p95:.1f}', f'{timing.max:.1f}')
            for name, timing in rows
        ],
    )


def throughput(passes: Mapping[str, Throughput]) -> Table:
    """Rate and latency of each, and what bounds the rate."""
    return Table(
        'stages of successive sweeps overlapped, as fast as it goes',
        ('sweeps/s', 'latency p50, ms', 'max', 'processor time a sweep, ms', 'at most sweeps/s'),
        [
            (
                title,
                f'{one.rate:.1f}',
                f'{one.latency.p50:.0f}',
                f'{one.latency.max:.0f}',
                f'{one.cpu_ms:.0f}' if one.cpu_ms else 'unknown',
                f'{one.most:.1f}' if one.most else 'unknown',
            )
            for title, one in passes.items()
        ],
    )


def blocks(of_each: Mapping[str, Mapping[str, Block]], flops: float, bandwidth: float) -> Table:
    """Blocks of one kind together, over all levels; `of_each` by number of network points."""
    columns = [f'{count}: {what}' for count in of_each for what in ('ms', 'floor, ms', 'times the floor')]
    grouped = [_by_kind(one) for one in of_each.values()]
    rows = [
        (kind, *(word for kinds in grouped for word in _block_words(kinds[kind], flops, bandwidth)))
        for kind in grouped[0]
    ]
    rows.append(
        ('together', *(w for kinds in grouped for w in _block_words(sum(kinds.values(), []), flops, bandwidth)))
    )
    return Table('blocks of the network, both frames, by number of network points', columns, rows)


def alternatives(found: Mapping[str, Mapping[str, Timing]]) -> Table:
    """Each way's p50 and its ratio to ours."""
    rows = []
    for job, ways in found.items():
        ours = ways[OURS].p50
        others = (f'{way} {timing.p50 / ours:.2g}' for way, timing in ways.items() if way != OURS)
        rows.append((job, f'{ours:.2f} ms', ', '.join(others)))
    return Table('each step and operator, and what else could do it', ('ours, p50', 'others, times ours'), rows)


def peers(found: Iterable[Peer]) -> Table:
    """Ours and theirs on the same sweeps."""
    return Table(
        "a sweep's work, ours and theirs, one thread each",
        ('by', 'p50, ms', 'processor time, ms'),
        [
            (peer.job, peer.name)
            + (
                (f'not measured: {peer.missing}', '')
                if peer.missing
                else (f'{peer.wall.p50:.1f}', f'{peer.processor.p50:.1f}')
            )
            for peer in found
        ],
    )


def scaling(rows: Sequence[dict]) -> list[Table]:
    """Sizes with p50, rate of points and memory; cores with both rates; how time grows."""
    sized, cored = ([row for row in rows if (row['varied'] == CORES) == whether] for whether in (False, True))
    tables = [
        Table(
            'how it grows',
            ('p50, ms', 'million points/s', 'peak memory, MB', 'of the device, MB'),
            [(f'{row["varied"].replace("_", " ")} {row[row["varied"]]:,}', *_size_words(row)) for row in sized],
        )
    ]
    if cored:
        tables.append(
            Table(
                'cores',
                ('threads of the network', 'p50, ms', 'sweeps/s, overlapped', 'peak memory, MB'),
                [
                    (
                        str(row[CORES]),
                        str(row['threads']),
                        f'{row["P50_LATENCY"]:.1f}',
                        f'{row["MEAN_FRAME_RATE"]:.1f}',
                        f'{row["PEAK_HOST_BYTES"] / 1e6:.0f}',
                    )
                    for row in cored
                ],
            )
        )
    grown = ((name, growth(rows, name)) for name in (INPUT_POINTS, NETWORK_POINTS))
    told = [(f'n {name.replace("_", " ")}', one.told) for name, one in grown if one]
    return [*tables, pairs('fitted', told)] if told else tables


def _size_words(row: dict) -> tuple[str, ...]:
    if 'error' in row:
        return row['error'], '', '', ''
    rate, host, device = (row[key] / 1e6 for key in ('POINTS_PER_SECOND', 'PEAK_HOST_BYTES', 'PEAK_DEVICE_BYTES'))
    return f'{row["P50_LATENCY"]:.1f}', f'{rate:.2f}', f'{host:.0f}', f'{device:.0f}'


def dds(one: Timing) -> Table:
    """Both conversions included."""
    return Table(
        'DDS, a cloud from publish to callback',
        ('p50, ms', 'p95', 'max'),
        [('PointCloud2', f'{one.p50:.1f}', f'{one.p95:.1f}', f'{one.max:.1f}')],
    )


def _by_kind(found: Mapping[str, Block]) -> dict[str, list[Block]]:
    """'decoder 0: STR' and 'decoder 1: STR' are both 'STR'."""
    kinds: dict[str, list[Block]] = {}
    for name, block in found.items():
        kinds.setdefault(name.split(': ')[-1], []).append(block)
    return kinds


def _block_words(of_kind: Sequence[Block], flops: float, bandwidth: float) -> tuple[str, ...]:
    ms = sum(block.timing.p50 for block in of_kind)
    floor = sum(block.floor_ms(flops, bandwidth) for block in of_kind)
    return f'{ms:.1f}', f'{floor:.1f}', f'{ms / floor:.1f}' if floor > _FEWEST_MS else ''
