"""Pictures of where the time goes: the stages as one bar a pass, and how they grow with the points."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from ..atomic_write import atomic_write
from .goals import GOALS, Before
from .scaling import CORES, INPUT_POINTS, NETWORK_POINTS, growth
from .stages import STAGES

_PAGE, _INK, _SOFT = '#0f1720', '#f3f6f9', '#93a3b3'
_COLOURS = dict(
    zip(
        STAGES,
        (
            '#5b6b7a',
            '#c9a27a',
            '#7f9a6b',
            '#ffb454',
            '#e06c5a',
            '#8bd450',
            '#4cc3ff',
            '#2f7fb0',
            '#ff5fa2',
            '#b48cff',
            '#ffd866',
            '#9fb3c8',
        ),
        strict=True,
    )
)
_LEGEND = {'fontsize': 10, 'columnspacing': 1.2, 'handlelength': 1.0, 'borderaxespad': 0.2}
_NARROWEST_NUMBER = 0.03  # share of the longest bar, in which a number still fits


def draw_stages(path: str | Path, bars: Mapping[str, Mapping[str, float]], title: str) -> None:
    """A .png: one bar for each of `bars`, each a mapping of stages to milliseconds (p50)."""
    with _stages(path, bars, title):
        pass


@contextmanager
def _stages(path: str | Path, bars: Mapping[str, Mapping[str, float]], title: str) -> Iterator[Any]:
    with _figure(path, 2.2 + 0.75 * len(bars)) as figure:
        axes = figure.add_subplot(facecolor=_PAGE)
        longest = max(sum(bar.values()) for bar in bars.values())
        left = dict.fromkeys(bars, 0.0)
        stages = _stages_of(bars.values())
        for stage in stages:
            widths = [bar.get(stage, 0.0) for bar in bars.values()]
            axes.barh(
                list(bars), widths, left=list(left.values()), color=_COLOURS[stage], label=stage.replace('_', '-')
            )
            for name, width in zip(bars, widths):
                if width > _NARROWEST_NUMBER * longest:
                    axes.text(left[name] + width / 2, name, f'{width:.0f}', ha='center', va='center', color=_PAGE)
                left[name] += width
        for name, end in left.items():
            axes.text(end + 0.008 * longest, name, f'{end:.0f} ms', va='center')
        axes.set(xlim=(0, 1.1 * longest), xlabel='milliseconds a sweep, p50 of each stage')
        axes.invert_yaxis()
        _framed(axes, 'bottom')
        axes.set_title(title, loc='left', pad=52)
        axes.legend(ncols=-(-len(stages) // 2), frameon=False, loc='lower left', bbox_to_anchor=(0, 1.0), **_LEGEND)
        yield axes


def draw_goal(path: str | Path, before: Before, now: Mapping[str, float]) -> None:
    """A .png: a sweep's stages, ms, as they were and as they are `now`, beside the goal."""
    goal = next(goal for goal in GOALS if goal.key == 'sweep_ms')
    bars = {f'commit {before.commit}': before.stages, 'now': now}
    title = f'a sweep, scan matching, default settings: the goal is {goal.told(goal.limit)}'
    with _stages(path, {name: bar for name, bar in bars.items() if bar}, title) as axes:
        axes.axvline(goal.limit, color=_INK, linestyle='--', linewidth=1.2)


