"""The doctor on a running system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from ..formats.bags import ODOMETRY, POINTCLOUD2, TF, TF_MESSAGE, TF_STATIC, BagMessage
from ..formats.stamped import push_poses
from ..node.distribution import PROFILE_VARIABLES, profile
from ..settings import Settings
from ..steps.ego_motion import POSE_METHODS
from ..steps.poses import SensorPoses
from .cloud_log import CloudLog
from .clouds import check_clouds
from .finding import Finding, note, ok, wrong
from .method import check_method
from .topics import choose_topic

if TYPE_CHECKING:
    from ..node.observer import Observer, Publisher

DIAGNOSTICS, CLOCK = '/diagnostics', '/clock'
TYPES = {DIAGNOSTICS: 'diagnostic_msgs/msg/DiagnosticArray', CLOCK: 'rosgraph_msgs/msg/Clock'}
READ = 20
"""Clouds of which the points are read; more could keep the doctor itself from hearing them all."""
LEVELS = 'OK', 'WARN', 'ERROR', 'STALE'


class _Heard:
    """What came while listening."""

    def __init__(self, topic: str, settings: Settings):
        self._topic = topic
        self.clouds = CloudLog(settings, READ)
        self.poses = SensorPoses(settings, kept=None)
        self.n_poses = 0
        self.clock_ns: int | None = None
        self.flow_nodes: dict[str, Finding] = {}

    def add(self, message: BagMessage) -> None:
        if message.topic == self._topic:
            time_ns = message.time_ns if self.clock_ns is None else self.clock_ns
            self.clouds.add(message._replace(time_ns=time_ns))
        elif message.type == ODOMETRY:
            self.n_poses += 1
            push_poses(self.poses, message.read())
        elif message.type == TF_MESSAGE:
            push_poses(self.poses, message.read(), static=message.topic == TF_STATIC)
        elif message.topic == CLOCK:
            time = message.read().clock
            self.clock_ns = time.sec * 1_000_000_000 + time.nanosec
        else:
            for status in message.read().status:
                # Ours is the one that counts clouds.
                if any(pair.key == 'clouds_in' for pair in status.values):
                    self._note(status)

    def _note(self, status: Any) -> None:
        level = LEVELS[min(status.level, 3)]
        say = ok if level == 'OK' else wrong if level == 'ERROR' else note
        self.flow_nodes[status.name] = say('node', f'{status.name} says {level}: {status.message}')


def examine_live(
    observer: 'Observer', topic: str | None, odometry: str | None, seconds: float, settings: Settings
) -> Iterator[Finding]:
    """Findings after listening for `seconds`."""
    topics = observer.topics(lambda topics: (topic or '') in topics or not topic and POINTCLOUD2 in topics.values())
    name, finding = choose_topic(topic, topics)
    yield finding
    if name is None:
        yield from check_method([], settings)
        return
    heard = _Heard(name, settings)
    listened = {name: POINTCLOUD2, **TYPES}
    if settings.ego_motion == 'odometry':
        odometry, finding = _odometry_topic(odometry, topics)
        yield finding
        listened.update({odometry: ODOMETRY} if odometry else {})
    if settings.ego_motion in POSE_METHODS:
        listened[TF] = TF_MESSAGE
    listened[TF_STATIC] = TF_MESSAGE
    observer.listen(listened, heard.add, seconds)

    publishers = observer.publishers(name)
    yield from _publishers(name, publishers)
    cure = _loss_cure(observer.rmw, publishers)
    if len(heard.clouds):
        yield from check_clouds(heard.clouds, settings, cure, 'this host' if heard.clock_ns is None else CLOCK)
    elif publishers:
        yield wrong('loss', f'not one cloud arrived in {seconds:.0f} s: if the driver sends, {cure}')
    yield from _time(observer, heard, bool(observer.publishers(CLOCK)))
    if odometry and settings.ego_motion == 'odometry':
        yield (
            ok('odometry', f'{heard.n_poses / seconds:.0f} per second')
            if heard.n_poses
            else wrong('odometry', f'{odometry} is silent: start what publishes it')
        )
    yield from heard.flow_nodes.values()
    yield from check_method(
        heard.clouds.sweeps,
        settings,
        heard.poses.between if settings.ego_motion in POSE_METHODS else lambda pair: None,
        heard.poses.mounting_of,
    )


def _publishers(topic: str, publishers: list['Publisher']) -> Iterator[Finding]:
    names = ', '.join(f'{one.node} ({"reliable" if one.reliable else "best effort"})' for one in publishers)
    if not publishers:
        yield wrong('qos', f'nobody publishes on {topic}: start the LiDAR driver, or give its topic')
    elif len(publishers) > 1:
        yield wrong(
            'qos',
            f'{topic} has {len(publishers)} publishers ({names}), and sweeps of several sensors must '
            'not mix: give each sensor a topic and a node of its own',
        )
    else:
        yield ok('qos', f'published by {names}')
    for one in publishers:
        for deaf in one.deaf:
            yield wrong(
                'qos',
                f'{deaf} hears nothing of {one.node}, since their quality of service does not fit: '
                'let the subscriber be best effort and volatile (for ssrflow: no qos_overrides)',
            )


def _loss_cure(rmw: str, publishers: list['Publisher']) -> str:
    reliable = (
        ' Or, since the driver publishes reliably, start the node with '
        'qos_overrides.<topic>.subscription.reliability: reliable'
        if any(one.reliable for one in publishers)
        else ''
    )
    if 'fastrtps' not in rmw:
        return 'look for a busy network or processor between driver and node.' + reliable
    if not profile():
        return (
            f'Fast DDS loses large best-effort clouds with its defaults: set {" or ".join(PROFILE_VARIABLES)} '
            f'(docs/node.md) to the config/fastdds.xml of this package, here AND in the driver.{reliable}'
        )
    return f'set the profile {profile()} in the driver too, not only here.{reliable}'


def _odometry_topic(wanted: str | None, topics: dict[str, str]) -> tuple[str | None, Finding]:
    found = sorted(name for name, type in topics.items() if type == ODOMETRY)
    name = wanted if wanted is None or wanted.startswith('/') else f'/{wanted}'
    if name in found or name is None and len(found) == 1:
        return name or found[0], ok('odometry', name or found[0])
    return None, wrong(
        'odometry',
        f'{name or "the topic"} is not there or not one nav_msgs/Odometry alone (found: '
        f'{", ".join(found) or "none"}): name one with --odometry',
    )


def _time(observer: 'Observer', heard: _Heard, has_clock: bool) -> Iterator[Finding]:
    if has_clock and heard.clock_ns is None:
        yield wrong('clock', '/clock has a publisher, but is silent: let the simulator or the recording run')
    for node in observer.flow_nodes():
        simulated = observer.uses_sim_time(node)
        if simulated and not has_clock:
            yield wrong(
                'clock',
                f'{node} has use_sim_time, but nobody publishes /clock, so its time stands still: '
                'start it with use_sim_time:=false, or play the recording with --clock',
            )
        elif has_clock and not simulated:
            yield note(
                'clock',
                f'/clock is published, but {node} does not take its time from there: latencies mean '
                'nothing; start it with use_sim_time:=true',
            )
