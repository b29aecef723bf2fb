"""Every pair is answered: by the network where it is free, else from the tracks."""

from types import SimpleNamespace

import numpy as np
import pytest

from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.formats.object_cloud import encode_objects, read_objects
from ssrflow_ros.formats.pointcloud2 import encode, encode_points
from ssrflow_ros.formats.published import read_flow
from ssrflow_ros.node import paced_stream
from ssrflow_ros.node.paced_stream import PacedStream
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings
from ssrflow_ros.simulator import simulate
from ssrflow_ros.sweep import Basis, SweepPair

PERIOD = 0.1
HEADER = to_header(5, 'lidar')


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(paced_stream, 'time', SimpleNamespace(monotonic=lambda: now.seconds))
    return now


class Method:
    """Takes 30 ms to prepare a pair, then `network` s with the network, 20 ms without."""

    def __init__(self, clock, fill=True, network=0.12):
        self.settings, self._clock, self._network = Settings(fill_from_tracks=fill), clock, network

    def stream(self, mounting_of=None):
        return self

    def reset(self):
        pass

    def observe(self, pair, ego_motion):
        self._clock.seconds += 0.03
        return SimpleNamespace(samples=None)

    def sample(self, observed):
        return SimpleNamespace(samples=('', ''))

    def estimate(self, prepared):
        self._clock.seconds += self._network if prepared.samples else 0.02


def played(stream, clock, pairs=24, period=PERIOD):
    """'n' or 't' for each pair in turn: answered by the network, from tracks; pairs come each `period` s, one thread
    prepares while the other one works."""
    answers, waiting = '', None
    free = came = clock.seconds
    for k in range(pairs):
        clock.seconds = max(came + k * period, waiting or 0.0)
        prepared = stream.prepare(SimpleNamespace(dt=-period), None, came + k * period)
        waiting = clock.seconds = max(clock.seconds, free)  # until the second half takes it
        stream.estimate(prepared)
        free = clock.seconds
        answers += 'n' if prepared.samples else 't'
    return answers, free - (came + (pairs - 1) * period)


def test_a_quick_sensor_is_answered_from_tracks_in_between(clock):
    answers, late = played(PacedStream(Method(clock)), clock)
    assert answers[0] == 'n' and 't' in answers and 'tt' not in answers and answers.count('n') >= 12
    assert late < 2.2 * PERIOD


def test_a_slow_sensor_always_gets_the_network(clock):
    assert played(PacedStream(Method(clock)), clock, period=0.2)[0] == 24 * 'n'


@pytest.mark.parametrize('network, least', [(0.05, 24), (0.14, 8), (0.16, 6), (0.3, 5)])
def test_the_slower_the_network_the_fewer_pairs_are_its(clock, network, least):
    answers, _ = played(PacedStream(Method(clock, network=network)), clock)
    assert answers.count('n') >= least and 'ttttt' not in answers


def test_a_slow_preparation_does_not_keep_a_quick_network_idle(clock):
    """As on a GPU: a pair is prepared in 60 of its 100 ms."""
    method = Method(clock, network=0.02)
    observe = method.observe
    method.observe = lambda *pair: (setattr(clock, 'seconds', clock.seconds + 0.03), observe(*pair))[1]
    assert played(PacedStream(method), clock)[0] == 24 * 'n'


def test_who_wants_the_network_alone_gets_it(clock):
    assert played(PacedStream(Method(clock, fill=False)), clock)[0] == 24 * 'n'


def test_the_network_is_asked_now_and_then_however_late_it_is(clock):
    answers, _ = played(PacedStream(Method(clock)), clock, period=0.03)
    assert answers.count('n') >= 4 and 'ttttt' not in answers


def test_a_first_pair_is_the_networks_however_late_it_is(clock):
    stream = PacedStream(Method(clock))
    pair, late = SimpleNamespace(dt=-PERIOD), clock.seconds - 1.0
    for _ in range(2):
        assert [bool(stream.prepare(pair, None, late).samples) for _ in range(2)] == [True, False]
        stream.reset()


@pytest.fixture(scope='module')
def recording():
    return list(simulate(4_000_000_004, 5, 'vlp16'))


def test_what_has_a_track_is_found_without_the_network(recording):
    """And is the same thing to the tracker; the answer says what it rests on."""
    method = SceneFlow(Settings(network_points=1024))
    stream, answers = method.stream(), []
    for number, (newer, older) in enumerate(zip(recording[1:], recording)):
        observed = stream.observe(SweepPair(newer.sweep, older.sweep))
        answers.append(stream.estimate(observed if number == 3 else stream.sample(observed)))
    *_, before, filled = answers
    assert before.by_network and not filled.by_network and filled.network_velocity is None
    assert {item.basis for item in before.objects} == {Basis.NETWORK}
    assert {item.basis for item in filled.objects} == {Basis.REGISTRATION}
    assert 'network' not in filled.timings_ms and 'sample' not in filled.timings_ms
    known = {item.track_id: item for item in before.objects}
    again = [item for item in filled.objects if item.track_id in known]
    assert known and len(again) >= 0.7 * len(known)
    for item in again:
        assert item.age == known[item.track_id].age + 1 and (filled.object_ids == item.id).sum() == item.n_points
    moving = recording[4].moving & ~recording[4].ground
    assert (filled.moving & moving).sum() >= 0.7 * (before.moving & recording[3].moving).sum()


def test_what_is_hidden_for_a_sweep_is_predicted_and_told_apart(recording):
    """In the message with the others, where it is by now; who reads the message has it apart again."""
    stream = SceneFlow(Settings(network_points=1024)).stream()
    *_, before = (
        stream.flow(SweepPair(newer.sweep, older.sweep)) for newer, older in zip(recording[1:4], recording[:3])
    )
    assert before.objects and not before.predicted
    known = max((item for item in before.objects if item.age >= 2), key=lambda item: item.n_points)
    owner = np.bincount(recording[3].object_id[before.object_ids == known.id] + 1).argmax() - 1
    hidden = np.flatnonzero(recording[4].object_id == owner)
    flow = stream.flow(SweepPair(recording[4].sweep.without(hidden), recording[3].sweep))
    (lost,) = [item for item in flow.predicted if item.track_id == known.track_id]
    assert (lost.id, lost.n_points, lost.basis, lost.age) == (-1, 0, Basis.PREDICTION, known.age)
    assert known.track_id not in {item.track_id for item in flow.objects} and lost.probability < known.probability
    error, was = (
        np.linalg.norm((item.centre - sweep.boxes[owner, :3])[:2])
        for item, sweep in ((lost, recording[4]), (known, recording[3]))
    )
    assert error < was + 0.3 and np.linalg.eigvalsh(lost.position_covariance).min() > 0

    cloud = to_pointcloud2(encode(flow, to_pointcloud2(encode_points(flow.pair.source.points), HEADER)), HEADER)
    objects = read_objects(to_pointcloud2(encode_objects([*flow.objects, *flow.predicted]), HEADER))
    again = read_flow(cloud, objects, lambda points: np.zeros(len(points), bool))
    assert len(again.objects) == len(flow.objects) and len(again.predicted) == len(flow.predicted)


def test_without_a_track_nothing_is_invented(recording):
    stream = SceneFlow(Settings(network_points=1024)).stream()
    filled = stream.estimate(stream.observe(SweepPair(recording[1].sweep, recording[0].sweep)))
    assert not filled.by_network and (filled.moving & ~recording[1].moving).sum() <= 0.005 * len(filled.moving)
