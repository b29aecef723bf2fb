"""Annotate a recording: the velocity of every point of every sweep.

IN is a rosbag2 (its folder, or one .mcap or .db3 file). OUT is a rosbag2 for `ros2 bag play`, RViz and
Foxglove with
  /ssrflow/flow     PointCloud2: the clouds of --topic with vx vy vz (m/s, the sensor's motion removed),
                    moving and object
  /ssrflow/objects  PointCloud2: the moving objects, one point each (docs/objects_topic.md)
  /ssrflow/markers  MarkerArray: boxes, arrows and speeds of the moving objects
  /ssrflow/ego_odometry  Odometry: the sensor's own motion since the sweep before
  /ssrflow/static   with --static: every cloud of --topic, as it is, without the points that move (docs/slam.md)
  /ssrflow/moving   with --moving: with these alone
and a copy of the cloud topic. Each sweep is paired with the one before it; a sweep that cannot be
paired is counted with its reason. What "ssrflow doctor" would say of the clouds is said at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Sequence

import numpy as np

from ..errors import EgoMotionError, InputError, SSRFlowError, did_you_mean
from ..formats.markers import Drawing
from ..settings import Settings
from ..steps.pairing import CURES, FIRST
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair
from ..table import print_table, stage_rows
from .options import add_recording, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..doctor.finding import Finding
    from ..evaluation.replay_check import Judged
    from ..formats.bag_poses import RecordedPoses
    from ..formats.bags import BagMessage, BagReader, BagWriter
    from ..formats.video import Film
    from ..steps.prepared import PreparedPair
    from ..stream import Stream
    from ..view.report import DriveReport

_LASTING = 3  # sweeps, from which on a track is hardly an accident


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('input', metavar='IN', help='the recording')
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    add_recording(parser)
    parser.add_argument('--odometry', metavar='TOPIC', help="nav_msgs/Odometry: takes the sensor's motion from there")
    parser.add_argument(
        '--rgba',
        action='store_true',
        help='add a colour field: by direction where points move, else grey, the ground darker',
    )
    parser.add_argument(
        '--keep',
        nargs='+',
        default=(),
        metavar='FIELD',
        help='fields of the input clouds to pass through, such as ring or time',
    )
    parser.add_argument(
        '--hindsight',
        action='store_true',
        help='judge the objects by what sweeps up to two seconds before and after saw at their places: '
        'how many did move, and how many movers were found; takes two thirds longer',
    )
    parser.add_argument(
        '--video',
        metavar='FILE',
        help='also a film from above, as fast as life: .mp4 (needs imageio-ffmpeg), .gif or .webp; --overwrite holds '
        'for it too',
    )
    parser.add_argument(
        '--report',
        metavar='FILE',
        help='also a page for screen and paper (.html): map with tracks, speeds, doubtful tracks, drops, times, '
        'settings; --overwrite holds for it too',
    )
    parser.add_argument(
        '--recalibrate',
        metavar='FILE',
        help='write a calibration of the published probabilities by what --hindsight, which this implies, sees on this '
        'drive, for the setting of that name',
    )
    parser.add_argument('--static', action='store_true', help='write /ssrflow/static: the clouds without what moves')
    parser.add_argument('--moving', action='store_true', help='write /ssrflow/moving: what moves, alone')
    add_settings(parser, also=('marker_arrows', 'static_margin', 'static_organised'))


def run(args: argparse.Namespace) -> int:
    from ..atomic_write import atomic_write, check_outputs
    from ..doctor.finding import WRONG
    from ..formats.bag_poses import read_poses
    from ..formats.bags import POINTCLOUD2, BagReader, write_bag
    from ..formats.video import check_film, film
    from ..view.report import DriveReport

    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    written = {'-o': args.output, '--video': args.video, '--report': args.report, '--recalibrate': args.recalibrate}
    check_outputs(written, (args.input, weights_file(settings.weights)), 'bag', args.overwrite)
    with BagReader(args.input) as bag:
        if bag.cut_off:
            print(f'ssrflow: {bag.cut_off}', file=sys.stderr)
        topic = bag.choose(args.topic, POINTCLOUD2)
        _check_fields(bag, topic, args.keep)
        poses = read_poses(bag, settings, args.odometry)
        if args.video:
            check_film(args.video, bag.topics[topic][1])
        if args.report and not args.report.endswith('.html'):
            raise InputError(f'--report {args.report}: the page is an .html: give it that ending')
        with ExitStack() as outputs:
            out = outputs.enter_context(write_bag(args.output, args.storage, 'bag', args.overwrite))
            viewers: list[Film | DriveReport] = []
            if args.video:
                viewers.append(outputs.enter_context(film(args.video, 'bag', args.overwrite)))
            if args.report:
                page = outputs.enter_context(atomic_write(args.report, 'bag', args.overwrite))
                viewers.append(drive_report := DriveReport())
            from ..scene_flow import SceneFlow

            annotation = _Annotation(
                SceneFlow(settings).stream(), settings, poses, out, args, _changes(bag, topic), viewers
            )
            annotation.run(with_progress(bag, topic))
            if not annotation.timings:
                raise InputError(
                    f'none of the {annotation.n_in} sweeps of {topic} could be annotated '
                    f'({_counted(annotation.drops) or "it holds none"}): {annotation.cure()}'
                )
            title = f'{args.input} {topic}'
            findings = list(annotation.findings())
            if args.report:
                page.write_text(annotation.report(drive_report, title, settings, findings), encoding='utf-8')
    annotation.summarise(title)
    if args.recalibrate:
        annotation.recalibrate(args.recalibrate, args.overwrite)
    if findings:
        print('', *findings, sep='\n')
    print('\nwritten: ' + ', '.join(path for path in written.values() if path))
    return 2 if any(finding.level == WRONG for finding in findings) else 0


def _check_fields(bag: 'BagReader', topic: str, keep: Sequence[str]) -> None:
    """Raise InputError if the first cloud that can be read lacks a field of --keep; later ones are counted."""
    from ..formats.pointcloud2 import field_names

    for message in bag.read([topic]) if keep else ():
        try:
            known = field_names(message.read())
        except InputError:
            continue
        for name in keep:
            if name not in known:
                raise InputError(
                    f"--keep: the clouds of {topic} have no field '{name}': "
                    + did_you_mean(name, known, f'choose from {", ".join(known)}')
                )
        return


class _Taken(NamedTuple):
    """A cloud, its sweep, and the pair that it completes, made ready: None where there is none, or an `error` why."""

    cloud: Any
    sweep: Sweep
    prepared: PreparedPair | None
    error: SSRFlowError | None = None


class _Annotation:
    """One pass over a recording, and what is to be told at its end."""

    def __init__(
        self,
        stream: 'Stream',
        settings: Settings,
        poses: 'RecordedPoses | None',
        out: 'BagWriter',
        args: argparse.Namespace,
        changing: bool,
        viewers: Sequence['Film | DriveReport'] = (),
    ):
        from ..doctor.method import OwnBody
        from ..evaluation.replay_check import ReplayCheck  # loads SciPy
        from ..objects.moving_points import MovingPoints
        from ..pair_stream import PairStream

        self._stream, self._poses, self._out, self._args = stream, poses, out, args
        self._pairs = PairStream(settings)
        self._pairs.pairing.changing = changing
        self._drawing, self._viewers, self._movers = Drawing(), viewers, MovingPoints()
        self._lacked: Counter[str] = Counter()  # fields of --keep, in how many clouds
        self.n_in = 0
        self.drops: Counter[str] = self._pairs.pairing.drops
        self._causes: dict[str, str] = {}  # of the first sweep that was dropped for it, with the cure
        self._own_body = OwnBody()
        self._nearest: list[float] = []
        self.timings: list[dict[str, float]] = []
        self._moving: list[int] = []
        self._doubts: list[str] = []
        self._objects: list[int] = []
        self._ages: dict[int, int] = {}  # of each track, sweeps in which it was seen
        self._stamps: list[int] = []
        self._check = ReplayCheck(settings) if args.hindsight or args.recalibrate else None
        self._judged: list['Judged'] = []
        self._spent = 0.0

    def run(self, messages: Iterator['BagMessage']) -> None:
        from ..prefetch import prefetch

        start = time.perf_counter()
        for recorded, future in prefetch(self._prepare, messages):
            self.n_in += 1
            self._out.write_raw(recorded.topic, recorded.type, recorded.time_ns, recorded.raw)
            taken = flow = None
            try:
                taken = future.result()
                if taken.error is not None:
                    raise taken.error
                if taken.prepared is not None:
                    flow = self._stream.estimate(taken.prepared)
                    self._write(flow, taken.cloud, recorded.time_ns)
            except EgoMotionError as error:
                self._drop('no ego-motion', error)
            except InputError as error:
                self._drop('malformed cloud', error)
            except SSRFlowError as error:
                self._drop('no flow', error)
            if taken is not None and (self._args.static or self._args.moving):
                self._split(taken, flow, recorded.time_ns)
        if self._check:
            self._judged += self._check.finish()
        self._spent = time.perf_counter() - start

    def _prepare(self, recorded: 'BagMessage') -> _Taken:
        """What the network needs of a cloud and of the one before; in a thread of its own."""
        from ..doctor.cloud_log import nearest

        cloud = recorded.read()
        sweep, pair = self._pairs.push(cloud)
        self._stamps.append(sweep.stamp_ns)
        if len(sweep):
            self._nearest.append(nearest(sweep))
        if self._poses is not None:
            self._poses.note(sweep, recorded.time_ns)
        try:
            return _Taken(cloud, sweep, None if pair is None else self._stream.prepare(pair, self._ego_motion(pair)))
        except SSRFlowError as error:
            return _Taken(cloud, sweep, None, error)

    def _ego_motion(self, pair: SweepPair) -> EgoMotion | None:
        return self._poses.between(pair) if self._poses is not None else None

    def _write(self, flow: FlowField, cloud: Any, time_ns: int) -> None:
        from ..formats.bag_messages import to_ego_odometry, to_marker_array, to_pointcloud2
        from ..formats.bags import EGO_ODOMETRY, FLOW, MARKER_ARRAY, MARKERS, OBJECTS, ODOMETRY, POINTCLOUD2
        from ..formats.object_cloud import encode_objects
        from ..formats.pointcloud2 import encode, field_names

        self._lacked.update(set(self._args.keep).difference(field_names(cloud)))
        annotated = to_pointcloud2(encode(flow, cloud, self._args.keep, self._args.rgba), cloud.header)
        self._out.write(FLOW, POINTCLOUD2, time_ns, annotated)
        objects = to_pointcloud2(encode_objects(flow.objects), cloud.header)
        self._out.write(OBJECTS, POINTCLOUD2, time_ns, objects)
        markers = self._drawing.update(flow, self._pairs.settings.marker_arrows)
        self._out.write(MARKERS, MARKER_ARRAY, time_ns, to_marker_array(markers, cloud.header))
        self._out.write(EGO_ODOMETRY, ODOMETRY, time_ns, to_ego_odometry(flow, cloud.header))
        for viewer in self._viewers:
            viewer.add(flow, markers)
        self.timings.append(flow.timings_ms)
        self._doubts.append(flow.ego_motion.doubt)
        self._moving.append(int(flow.moving.sum()))
        self._objects.append(len(flow.objects))
        self._own_body.add(flow)
        self._ages.update((item.track_id, item.age) for item in flow.objects)
        if self._check:
            self._judged += self._check.add(flow)

    def _split(self, taken: _Taken, flow: FlowField | None, time_ns: int) -> None:
        """Write the cloud without, and with only, what moves; without a flow by what is known of the sweeps before."""
        from ..formats.bag_messages import to_pointcloud2
        from ..formats.bags import MOVING, POINTCLOUD2, STATIC
        from ..formats.pointcloud2 import with_only

        settings, sweep, cloud = self._pairs.settings, taken.sweep, taken.cloud
        if flow is None:
            moving = self._movers.expected(sweep, settings.static_margin)
        else:
            self._movers.note(flow)
            moving = self._movers.answered(flow, settings.static_margin)
        rows = sweep.to_rows(moving, missing=False)
        for topic, wanted, kept in ((STATIC, self._args.static, ~rows), (MOVING, self._args.moving, rows)):
            if wanted:
                split = to_pointcloud2(with_only(cloud, kept, settings.static_organised), cloud.header)
                self._out.write(topic, POINTCLOUD2, time_ns, split)

    def _drop(self, reason: str, error: SSRFlowError) -> None:
        from tqdm import tqdm

        self.drops[reason] += 1
        if self.drops[reason] == 1:
            self._causes[reason] = str(error)
            tqdm.write(
                f'ssrflow: sweep {self.n_in}: {reason}: {error} (further ones are only counted)', file=sys.stderr
            )

    def cure(self) -> str:
        """What to do about the most frequent drop."""
        reasons = [reason for reason, _ in self.drops.most_common() if reason != FIRST]
        return {**CURES, **self._causes}[reasons[0] if reasons else FIRST]

    def findings(self) -> Iterator['Finding']:
        """What the doctor would say of these clouds."""
        from ..doctor.clouds import not_the_sensors, uneven
        from ..doctor.method import doubtful

        yield from not_the_sensors(self._nearest, self._pairs.settings)
        yield from uneven(self._stamps)
        yield from doubtful(self._doubts)
        yield from self._own_body.findings()

    def recalibrate(self, file: str, overwrite: bool) -> None:
        """Write the calibration in use, shifted to what was seen of the objects of this drive, and say by how much."""
        from ..evaluation.calibration_error import own_drive
        from ..evaluation.replay_check import told_apart
        from ..objects.calibration import Calibration, logit
        from ..objects.models import logistic

        probability, moved = told_apart(self._judged)
        scale, offset = own_drive(probability, moved)
        Calibration.load(self._pairs.settings.calibration).shifted(scale, offset).save(Path(file), overwrite)
        before = np.array([0.6, 0.9])
        print(
            f'\ncalibrated by {len(moved)} objects, of which {moved.sum()} had moved: '
            + ', '.join(f'{p:.2f} becomes {q:.2f}' for p, q in zip(before, logistic(scale * logit(before) + offset)))
        )

    def report(self, page: 'DriveReport', title: str, settings: Settings, findings: Sequence['Finding']) -> str:
        """The page of --report."""
        from ..atomic_write import signature

        return page.html(
            title, self._rows(), self.drops, stage_rows(self.timings), settings, map(str, findings), signature('bag')
        )

    def summarise(self, title: str) -> None:
        print_table(title, self._rows())
        print_table('step, ms: p50 and p95', stage_rows(self.timings))

    def _rows(self) -> list[tuple[str, str]]:
        from ..evaluation.replay_check import summary

        lasted = (max(self._stamps) - min(self._stamps)) * 1e-9
        n_out = len(self.timings)
        return [
            (
                'sweeps in',
                f'{self.n_in} in {lasted:.1f} s of recording'
                + (f' ({(len(self._stamps) - 1) / lasted:.1f} Hz)' if lasted else ''),
            ),
            ('annotated', f'{n_out} in {self._spent:.1f} s ({n_out / self._spent:.1f} sweeps/s)'),
            ('without flow', _counted(self.drops) or 'none'),
            *(('', f'{reason}: {CURES[reason]}') for reason in self.drops if reason in CURES and reason != FIRST),
            ('moving points', f'{np.mean(self._moving):.0f} a sweep (most {max(self._moving)})'),
            (
                'objects',
                f'{np.mean(self._objects):.1f} a sweep (most {max(self._objects)}); {len(self._ages)} tracks, '
                f'{sum(age >= _LASTING for age in self._ages.values())} of them seen {_LASTING} times or more',
            ),
            *([('without field', _counted(self._lacked))] if self._lacked else []),
            *summary(self._judged),
        ]


def _changes(bag: 'BagReader', topic: str) -> bool:
    """Whether the clouds of `topic` are not all the same: then one that is that before was sent twice."""
    from ..formats.pointcloud2 import decode

    first = None
    for message in bag.read([topic]):
        try:
            points = decode(message.read()).points
        except InputError:
            continue
        if first is not None and not np.array_equal(first, points):
            return True
        first = points if first is None else first
    return False


def with_progress(bag: 'BagReader', topic: str) -> Iterator['BagMessage']:
    """The messages of `topic`, with a bar."""
    from tqdm import tqdm

    # None: no bar where the output is not a terminal.
    yield from tqdm(bag.read([topic]), total=bag.topics[topic][1], unit='sweep', disable=None)


def _counted(drops: Counter) -> str:
    return ', '.join(f'{count} x {reason}' for reason, count in drops.most_common())
