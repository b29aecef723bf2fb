"""An evaluation as Markdown tables and as JSON; unit and protocol stand beside every number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

from ..atomic_write import atomic_write
from ..datasets.labelled_pair import ARGOVERSE2, FLOWNET3D
from .evaluate import Evaluation, PairScore
from .metrics import CATEGORIES, METRICS, PER, RANGES, SPEEDS, SQUARE, ResidualErrors, ThreeWay, mean_of_known
from .predictions import METHOD, NETWORK, ZERO

Columns = Sequence[tuple[str, str]]
"""Of a table: the head, and the key of the score."""

_LIDAR = (
    ('points', 'points'),
    ('zero flow', 'zero.epe3d'),
    ('ego-motion only', 'ego_motion.epe3d'),
    ('network', 'network.epe3d'),
    ('**method**', 'method.epe3d'),
    ('static: network', 'network.static_epe3d'),
    ('**method**', 'method.static_epe3d'),
    ('moving points', 'moving_points'),
    ('zero flow there', 'zero.moving_epe3d'),
    ('network', 'network.moving_epe3d'),
    ('**method**', 'method.moving_epe3d'),
    ('moving IoU', 'method.moving_iou'),
    ('three-way: zero', 'zero.three_way'),
    ('network', 'network.three_way'),
    ('**method**', 'method.three_way'),
)
_STEREO = (
    ('points', 'points'),
    ('zero flow', 'zero.epe3d'),
    ('network', 'network.epe3d'),
    ('Acc3DS', 'network.acc3ds'),
    ('Acc3DR', 'network.acc3dr'),
    ('Outliers', 'network.outliers'),
    ('ego-motion only', 'ego_motion.epe3d'),
    ('method', 'method.epe3d'),
    ('Acc3DS', 'method.acc3ds'),
    ('Acc3DR', 'method.acc3dr'),
    ('Outliers', 'method.outliers'),
)
_UNLABELLED = (
    ('points', 'points'),
    ('unmoved', 'zero.nearest'),
    ('ego-motion only', 'ego_motion.nearest'),
    ('network', 'network.nearest'),
    ('**method**', 'method.nearest'),
)
_COUNTS = ('points', 'moving_points')
_SPREAD = ('method.moving_epe3d',)  # beside which its standard deviation over sampling seeds stands, in hundredths

MOST_ROWS = 40
_SAID = {
    'LiDAR pairs': "EPE3D, m over the pair, points as labelled; the first four with the sensor's motion included, "
    'then ego-motion removed; three-way EPE in m per 0.1 s',
    'Pairs with the ego-motion left in': 'EPE3D, m over the pair; shares of Acc3DS (< 0.05 m or < 5 %), Acc3DR '
    '(< 0.10 m or < 10 %), Outliers (> 0.30 m or > 10 %); the network alone sees '
    'the pair as it is, the whole method takes the ego-motion out first',
    'Pairs without labels': 'median distance, m, of points but the ground to the nearest point of the next sweep',
}


def markdown(evaluation: Evaluation) -> Iterator[str]:
    """Tables, a line at a time; of more than `MOST_ROWS` pairs only the means."""
    for title, columns, scores in _kinds(evaluation.scores):
        yield from ('', f'### {title}', '', f'{_SAID[title]}.', '')
        yield from _head(['pair', *(name for name, _ in columns)])
        for score in scores if len(scores) <= MOST_ROWS else ():
            yield _line(score.name, [_cell(score, key) for _, key in columns])
        if len(scores) > 1:
            yield _line(f'mean of {len(scores)}', [_shown(value, key) for key, value in _means(scores, columns)])
    refused: dict[str, list[str]] = {}
    for score in evaluation.scores:
        if score.refused:
            refused.setdefault(score.refused, []).append(score.name)
    for reason, names in refused.items():
        yield f'\nNo answer for {len(names)} of {len(evaluation.scores)} ({", ".join(names)}): {reason}'
    if evaluation.everywhere[METHOD].n:
        yield from _totals(evaluation)
        if any(evaluation.groups):
            yield from _groups(evaluation)
        yield from _binned(evaluation)


def _kinds(scores: Sequence[PairScore]) -> Iterator[tuple[str, Columns, list[PairScore]]]:
    """Title, columns and pairs of each kind that there is."""
    answered = [score for score in scores if score.values]
    unlabelled = [score for score in answered if 'zero.nearest' in score.values]
    scored = [score for score in answered if 'zero.nearest' not in score.values]
    for title, columns, some in zip(
        _SAID,
        (_LIDAR, _STEREO, _UNLABELLED),
        (
            *([score for score in scored if score.protocol == protocol] for protocol in (ARGOVERSE2, FLOWNET3D)),
            unlabelled,
        ),
    ):
        if some:
            yield title, columns, some


def _means(scores: Sequence[PairScore], columns: Columns) -> list[tuple[str, float]]:
    """Over the pairs that have the figure; three-way from the means of its parts, as many pairs lack one of them."""

    def mean(key: str) -> float:
        if key.endswith('three_way'):
            return mean_of_known([mean(key.replace('three_way', part)) for part in ThreeWay._fields[1:]])
        return mean_of_known([score.values.get(key, math.nan) for score in scores])

    return [(key, mean(key)) for _, key in columns]


def _totals(evaluation: Evaluation) -> Iterator[str]:
    yield from (
        '',
        '### All points together',
        '',
        'Ego-motion removed, m per 0.1 s; every point counts alike; square: within 35 m of the sensor in x and in y.',
        '',
    )
    yield from _head(['', 'zero flow', 'network', '**method**'])
    for name, errors in (('square', evaluation.square), ('everywhere', evaluation.everywhere)):
        columns = [numbers(errors[answer]) for answer in (ZERO, NETWORK, METHOD)]
        for metric in columns[0]:
            yield _line(
                f'{metric.replace("_", " ")}, {METRICS[metric][0]}, {name}',
                [_shown(column[metric]) for column in columns],
            )


def _groups(evaluation: Evaluation) -> Iterator[str]:
    yield from (
        '',
        '### By group',
        '',
        'EPE in m per 0.1 s, ego-motion removed, over the points of the group; moving: at least 0.05 m per 0.1 s.',
        '',
    )
    yield from _head(
        [
            '',
            'pairs',
            'moving: zero flow',
            'network',
            '**method**',
            'static: network',
            '**method**',
            'three-way: zero',
            'network',
            '**method**',
            'dynamic IoU',
        ]
    )
    for name, errors in sorted(evaluation.groups.items()):
        static, moving = zip(*(errors[answer].static_and_dynamic() for answer in (ZERO, NETWORK, METHOD)))
        three_way = [errors[answer].three_way().mean for answer in (ZERO, NETWORK, METHOD)]
        pairs = sum(score.group == name and not score.refused for score in evaluation.scores)
        cells = (*moving, *static[1:], *three_way, errors[METHOD].dynamic_iou())
        yield _line(name or 'others', [str(pairs), *map(_shown, cells)])


def _binned(evaluation: Evaluation) -> Iterator[str]:
    for title, unit, edges, rows in (
        ('Moving points by range', 'm', RANGES, lambda errors: errors.by_range.error(slice(1, 2))),
        ('Static points by range', 'm', RANGES, lambda errors: errors.by_range.error(slice(0, 1))),
        ('All points by speed', 'm/s', SPEEDS, lambda errors: errors.by_speed.error()),
    ):
        yield from ('', f'### {title}', '', 'EPE in m per 0.1 s, ego-motion removed.', '')
        yield from _head([unit, 'zero flow', 'network', '**method**'])
        columns = [rows(evaluation.everywhere[answer]) for answer in (ZERO, NETWORK, METHOD)]
        for low, high, *values in zip(edges, edges[1:], *columns):
            if not math.isnan(values[0]):
                yield _line(f'{low:g} to {high:g}' if math.isfinite(high) else f'from {low:g} on', map(_shown, values))


def numbers(errors: ResidualErrors) -> dict[str, float]:
    """The Argoverse 2 protocol's metrics by the names of METRICS."""
    buckets = errors.bucket_normalised()
    return {
        **errors.three_way().by_name(),
        'bucket_static': buckets.static,
        'bucket_dynamic': buckets.dynamic,
        'dynamic_iou': errors.dynamic_iou(),
    }


