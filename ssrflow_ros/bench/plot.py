"""Pictures of where the time goes: the stages as one bar a pass, and how they grow with the points."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..atomic_write import atomic_write
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
    with _figure(path, 1.9 + 0.75 * len(bars)) as figure:
        axes = figure.add_subplot(facecolor=_PAGE)
        longest = max(sum(bar.values()) for bar in bars.values())
        left = dict.fromkeys(bars, 0.0)
        stages = [stage for stage in STAGES if any(stage in bar for bar in bars.values())]
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
        axes.set_title(title, loc='left', pad=34)
        axes.legend(ncols=len(stages), frameon=False, loc='lower left', bbox_to_anchor=(0, 1.0), **_LEGEND)


def draw_scaling(path: str | Path, rows: list[dict], title: str) -> None:
    """A .png: milliseconds (p50) of each stage, one above the other, over the points of `scaling.scale`'s rows."""
    varied = {row['varied']: row['varied'].replace('_', ' ') for row in rows}
    with _figure(path, 5.2) as figure:
        for place, (name, words) in enumerate(varied.items(), 1):
            axes = figure.add_subplot(1, len(varied), place, facecolor=_PAGE)
            done = [row for row in rows if row['varied'] == name and 'stages' in row]
            done.sort(key=lambda row: row[name])
            stages = [stage for stage in STAGES if any(stage in row['stages'] for row in done)]
            axes.stackplot(
                [row[name] for row in done],
                [[row['stages'].get(stage, 0.0) for row in done] for stage in stages],
                colors=[_COLOURS[stage] for stage in stages],
                labels=[stage.replace('_', '-') for stage in stages],
            )
            axes.set(xscale='log', xlabel=words, ylabel='milliseconds a sweep, p50', ylim=(0, None))
            _framed(axes, 'bottom', 'left')
            axes.legend(loc='upper left', frameon=False, reverse=True, **_LEGEND)
        figure.suptitle(title, x=0.02, ha='left')


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
