"""The stages as one bar a pass, so that one sees where the time goes."""
from __future__ import annotations

from pathlib import Path
from typing import Mapping

from ..whole import written_whole
from .stages import STAGES

_PAGE, _INK, _SOFT = '#0f1720', '#f3f6f9', '#93a3b3'
_COLOURS = dict(zip(STAGES, ('#5b6b7a', '#ffb454', '#8bd450', '#4cc3ff', '#ff5fa2', '#b48cff', '#ffd866', '#9fb3c8')))
_NARROWEST_NUMBER = 0.03  # share of the longest bar, in which a number still fits


def draw_stages(path: str | Path, bars: Mapping[str, Mapping[str, float]], title: str) -> None:
    """A .png: one bar for each of `bars`, each a mapping of stages to milliseconds (p50)."""
    import matplotlib
    from matplotlib.figure import Figure
    with matplotlib.rc_context({'font.family': 'DejaVu Sans', 'font.size': 11, 'text.color': _INK,
                                'axes.labelcolor': _INK, 'xtick.color': _SOFT, 'ytick.color': _INK}):
        figure = Figure(figsize=(12.5, 1.9 + 0.75 * len(bars)), dpi=100, facecolor=_PAGE)
        axes = figure.add_subplot(facecolor=_PAGE)
        longest = max(sum(bar.values()) for bar in bars.values())
        left = dict.fromkeys(bars, 0.0)
        for stage in STAGES:
            widths = [bar.get(stage, 0.0) for bar in bars.values()]
            axes.barh(list(bars), widths, left=list(left.values()), color=_COLOURS[stage],
                      label=stage.replace('_', '-'))
            for name, width in zip(bars, widths):
                if width > _NARROWEST_NUMBER * longest:
                    axes.text(left[name] + width / 2, name, f'{width:.0f}', ha='center', va='center', color=_PAGE)
                left[name] += width
        for name, end in left.items():
            axes.text(end + 0.008 * longest, name, f'{end:.0f} ms', va='center')
        axes.set(xlim=(0, 1.1 * longest), xlabel='milliseconds a sweep, p50 of each stage')
        axes.invert_yaxis()
        for side in ('top', 'right', 'left'):
            axes.spines[side].set_visible(False)
        axes.spines['bottom'].set_color(_SOFT)
        axes.set_title(title, loc='left', pad=34)
        axes.legend(ncols=len(STAGES), frameon=False, loc='lower left', bbox_to_anchor=(0, 1.0), fontsize=10,
                    columnspacing=1.2, handlelength=1.0, borderaxespad=0.2)
        figure.tight_layout()
        with written_whole(path) as whole:
            figure.savefig(whole, format='png')
