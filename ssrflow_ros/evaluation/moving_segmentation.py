"""Moving-object segmentation as the field scores it: IoU of the moving points of whole recordings, ground included."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from ..datasets.moving_labels import MOVING, UNSCORED, LabelledRecording, LabelledRows
from ..errors import SSRFlowError
from ..scene_flow import SceneFlow
from ..sweep import FlowField

PROTOCOL = (
    'moving-object segmentation: each sweep against the one before it, in their order, as a live node does; IoU of '
    'moving points over all labelled points of all labelled sweeps together, ground included; a sweep without an '
    'answer counts as standing still'
)
_SHOWN = 5  # of several reasons


@dataclass
class Segmentation:
    """Counts of points, over all sweeps that were added."""

    right: int = 0
    false: int = 0
    missed: int = 0
    points: int = 0
    sweeps: int = 0
    unanswered: int = 0
    unread: int = 0

    def add(self, moving: np.ndarray, labels: np.ndarray) -> None:
        """One sweep: what is said, (N,) bool, and the labels (N,)."""
        truth, scored = labels == MOVING, labels != UNSCORED
        self.right += int((moving & truth & scored).sum())
        self.false += int((moving & ~truth & scored).sum())
        self.missed += int((~moving & truth & scored).sum())
        self.points += int(scored.sum())
        self.sweeps += 1

    def merge(self, other: 'Segmentation') -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def iou(self) -> float:
        return _share(self.right, self.right + self.false + self.missed)

    @property
    def precision(self) -> float:
        return _share(self.right, self.right + self.false)

    @property
    def recall(self) -> float:
        return _share(self.right, self.right + self.missed)


@dataclass
class SegmentationScores:
    """What was scored: `recordings` and `groups` by name, `everything`; why sweeps had no answer, and why some could
    not be read."""

    recordings: dict[str, Segmentation] = field(default_factory=dict)
    groups: dict[str, Segmentation] = field(default_factory=dict)
    everything: Segmentation = field(default_factory=Segmentation)
    reasons: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    def add(self, method: SceneFlow, recording: LabelledRecording, within: float | None = None) -> Segmentation:
        """Play one recording through `method`, as a stream; `within` m of the sensor, where only that is scored."""
        stream, score = method.stream(), Segmentation()
        for read in _sweeps(recording):
            if isinstance(read, SSRFlowError):  # one damaged file of thousands
                self.unread.append(str(read))
                score.unread += 1
                continue
            sweep, labels = read
            flow, reason = None, ''
            try:
                flow = stream.push(sweep)
                reason = stream.reason
            except SSRFlowError as error:
                reason = str(error)
            if labels is None:
                continue
            if flow is None:
                self.reasons[reason] += 1
                score.unanswered += 1
            labels = labels[sweep.rows]
            if within is not None:
                labels = np.where(np.linalg.norm(sweep.points, axis=1) <= within, labels, UNSCORED)
            score.add(_moving(flow, sweep.rows), labels)
        self.recordings[recording.name] = score
        self.groups.setdefault(recording.group, Segmentation()).merge(score)
        self.everything.merge(score)
        return score


def _sweeps(recording: LabelledRecording) -> Iterator[LabelledRows | SSRFlowError]:
    """Each sweep, or why it could not be read; of a recording that cannot be read at all why."""
    try:
        sweeps = recording.sweeps()
    except SSRFlowError as error:
        yield error
        return
    while True:
        try:
            yield next(sweeps)
        except StopIteration:
            return
        except SSRFlowError as error:
            yield error


def _moving(flow: FlowField | None, rows: np.ndarray) -> np.ndarray:
    return np.zeros(len(rows), bool) if flow is None else flow.in_rows().moving[rows]


def markdown(scores: SegmentationScores) -> Iterator[str]:
    """Tables, a line at a time."""
    yield from ('', '| | sweeps | without answer | points | moving | IoU | precision | recall |')
    yield '|' + '---|' * 8
    for name, score in [*sorted(scores.groups.items()), ('all', scores.everything)]:
        yield (
            f'| {name} | {score.sweeps} | {score.unanswered} | {score.points} | {score.right + score.missed} | '
            f'**{score.iou:.3f}** | {score.precision:.3f} | {score.recall:.3f} |'
        )
    for reason, count in scores.reasons.most_common(_SHOWN):
        yield f'\nNo answer for {count} sweeps: {reason}'
    for error in scores.unread[:_SHOWN]:
        yield f'\nNot read: {error}'
    if len(scores.unread) > _SHOWN:
        yield f'\nNot read: {len(scores.unread) - _SHOWN} more'


def write_json(path: Path, scores: SegmentationScores, about: dict[str, Any]) -> None:
    """Every number, with the protocol."""

    def numbers(score: Segmentation) -> dict[str, Any]:
        known = {'iou': score.iou, 'precision': score.precision, 'recall': score.recall}
        return {**vars(score), **{name: None if np.isnan(value) else value for name, value in known.items()}}

    content = {
        **about,
        'protocol': PROTOCOL,
        'all': numbers(scores.everything),
        'groups': {name: numbers(score) for name, score in scores.groups.items()},
        'recordings': {name: numbers(score) for name, score in scores.recordings.items()},
        'without_answer': dict(scores.reasons),
        'not_read': scores.unread,
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + '\n')


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float('nan')