def draw_scaling(path: str | Path, rows: list[dict], title: str) -> None:
    """A .png, a panel each: milliseconds (p50) of each stage, one above the other, over what `scaling` varied, and peak
    memory. How the time grows is fitted, and told above."""
    varied = [name for name in (INPUT_POINTS, NETWORK_POINTS, CORES) if any(row['varied'] == name for row in rows)]
    done = [row for row in rows if 'stages' in row]
    sized = [row for row in done if row['varied'] != CORES]
    panels = len(varied) + bool(sized)
    lines = -(-panels // 2)
    with _figure(path, 4.6 * lines) as figure:
        grid = [figure.add_subplot(lines, 2, place + 1, facecolor=_PAGE) for place in range(panels)]
        for axes, name in zip(grid, varied):
            its = sorted((row for row in done if row['varied'] == name), key=lambda row: row[name])
            (_cores if name == CORES else _over_points)(axes, its, name)
        if sized:
            _memory(grid[-1], sized)
        figure.suptitle(title, x=0.02, ha='left')


def _over_points(axes: Any, rows: list[dict], name: str) -> None:
    counts = [row[name] for row in rows]
    stages = _stages_of(row['stages'] for row in rows)
    axes.stackplot(
        counts,
        [[row['stages'].get(stage, 0.0) for row in rows] for stage in stages],
        colors=[_COLOURS[stage] for stage in stages],
        labels=[stage.replace('_', '-') for stage in stages],
    )
    axes.set(xscale='log', xlabel=name.replace('_', ' '), ylabel='milliseconds a sweep, p50', ylim=(0, None))
    grown = growth(rows, name)
    axes.set_title(grown.told if grown else '', loc='left', fontsize=11)
    _framed(axes, 'bottom', 'left')
    axes.legend(loc='upper left', frameon=False, reverse=True, **_LEGEND)


def _cores(axes: Any, rows: list[dict], name: str) -> None:
    names = [f'{row[name]} core{"s" * (row[name] > 1)},\nthreads: {row["threads"]}' for row in rows]
    below = [0.0] * len(rows)
    for stage in _stages_of(row['stages'] for row in rows):
        heights = [row['stages'].get(stage, 0.0) for row in rows]
        axes.bar(names, heights, bottom=below, color=_COLOURS[stage], width=0.6)
        below = [low + height for low, height in zip(below, heights)]
    for place, (row, height) in enumerate(zip(rows, below)):
        axes.text(place, height, f'{height:.0f} ms\n{row["MEAN_FRAME_RATE"]:.1f} /s', ha='center', va='bottom')
    axes.set(ylabel='milliseconds a sweep, p50', ylim=(0, 1.25 * max(below)))
    axes.set_title('one sweep after the other; /s: sweeps a second, overlapped', loc='left', fontsize=11)
    _framed(axes, 'bottom', 'left')


def _memory(axes: Any, rows: list[dict]) -> None:
    for name, colour in ((NETWORK_POINTS, _COLOURS['network']), (INPUT_POINTS, _COLOURS['sample'])):
        its = sorted((row for row in rows if row['varied'] == name), key=lambda row: row[name])
        if its:
            counts, peaks = [row[name] for row in its], [row['PEAK_HOST_BYTES'] / 1e6 for row in its]
            axes.plot(counts, peaks, color=colour, marker='o', label=name.replace('_', ' '))
    axes.set(xscale='log', xlabel='points', ylabel='peak memory of the process, MB', ylim=(0, None))
    axes.set_title('memory', loc='left', fontsize=11)
    _framed(axes, 'bottom', 'left')
    axes.legend(loc='lower right', frameon=False, **_LEGEND)


def _stages_of(bars: Iterable[Mapping[str, float]]) -> list[str]:
    """Those that occur in any, in the order of the walk."""
    present = {stage for bar in bars for stage in bar}
    return [stage for stage in STAGES if stage in present]


@contextmanager
def _figure(path: str | Path, height: float) -> Iterator:
    """A page of that height in inches, written to `path` at the end, whole or not at all."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(
        {
            'font.family': 'DejaVu Sans',
            'font.size': 11,
            'text.color': _INK,
            'axes.labelcolor': _INK,
            'xtick.color': _SOFT,
            'ytick.color': _INK,
        }
    ):
        figure = Figure(figsize=(12.5, height), dpi=100, facecolor=_PAGE)
        yield figure
        figure.tight_layout()
        with atomic_write(path) as unfinished:
            figure.savefig(unfinished, format='png')


def _framed(axes: Any, *sides: str) -> None:
    """Lines on these sides only."""
    for side, line in axes.spines.items():
        line.set_visible(side in sides)
        line.set_color(_SOFT)
