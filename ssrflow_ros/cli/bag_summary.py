"""What `ssrflow bag` tells at its end: figures, findings, the table, and the judgement in hindsight."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from ..atomic_write import signature
from ..doctor.cloud_log import median_range, nearest
from ..doctor.clouds import misplaced, uneven, unplaced
from ..doctor.method import Companions, doubtful
from ..errors import CAUSES, InputError, SSRFlowError, kind_of
from ..evaluation.replay_check import ReplayCheck, counts, summary, told_apart
from ..formats.message_types import PointCloud2
from ..formats.pointcloud2 import field_names
from ..formats.stamped import stamp_of
from ..settings import Settings
from ..steps.own_body import OwnBody
from ..steps.pairing import CURES, FIRST
from ..sweep import FlowField, Sweep
from ..table import print_table, stage_rows

if TYPE_CHECKING:
    from ..doctor.finding import Finding
    from ..evaluation.replay_check import Judged
    from ..formats.bags import BagMessage
    from ..view.report import DriveReport

_LASTING = 3  # sweeps, from which on a track is hardly an accident


class Summary:
    """Counts what passes; `hindsight`: judges the objects, too.

    drops  how many clouds had no flow, by reason: the pairing's, which goes on counting.
    """

    def __init__(
        self, settings: Settings, drops: Counter[str], own_body: OwnBody, keep: Sequence[str], hindsight: bool
    ):
        self._settings, self._own_body, self._keep = settings, own_body, set(keep)
        self.n_in = 0
        self.drops = drops
        self._causes: dict[str, dict[str, str]] = {}  # of each reason the first error of each kind, with the cure
        self._lacked: Counter[str] = Counter()  # fields of --keep, in how many clouds
        self._companions = Companions()
        self._frames: set[str] = set()
        self._ranges: list[float] = []
        self._nearest: list[float] = []
        self.timings: list[dict[str, float]] = []
        self._moving: list[int] = []
        self._doubts: list[str] = []
        self._objects: list[int] = []
        self._ages: dict[int, int] = {}  # of each track, sweeps in which it was seen
        self._stamps: list[int] = []
        self._check = ReplayCheck(settings) if hindsight else None
        self._judged: list['Judged'] = []
        self._begun = time.perf_counter()

    def begin(self, recorded: 'BagMessage') -> None:
        """Every cloud."""
        self.n_in += 1
        with suppress(InputError):
            self._stamps.append(stamp_of(recorded.raw))

    def note(self, sweep: Sweep) -> None:
        """Every sweep that could be read."""
        self._frames.add(sweep.frame_id)
        if len(sweep):
            self._ranges.append(median_range(sweep))
            self._nearest.append(nearest(sweep))

    def drop(self, reason: str, error: SSRFlowError) -> None:
        """Every cloud that has no answer because of an error; the first of each kind is told at once."""
        self.drops[reason] += 1
        causes, kind = self._causes.setdefault(reason, {}), kind_of(error)
        if kind not in causes and len(causes) < CAUSES:
            causes[kind] = str(error)
            tqdm.write(
                f'ssrflow: sweep {self.n_in}: {reason}: {error} (further ones are only counted)', file=sys.stderr
            )

    def cure(self) -> str:
        """What to do about clouds that are not where a sensor has them, else about the most frequent drop."""
        for finding in misplaced(self._ranges, self._nearest, self._settings):
            return finding.text
        reasons = [reason for reason, _ in self.drops.most_common() if reason != FIRST]
        first = {reason: next(iter(causes.values())) for reason, causes in self._causes.items()}
        return {**CURES, **first}[reasons[0] if reasons else FIRST]

    def add(self, flow: FlowField, cloud: PointCloud2) -> None:
        """Every answer, and the cloud that it is about."""
        self._lacked.update(self._keep.difference(field_names(cloud)))
        self.timings.append(flow.timings_ms)
        self._doubts.append(flow.ego_motion.doubt)
        self._moving.append(int(flow.moving.sum()))
        self._objects.append(len(flow.objects))
        self._companions.add(flow)
        self._ages.update((item.track_id, item.age) for item in flow.objects)
        if self._check:
            self._judged += self._check.add(flow)

    def finish(self) -> None:
        """There is no further sweep."""
        if self._check:
            self._judged += self._check.finish()
        self._spent = time.perf_counter() - self._begun

    def findings(self) -> Iterator['Finding']:
        """What the doctor would say of these clouds."""
        yield from unplaced(self._frames)
        yield from misplaced(self._ranges, self._nearest, self._settings)
        yield from uneven(self._stamps)
        yield from doubtful(self._doubts)
        yield from self._companions.findings()

    def figures(self, findings: Sequence['Finding']) -> dict[str, Any]:
        """What is told at the end, for other programs; the units are in the names."""
        lasted = (max(self._stamps) - min(self._stamps)) * 1e-9
        steps = {step: [one.get(step, 0.0) for one in self.timings] for step in self.timings[0]}
        return {
            'sweeps': self.n_in,
            'recording_s': lasted,
            'annotated': len(self.timings),
            'took_s': self._spent,
            'without_flow': dict(self.drops),
            'moving_points_mean': float(np.mean(self._moving)),
            'moving_points_max': max(self._moving),
            'objects_mean': float(np.mean(self._objects)),
            'objects_max': max(self._objects),
            'objects': sum(self._objects),
            'tracks': len(self._ages),
            f'tracks_of_{_LASTING}_sweeps': sum(age >= _LASTING for age in self._ages.values()),
            'own_body': self._own_body.learnt,
            'without_field': dict(self._lacked),
            'hindsight': counts(self._judged),
            'steps_ms': {
                step: {f'p{share}': float(np.percentile(values, share)) for share in (50, 95)}
                for step, values in steps.items()
            },
            'findings': [
                {'level': finding.level, 'about': finding.about, 'text': finding.text} for finding in findings
            ],
        }

    def recalibrate(self, file: Path) -> str:
        """Write the calibration in use, shifted to what was seen of the objects of this drive; by how much, a line."""
        from ..evaluation.calibration_error import own_drive
        from ..objects.calibration import Calibration, logit
        from ..objects.models import logistic

        probability, moved = told_apart(self._judged)
        scale, offset = own_drive(probability, moved)
        Calibration.load(self._settings.calibration).shifted(scale, offset).save(file)
        before = np.array([0.6, 0.9])
        after = logistic(scale * logit(before) + offset)
        return f'calibrated by {len(moved)} objects, of which {moved.sum()} had moved: ' + ', '.join(
            f'{p:.2f} becomes {q:.2f}' for p, q in zip(before, after)
        )

    def report(self, page: 'DriveReport', title: str, findings: Sequence['Finding']) -> str:
        """The page of --report."""
        return page.html(
            title,
            self._rows(),
            self.drops,
            stage_rows(self.timings),
            self._settings,
            map(str, findings),
            signature('bag'),
        )

    def print(self, title: str) -> None:
        """The table at the end."""
        print_table(title, self._rows())
        print_table('step, ms: p50 and p95', stage_rows(self.timings))

    def _rows(self) -> list[tuple[str, str]]:
        lasted = (max(self._stamps) - min(self._stamps)) * 1e-9
        n_out = len(self.timings)
        return [
            (
                'sweeps in',
                f'{self.n_in} in {lasted:.1f} s of recording'
                + (f' ({(len(self._stamps) - 1) / lasted:.1f} Hz)' if lasted else ''),
            ),
            ('annotated', f'{n_out} in {self._spent:.1f} s ({n_out / self._spent:.1f} sweeps/s)'),
            ('without flow', counted(self.drops) or 'none'),
            *(('', f'{reason}: {CURES[reason]}') for reason in self.drops if reason in CURES and reason != FIRST),
            ('moving points', f'{np.mean(self._moving):.0f} a sweep (most {max(self._moving)})'),
            (
                'objects',
                f'{np.mean(self._objects):.1f} a sweep (most {max(self._objects)}); {len(self._ages)} tracks, '
                f'{sum(age >= _LASTING for age in self._ages.values())} of them seen {_LASTING} times or more',
            ),
            *([('own body', learnt)] if (learnt := self._own_body.learnt) else []),
            *([('without field', counted(self._lacked))] if self._lacked else []),
            *summary(self._judged),
        ]


def counted(drops: Counter) -> str:
    """Reasons with their numbers, in words."""
    return ', '.join(f'{count} x {reason}' for reason, count in drops.most_common())
