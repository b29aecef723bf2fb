"""Annotate a recording: the velocity of every point of every sweep.

IN is a rosbag2 (its folder, or one .mcap or .db3 file), or a .bag of ROS 1. OUT is a rosbag2 for `ros2 bag play`,
RViz and Foxglove with
  /ssrflow/flow     PointCloud2: the clouds of --topic with vx vy vz (m/s, the sensor's motion removed),
                    moving and object
  /ssrflow/objects  PointCloud2: the moving objects, one point each (docs/objects_topic.md)
  /ssrflow/markers  MarkerArray: boxes, arrows and speeds of the moving objects
  /ssrflow/ego_odometry  Odometry: the sensor's own motion since the sweep before
  /ssrflow/static   with --static: every cloud of --topic, as it is, without the points that move (docs/slam.md)
  /ssrflow/moving   with --moving: with these alone
  /ssrflow/tracks   with --tracks: the objects followed over the sweeps, in the form of /ssrflow/objects
and a copy of the cloud topic; with --keep-topics, of all others too. Each sweep is paired with the one before it; a
sweep that cannot be paired is counted with its reason. What "ssrflow doctor" would say of the clouds is said at the
end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple, Sequence

import numpy as np

from ..errors import EgoMotionError, InputError, SSRFlowError, did_you_mean
from ..formats.markers import Drawing
from ..formats.topics import OWN
from ..settings import Settings
from ..steps.pairing import CURES, FIRST
from ..sweep import EgoMotion, FlowField, MovingObject, Sweep, SweepPair
from ..table import print_table, stage_rows
from .bag_fleet import SUMMARY, annotate_all, options_of
from .first_use import tell_if_cold
from .fleet import add_fleet, recordings
from .options import add_recording, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..doctor.finding import Finding
    from ..evaluation.replay_check import Judged
    from ..formats.bag_poses import RecordedPoses
    from ..formats.bags import BagMessage, BagReader, BagWriter
    from ..formats.object_table import ObjectTable
    from ..formats.video import Film
    from ..steps.own_body import OwnBody
    from ..steps.prepared import PreparedPair
    from ..stream import Stream
    from ..view.report import DriveReport

_LOOK_AHEAD = 60.0  # s of the recording, in which it is learnt beforehand what rides along
_LASTING = 3  # sweeps, from which on a track is hardly an accident


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(parser=parser)
    parser.add_argument(
        'input',
        metavar='IN',
        nargs='+',
        help="the recording; or several, a folder of recordings, or a pattern such as 'drives/*': OUT is then a folder "
        'with an annotated recording for each, and those that it has already are not made again',
    )
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
    parser.add_argument('--keep-topics', action='store_true', help='copy the other topics of IN, too, as they are')
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='begin so many seconds after the first message of IN'
    )
    parser.add_argument(
        '--duration', type=float, default=float('inf'), metavar='S', help='read no more than so many seconds of IN'
    )
    parser.add_argument(
        '--objects',
        metavar='FILE',
        help='write the objects, and with --tracks the tracks, as a table too: .csv, or .jsonl for JSON lines '
        '(columns: docs/objects_topic.md)',
    )
    parser.add_argument('--json', action='store_true', help='print the summary as JSON, and nothing else')
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
    add_settings(parser, also=('marker_arrows', 'static_margin', 'static_organised', 'tracks'))
    add_fleet(parser, 'recordings')


def run(args: argparse.Namespace) -> int:
    found = recordings(args.input)
    if list(map(str, found)) != args.input or len(found) > 1 or args.scheduler:
        return annotate_all(args, found)
    args.input = args.input[0]
    return annotate(args)


def annotate(args: argparse.Namespace) -> int:
    """Annotate one recording."""
    from ..atomic_write import atomic_write, check_outputs
    from ..doctor.finding import WRONG
    from ..formats.bag_poses import read_poses
    from ..formats.bags import POINTCLOUD2, BagReader, write_bag
    from ..formats.object_table import suffix_of
    from ..formats.video import check_film, film
    from ..view.report import DriveReport

    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    written = {
        '-o': args.output,
        '--objects': args.objects,
        '--video': args.video,
        '--report': args.report,
        '--recalibrate': args.recalibrate,
    }
    inputs = args.input, weights_file(settings.weights), settings.calibration or None
    check_outputs(written, inputs, 'bag', args.overwrite)
    if args.objects:
        suffix_of(args.objects)
    with BagReader(args.input, args.start, args.duration) as bag:
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
            table = outputs.enter_context(_object_table(args.objects, args.overwrite))
            viewers: list[Film | DriveReport] = []
            if args.video:
                viewers.append(outputs.enter_context(film(args.video, 'bag', args.overwrite)))
            if args.report:
                page = outputs.enter_context(atomic_write(args.report, 'bag', args.overwrite))
                viewers.append(drive_report := DriveReport())
            from ..scene_flow import SceneFlow

            stream = SceneFlow(settings).stream()
            tell_if_cold()
            stream.own_body = own_body_of(bag, topic, settings, poses)
            annotation = _Annotation(stream, settings, poses, out, args, _changes(bag, topic), viewers, table)
            kept = _kept_topics(bag, topic, out) if args.keep_topics else ()
            annotation.run(with_progress(bag, topic, kept, out.write_message))
            if not annotation.timings:
                raise InputError(
                    f'none of the {annotation.n_in} sweeps of {topic} could be annotated '
                    f'({_counted(annotation.drops) or "it holds none"}): {annotation.cure()}'
                )
            title, findings = f'{args.input} {topic}', list(annotation.findings())
            told = {
                'input': args.input,
                'topic': topic,
                'output': args.output,
                'options': options_of(args),
                **annotation.figures(findings),
            }
            (out.folder / SUMMARY).write_text(json.dumps(told, indent=1) + '\n')
            if args.report:
                page.write_text(annotation.report(drive_report, title, settings, findings), encoding='utf-8')
    if args.json:
        print(json.dumps(told))
        return 2 if any(finding.level == WRONG for finding in findings) else 0
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


@contextmanager
def _object_table(path: str | None, overwrite: bool) -> Iterator['ObjectTable | None']:
    """The table of --objects, there only if the block ends without error."""
    from ..atomic_write import atomic_write
    from ..formats.object_table import ObjectTable

    if path is None:
        yield None
        return
    with atomic_write(path, 'bag', overwrite) as unfinished, open(unfinished, 'w', newline='') as file:
        yield ObjectTable(path, file, 'bag')


def _kept_topics(bag: 'BagReader', topic: str, out: 'BagWriter') -> list[str]:
    """The other topics, described to `out`; those that hold for whoever comes late are written from the beginning."""
    from ..formats.bags import TF_STATIC

    kept = [name for name in bag.topics if name != topic and f'/{OWN}/' not in name]
    for name in kept:
        out.describe(name, bag.described[name]._replace(type=bag.topics[name][0]))
    latched = [name for name in kept if bag.described[name].is_latched or name == TF_STATIC]
    first = next(iter(bag.read([topic])), None)
    if first is None:
        return kept
    for message in bag.read(latched, whole=True):
        if not bag.is_read(message.time_ns) and message.time_ns < first.time_ns:
            out.write_message(message._replace(time_ns=first.time_ns))
    return kept


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
        table: 'ObjectTable | None' = None,
    ):
        from ..doctor.method import Companions
        from ..evaluation.replay_check import ReplayCheck  # loads SciPy
        from ..node.flow_tracks import FlowTracks
        from ..objects.moving_points import MovingPoints
        from ..pair_stream import PairStream

        self._stream, self._poses, self._out, self._args = stream, poses, out, args
        self._pairs = PairStream(settings)
        self._pairs.pairing.changing = changing
        self._drawing, self._viewers, self._movers = Drawing(), viewers, MovingPoints()
        self._table = table
        self._tracks = FlowTracks() if settings.tracks else None
        self._lacked: Counter[str] = Counter()  # fields of --keep, in how many clouds
        self.n_in = 0
        self.drops: Counter[str] = self._pairs.pairing.drops
        self._causes: dict[str, str] = {}  # of the first sweep that was dropped for it, with the cure
        self._companions = Companions()
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
        from ..formats.bags import EGO_ODOMETRY, FLOW, MARKER_ARRAY, MARKERS, OBJECTS, ODOMETRY, POINTCLOUD2, TRACKS
        from ..formats.object_cloud import encode_objects
        from ..formats.object_table import OBJECT, TRACK
        from ..formats.pointcloud2 import encode, field_names

        self._lacked.update(set(self._args.keep).difference(field_names(cloud)))
        annotated = to_pointcloud2(encode(flow, cloud, self._args.keep, self._args.rgba), cloud.header)
        self._out.write(FLOW, POINTCLOUD2, time_ns, annotated)
        objects = to_pointcloud2(encode_objects(flow.objects), cloud.header)
        self._out.write(OBJECTS, POINTCLOUD2, time_ns, objects)
        tables: list[tuple[str, Sequence[MovingObject]]] = [(OBJECT, flow.objects)]
        if self._tracks is not None:
            tables.append((TRACK, self._tracks.update(flow)))
            self._out.write(TRACKS, POINTCLOUD2, time_ns, to_pointcloud2(encode_objects(tables[-1][1]), cloud.header))
        if self._table is not None:
            for kind, rows in tables:
                self._table.write(kind, flow.pair.source.stamp_ns, flow.pair.source.frame_id, rows)
        markers = self._drawing.update(flow, self._pairs.settings.marker_arrows)
        self._out.write(MARKERS, MARKER_ARRAY, time_ns, to_marker_array(markers, cloud.header))
        self._out.write(EGO_ODOMETRY, ODOMETRY, time_ns, to_ego_odometry(flow, cloud.header))
        for viewer in self._viewers:
            viewer.add(flow, markers)
        self.timings.append(flow.timings_ms)
        self._doubts.append(flow.ego_motion.doubt)
        self._moving.append(int(flow.moving.sum()))
        self._objects.append(len(flow.objects))
        self._companions.add(flow)
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
            moving, sweep = self._movers.answered(flow, settings.static_margin), flow.pair.source
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
        yield from self._companions.findings()

    def figures(self, findings: Sequence['Finding']) -> dict[str, Any]:
        """What is told at the end, for other programs; the units are in the names."""
        from ..evaluation.replay_check import counts

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
            'own_body': self._stream.own_body.learnt,
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
            *([('own body', learnt)] if (learnt := self._stream.own_body.learnt) else []),
            *([('without field', _counted(self._lacked))] if self._lacked else []),
            *summary(self._judged),
        ]


def own_body_of(bag: 'BagReader', topic: str, settings: Settings, poses: 'RecordedPoses | None') -> 'OwnBody':
    """What rides along with the sensor of `topic`, learnt from the recording's beginning, where it shall be."""
    from ..pair_stream import PairStream
    from ..preparation import Preparation
    from ..settings import AUTO

    preparation, pairs, first = Preparation(settings), PairStream(settings), None
    for recorded in bag.read([topic]) if settings.own_body == AUTO and settings.ego_motion != 'none' else ():
        first = recorded.time_ns if first is None else first
        if preparation.own_body.done or recorded.time_ns - first > _LOOK_AHEAD * 1e9:
            break
        with suppress(InputError, EgoMotionError):  # told of when the sweep's turn comes
            sweep, pair = pairs.push(recorded.read())
            if poses is not None:
                poses.note(sweep, recorded.time_ns)
            if pair is not None:
                preparation.learn(pair, poses.between(pair) if poses is not None else None)
    return preparation.own_body


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


def with_progress(
    bag: 'BagReader',
    topic: str,
    others: Sequence[str] = (),
    take: Callable[['BagMessage'], None] = lambda message: None,
) -> Iterator['BagMessage']:
    """The messages of `topic`, with a bar; `take` gets those of `others` when their turn comes."""
    from tqdm import tqdm

    # None: no bar where the output is not a terminal.
    with tqdm(total=bag.topics[topic][1], unit='sweep', disable=None) as bar:
        for message in bag.read([topic, *others]):
            if message.topic == topic:
                bar.update()
                yield message
            else:
                take(message)


def _counted(drops: Counter) -> str:
    return ', '.join(f'{count} x {reason}' for reason, count in drops.most_common())