def write_json(path: str | Path, evaluation: Evaluation, about: dict[str, Any]) -> None:
    """Every number with units and protocols; `about` says what was scored with what. nan becomes null."""
    everywhere, square = evaluation.everywhere, evaluation.square
    content = {
        **about,
        'metrics': {name: {'unit': unit, 'protocol': protocol} for name, (unit, protocol) in METRICS.items()},
        'pairs': [
            {
                'name': score.name,
                'protocol': score.protocol,
                **({'refused': score.refused} if score.refused else {}),
                'values': score.values,
                **({'spread_over_seeds': score.spread} if score.spread else {}),
            }
            for score in evaluation.scores
        ],
        'means_over_pairs': {
            title: dict(_means(scores, columns)) for title, columns, scores in _kinds(evaluation.scores)
        },
        'over_points': {
            'everywhere': {name: numbers(errors) for name, errors in everywhere.items()},
            f'within a square of {SQUARE:g} m': {name: numbers(errors) for name, errors in square.items()},
        },
        'by_group': {
            group: {name: numbers(errors) for name, errors in by_answer.items()}
            for group, by_answer in evaluation.groups.items()
        },
        'by_category': {
            name: dict(zip(CATEGORIES, errors.bucket_normalised().by_category.values()))
            for name, errors in everywhere.items()
        },
        'by_range': {
            'edges_m': RANGES,
            'unit': f'm per {PER} s',
            **{
                name: {
                    'static': errors.by_range.error(slice(0, 1)),
                    'dynamic': errors.by_range.error(slice(1, 2)),
                    'points': errors.by_range.count,
                }
                for name, errors in everywhere.items()
            },
        },
        'by_speed': {'edges_m_per_s': SPEEDS, 'unit': f'm per {PER} s', **_by_speed(everywhere)},
        'ego_motion_left_in': {
            'by_speed': {'edges_m_per_s': SPEEDS, 'unit': f'm per {PER} s', **_by_speed(evaluation.left_in)}
        },
    }
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + '\n')


def _by_speed(errors: dict[str, ResidualErrors]) -> dict[str, Any]:
    return {name: {'all': one.by_speed.error(), 'points': one.by_speed.count[0]} for name, one in errors.items()}


def _plain(value: Any) -> Any:
    """Arrays as lists, and null for what JSON has no number for."""
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _head(names: Sequence[str]) -> Iterator[str]:
    yield _line(names[0], names[1:])
    yield '|' + '---|' * len(names)


def _line(name: str, cells: Iterable[str]) -> str:
    return '| ' + ' | '.join([name, *cells]) + ' |'


def _cell(score: PairScore, key: str) -> str:
    value, spread = score.values.get(key, math.nan), score.spread.get(key, math.nan) if key in _SPREAD else math.nan
    if math.isnan(spread) or value < 0.0005:  # which is shown as 0
        return _shown(value, key)
    return f'{_shown(value, key)} ± {100 * spread / value:.0f} %'


def _shown(value: float, key: str = '') -> str:
    if math.isnan(value):
        return ''
    return f'{value:,.0f}' if key in _COUNTS else f'{value:.3f}'
