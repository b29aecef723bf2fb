"""Three sweeps at once in the node: one is prepared, one is estimated, one is published."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from ssrflow_ros.errors import EgoMotionError, WeightsError
from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.formats.pointcloud2 import encode_points
from ssrflow_ros.formats.stamped import stamp_ns
from ssrflow_ros.settings import Settings
from ssrflow_ros.steps.own_body import OwnBody
from ssrflow_ros.steps.pairing import FIRST
from ssrflow_ros.sweep import EgoMotion, FlowField

pytest.importorskip('rclpy')

from ssrflow_ros.node.flow_stream import FlowStream  # noqa: E402
from ssrflow_ros.node.statistics import OUT_OF_MEMORY, REPLACED, STOPPED, Statistics  # noqa: E402

PATIENCE = 60.0
PREPARE, ESTIMATE, PUBLISH = STAGES = 'prepare', 'estimate', 'publish'
POINTS = np.random.default_rng(0).uniform(2, 20, (50, 3)).astype(np.float32)


def number_of(stamp):
    return round(stamp * 1e-8)


class Gated:
    """The method and its stream: each stage of each pair, known by the number of its newer cloud, waits for its gate,
    and raises what is set for it."""

    def __init__(self):
        self.settings, self.own_body = Settings(fill_from_tracks=False), OwnBody()
        self.gates, self.errors, self.done, self.at_work = set(), {}, [], []
        self._changed = threading.Condition()

    def stream(self, mounting_of):
        return self

    def observe(self, pair, ego_motion):
        return self._work(PREPARE, SimpleNamespace(pair=pair, number=number_of(pair.source.stamp_ns), samples=()))

    def sample(self, observed):
        return observed

    def estimate(self, prepared):
        pair = self._work(ESTIMATE, prepared).pair
        still, none = np.zeros_like(pair.source.points), np.zeros(len(pair.source), bool)
        ego = EgoMotion(np.eye(4), 'none')
        return FlowField(pair, ego, still, still, none, none, np.full(len(none), -1, np.int32), (), {})

    def publish(self, flow):
        self._work(PUBLISH, SimpleNamespace(number=number_of(flow.pair.source.stamp_ns)))

    def reset(self):
        with self._changed:
            assert {stage for stage, _ in self.at_work} <= {PUBLISH}, 'all is forgotten while it is in use'
            self.done.append('reset')

    def hold(self, *which):
        self.gates.update(which)

    def open(self, *which):
        with self._changed:
            self.gates.difference_update(which)
            self._changed.notify_all()

    def _work(self, stage, pair):
        which = stage, pair.number
        with self._changed:
            self.at_work.append(which)
            self._changed.wait_for(lambda: which not in self.gates, PATIENCE)
            self.at_work.remove(which)
            self.done.append(which)
        if which in self.errors:
            raise self.errors[which]
        return pair


class Played:
    """A `FlowStream` around a `Gated` method; the numbers of the clouds that were `published`, and of those
    that were `split`."""

    def __init__(self):
        self.method, self.statistics, self.published, self.split = Gated(), Statistics(), [], []
        nothing = SimpleNamespace(info=lambda line: None, warning=lambda line: None)
        node = SimpleNamespace(
            settings=Settings(lazy=False, min_range=0.0, own_body=''),
            context=SimpleNamespace(ok=lambda: True),
            get_clock=lambda: SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0)),
            get_logger=lambda: nothing,
        )
        outputs = SimpleNamespace(
            publish=self._publish,
            publish_split=lambda cloud, moving: self.split.append(number_of(stamp_ns(cloud))),
            split_heard=lambda: True,
            listeners=lambda: 1,
            reset=lambda: None,
        )
        source = SimpleNamespace(between=lambda pair: None, mounting_of=None, reset=lambda: None)
        self.stream = FlowStream(node, self.method, self.statistics, source, outputs, SimpleNamespace(reset=str))

    def _publish(self, flow, cloud, frame):
        self.method.publish(flow)
        self.published.append(number_of(flow.pair.source.stamp_ns))

    def push(self, *numbers):
        for number in numbers:
            points = POINTS + np.float32(0.01 * number)
            self.stream.push(to_pointcloud2(encode_points(points), to_header(number * 100_000_000, 'lidar')))

    def drops(self):
        return {reason: count for reason, count in self.statistics.drops().items() if reason != FIRST}

    def wait(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (self.method.at_work, self.method.done, self.published, self.drops())
            time.sleep(0.005)

    def wait_for_all(self):
        """Until every cloud is answered or dropped."""
        counted = self.statistics.counted
        self.wait(lambda: counted('in') == counted('out') + sum(self.statistics.drops().values()))

    def fill(self):
        """Hold clouds 1, 2 and 3: the first one unpublished, the second one unestimated, the third one unprepared."""
        held = (PUBLISH, 1), (ESTIMATE, 2), (PREPARE, 3)
        self.method.hold(*held)
        self.push(0)
        for which in held:
            self.push(which[1])
            self.wait(lambda which=which: which in self.method.at_work)


@pytest.fixture
def played():
    one = Played()
    yield one
    one.method.open(*one.method.gates.copy())
    assert one.stream.stop(PATIENCE)


def test_three_sweeps_are_at_work_at_once_and_are_answered_in_order(played):
    played.fill()
    assert {*played.method.at_work} == {(PUBLISH, 1), (ESTIMATE, 2), (PREPARE, 3)}
    played.method.open((PREPARE, 3), (ESTIMATE, 2))
    played.wait(lambda: (ESTIMATE, 2) in played.method.done)
    assert not played.published, 'the second one waits until the first is published'
    played.method.open((PUBLISH, 1))
    played.wait_for_all()
    assert played.published == [1, 2, 3] and not played.drops() and played.split == [0, 1, 2, 3]


def test_what_has_to_wait_is_replaced_and_counted_once(played):
    played.fill()
    played.push(4, 5, 6)
    assert played.drops() == {REPLACED: 2}
    played.method.open(*played.method.gates.copy())
    played.wait_for_all()
    assert played.published == [1, 2, 3, 6] and played.drops() == {REPLACED: 2}
    assert played.split == [*range(7)]


def test_a_reset_waits_for_what_is_at_work_and_tells_nothing_of_it_later(played):
    played.fill()
    played.stream.reset()
    played.push(7, 8)
    played.method.open((PREPARE, 3), (ESTIMATE, 2))
    played.wait(lambda: (ESTIMATE, 2) in played.method.done)
    assert 'reset' not in played.method.done
    played.method.open((PUBLISH, 1))
    played.wait_for_all()
    done = played.method.done
    assert played.published == [1, 8] and played.drops() == {STOPPED: 2}
    assert {(PUBLISH, 1), (ESTIMATE, 2), (ESTIMATE, 3)} <= set(done[: done.index('reset')])
    assert done[done.index('reset') + 1 :] == [(PREPARE, 8), (ESTIMATE, 8), (PUBLISH, 8)]


@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize(
    'error, reason',
    [
        (EgoMotionError('too few points match'), 'no ego-motion'),
        (WeightsError('too large for float16'), 'no flow'),
        (MemoryError('no room'), OUT_OF_MEMORY),
        (RuntimeError('a fault of ours'), 'unexpected error'),
    ],
)
def test_an_error_in_any_stage_drops_its_sweep_alone(played, stage, error, reason):
    failing = {PREPARE: 3, ESTIMATE: 2, PUBLISH: 1}[stage]
    played.method.errors[stage, failing] = error
    played.fill()
    played.push(4)
    played.method.open(*played.method.gates.copy())
    played.wait_for_all()
    assert played.published == [k for k in (1, 2, 3, 4) if k != failing] and played.drops() == {reason: 1}
    assert played.split == [*range(5)]


def test_what_is_in_hand_at_the_end_is_finished(played):
    played.fill()
    ended = []
    ending = threading.Thread(target=lambda: ended.append(played.stream.stop(PATIENCE)))
    ending.start()
    played.method.open(*played.method.gates.copy())
    ending.join(PATIENCE)
    assert ended == [True]
    assert len(played.published) + sum(played.drops().values()) == 3 and played.published[:1] == [1]
