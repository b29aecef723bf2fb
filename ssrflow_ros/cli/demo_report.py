"""What `ssrflow demo` tells at its end: table, score against the truth, picture, recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Iterator, NamedTuple

import numpy as np

from ..atomic_write import atomic_write, signature
from ..formats.bags import (
    FLOW,
    GROUND_TRUTH,
    MARKER_ARRAY,
    MARKERS,
    OBJECTS,
    POINTCLOUD2,
    TRUE_OBJECTS,
    BagMessage,
    BagReader,
    write_bag,
)
from ..formats.object_cloud import OBJECT, read_objects
from ..formats.pointcloud2 import decode, read_field
from ..formats.published import read_velocity
from ..formats.stamped import stamp_ns
from ..settings import Settings
from ..table import print_table

if TYPE_CHECKING:
    from ..node.replay_record import ReplayRecord

TRUE_ODOMETRY = '/odom'
PER = 0.1
"""Seconds to which velocities are scaled, so that errors are displacements over one turn at 10 Hz."""


class Recorded:
    """The first `seconds` of a recording's cloud topic, and what else was recorded meanwhile."""

    def __init__(self, bag: BagReader, topic: str, seconds: float):
        self._bag = bag
        self.topic = topic
        times = [message.time_ns for message in bag.read([topic])]
        self._end = times[0] + round(seconds * 1e9)
        self.seconds = (min(times[-1], self._end) - times[0]) * 1e-9

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of `topics` within the time."""
        for message in self._bag.read(topics):
            if message.time_ns > self._end:
                return
            yield message

    def count(self, topics: Collection[str]) -> int:
        """How many `messages` there are."""
        return sum(1 for _ in self.messages(topics))

    def has_truth(self) -> bool:
        """Whether there is ground truth in the form that `ssrflow simulate` writes."""
        return GROUND_TRUTH in self._bag.topics_of(POINTCLOUD2)


def report(
    recorded: Recorded, record: 'ReplayRecord', settings: Settings, output: Path, through: str, overwrite: bool = False
) -> None:
    """Write flow.png, typical.png and flow_bag into `output`, as `atomic_write` has it, and print the table; `through`
    says what was played to."""
    clouds = {
        stamp_ns(cloud): cloud for cloud in (BagMessage(FLOW, POINTCLOUD2, 0, raw).read() for _, raw in record.flow)
    }
    sweeps = _by_movers(clouds, record)
    for name, which, title in (
        ('flow.png', -1, 'the busiest sweep'),
        ('typical.png', len(sweeps) // 2, 'a typical sweep'),
    ):
        with atomic_write(output / name, 'demo', overwrite) as picture:
            _draw(picture, sweeps[which], f'ssrflow demo: {title}', settings)
    _write_bag(output / 'flow_bag', recorded, record, overwrite)
    print_table(f'{recorded.topic} through {through}', [*_live_rows(recorded, record, list(clouds))])
    if recorded.has_truth():
        print_table(
            f"EPE3D against the truth, m per {PER} s (the sensor's own motion removed)",
            _score_rows(recorded, clouds, settings),
        )
        print_table('where movers are now, by the last message that has arrived', [*_live_error(recorded, record)])
    print(f'\npictures: {output / "flow.png"}, {output / "typical.png"}\nrecording: {output / "flow_bag"}')


def drops(record: 'ReplayRecord') -> str:
    """The clouds that gave no flow, by reason, as the node counted them."""
    counted = {
        key.removeprefix('drops/'): value for key, value in record.diagnostics.items() if key.startswith('drops/')
    }
    return ', '.join(f'{count} x {reason}' for reason, count in counted.items())


def _live_rows(recorded: Recorded, record: 'ReplayRecord', stamps: list[int]) -> Iterator[tuple[str, str]]:
    # The last cloud has its turn too: n clouds last n intervals.
    seconds = max(recorded.seconds * len(record.sent) / max(len(record.sent) - 1, 1), 1e-9)
    arrived = zip(stamps, (time for time, _ in record.flow))
    latencies = [1e3 * (time - record.sent[stamp]) for stamp, time in arrived if stamp in record.sent]
    yield 'clouds in', f'{len(record.sent)} ({len(record.sent) / seconds:.1f} Hz)'
    yield 'flow out', f'{len(record.flow)} ({len(record.flow) / seconds:.1f} Hz)'
    if 'answered_by_network' in record.diagnostics:
        of_each = (record.diagnostics[f'answered_{basis}'] for basis in ('by_network', 'from_tracks'))
        yield '  of these', '{} by the network, {} from tracks'.format(*of_each)
    yield 'markers out', f'{len(record.markers)}'
    yield 'dropped', drops(record) or 'none'
    yield (
        'latency',
        'p50 {:.0f} ms, p95 {:.0f} ms, from sending a cloud to receiving its flow'.format(
            *np.percentile(latencies, (50, 95))
        ),
    )
    for step, name in (('ego_motion', 'ego-motion'), ('network', 'network'), ('total', 'in all')):
        if f'{step}_ms_p50' in record.diagnostics:
            yield (
                f'  {name}',
                'p50 {} ms, p95 {} ms'.format(*(record.diagnostics[f'{step}_ms_{share}'] for share in ('p50', 'p95'))),
            )


def _score_rows(recorded: Recorded, clouds: dict[int, Any], settings: Settings) -> list[tuple[str, str]]:
    """EPE3D of the node and of zero flow, over the points of all answered sweeps."""
    from ..evaluation.metrics import flow_errors

    points, estimates, truths, moving = {}, [], [], []
    for message in recorded.messages([recorded.topic, GROUND_TRUTH]):
        cloud = message.read()
        stamp = stamp_ns(cloud)
        if message.topic == recorded.topic:
            points[stamp] = decode(cloud, *settings.own).rows
        elif stamp in clouds and stamp in points:
            used = points.pop(stamp)
            estimates.append(read_velocity(clouds[stamp]))
            truths.append(read_velocity(cloud)[used])
            moving.append(read_field(cloud, 'moving')[used].astype(bool))
    estimate, truth, moves = np.concatenate(estimates), np.concatenate(truths), np.concatenate(moving)
    rows = []
    for name, which in (('moving points', moves), ('static points', ~moves)):
        node = flow_errors(PER * estimate[which], PER * truth[which])
        zero = flow_errors(np.zeros_like(truth[which]), PER * truth[which])
        rows.append((name, f'{node.epe3d:.4f}   zero flow {zero.epe3d:.4f}   ({node.n} points)'))
    return rows


def _live_error(recorded: Recorded, record: 'ReplayRecord') -> Iterator[tuple[str, str]]:
    from ..datasets.recording import pose_of_message
    from ..evaluation.live_error import CUTOFF, Answer, TrueSweep, live_error, looked_for

    poses, truth = {}, []
    for message in recorded.messages([TRUE_ODOMETRY, TRUE_OBJECTS]):
        told = message.read()
        stamp = stamp_ns(told)
        if message.topic == TRUE_ODOMETRY:
            poses[stamp] = pose_of_message(told)
        elif stamp in record.sent:
            centres = looked_for(read_objects(told))['centre']
            truth.append(TrueSweep(record.sent[stamp], stamp, poses[stamp], centres))
    messages = [(time, BagMessage(OBJECTS, POINTCLOUD2, 0, raw).read()) for time, raw in record.objects]
    answers = [Answer(time, stamp_ns(message), read_objects(message)) for time, message in messages]
    found = live_error(truth, answers)
    if found is not None:
        yield 'live error', f'{found.mean:.2f} m in the mean, of those that are told of'
        yield (
            '  told of',
            f'{100 * found.told:.0f} % of {found.movers}: movers at each sweep, an object within {CUTOFF:g} m',
        )


def _draw(path: Path, sweep: '_Published', title: str, settings: Settings) -> None:
    from ..formats.picture import draw_flow
    from ..formats.published import read_flow
    from ..steps.ground import make_ground

    flow = read_flow(*sweep, make_ground(settings), -PER)
    draw_flow(path, flow, title, software=signature('demo'))


class _Published(NamedTuple):
    """An annotated cloud, and its objects as `read_objects` gives them."""

    cloud: Any
    objects: np.ndarray


def _by_movers(clouds: dict[int, Any], record: 'ReplayRecord') -> list[_Published]:
    """The answered sweeps, by their number of moving objects, those with as many by that of moving points."""
    objects = {}
    for _, raw in record.objects:
        message = BagMessage(OBJECTS, POINTCLOUD2, 0, raw).read()
        objects[stamp_ns(message)] = read_objects(message)
    sweeps = [
        _Published(cloud, objects[stamp] if stamp in objects else np.empty(0, OBJECT))
        for stamp, cloud in clouds.items()
    ]
    return sorted(sweeps, key=lambda sweep: (len(sweep.objects), int(read_field(sweep.cloud, 'moving').sum())))


def _write_bag(path: Path, recorded: Recorded, record: 'ReplayRecord', overwrite: bool) -> None:
    """What the node published beside the clouds it was given, in the order of time of the clouds' stamps."""
    from ..formats.stamped import stamp_of

    outputs = [(time, FLOW, POINTCLOUD2, raw) for time, raw in record.flow]
    outputs += [(time, OBJECTS, POINTCLOUD2, raw) for time, raw in record.objects]
    outputs += [(time, MARKERS, MARKER_ARRAY, raw) for time, raw in record.markers]
    inputs = [
        (record.sent[stamp_of(message.raw)], message.topic, message.type, message.raw)
        for message in recorded.messages([recorded.topic])
    ]
    start = next(iter(record.sent.items()))
    with write_bag(path, command='demo', overwrite=overwrite) as out:
        for time, topic, type, raw in sorted(inputs + outputs, key=lambda item: item[0]):
            out.write_raw(topic, type, start[0] + round(1e9 * (time - start[1])), raw)
