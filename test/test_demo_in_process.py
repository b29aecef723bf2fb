"""The demo where there is no ROS 2."""

import sys
import threading

import numpy as np
import pytest

from ssrflow_ros.cli.demo_in_process import Player
from ssrflow_ros.cli.main import main
from ssrflow_ros.formats.bags import BagReader
from ssrflow_ros.formats.pointcloud2 import read_field
from ssrflow_ros.formats.stamped import stamp_of
from ssrflow_ros.stream import Stream

SMALL = ['--sweeps', '6', '--sensor', 'vlp16', '--seed', '4000000004', '--network-points', '256']


@pytest.fixture
def no_ros(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rclpy', None)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    from ssrflow_ros.network.config import PRESETS
    from ssrflow_ros.network.ssrflow import SSRFlow
    from ssrflow_ros.network.weights import save_weights

    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    save_weights(path, SSRFlow(PRESETS['onboard']), {})
    return str(path)


def test_says_so_and_shows_the_same(no_ros, weights, tmp_path, capsys):
    output = tmp_path / 'demo'
    assert main(['demo', '-o', str(output), '--weights', weights, *SMALL]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for line in (
        'ROS 2 is not here',
        'through this process',
        'clouds in',
        'flow out',
        'dropped',
        'latency',
        'network',
        'moving points',
        'zero flow',
    ):
        assert line in said
    for name in ('flow.png', 'typical.png'):
        assert (output / name).read_bytes().startswith(b'\x89PNG')
    with BagReader(output / 'flow_bag') as bag:
        assert bag.topics['/points'][1] == 6
        flows = list(bag.read(['/ssrflow/flow']))
        clouds = {stamp_of(message.raw): message.read() for message in bag.read(['/points'])}
        assert flows and bag.topics['/ssrflow/markers'][1] == bag.topics['/ssrflow/objects'][1] == len(flows)
        for message in flows:
            flow, source = message.read(), clouds[stamp_of(message.raw)]
            assert flow.header == source.header and flow.width == source.width
            assert np.isfinite(read_field(flow, 'vx')).all()


def test_every_cloud_gives_a_flow_or_is_counted(no_ros, weights, tmp_path, monkeypatch):
    """While the network is at its first sweep all others come: those overtaken are dropped, the newest is done."""
    came, last = [], threading.Event()
    job, estimate = Player._job, Stream.estimate

    def count(self, message):
        came.append(message)
        made = job(self, message)
        if len(came) == 6:
            last.set()
        return made

    def wait(self, prepared):
        assert last.wait(120)
        return estimate(self, prepared)

    monkeypatch.setattr(Player, '_job', count)
    monkeypatch.setattr(Stream, 'estimate', wait)
    told = []
    monkeypatch.setattr('ssrflow_ros.cli.demo_report.report', lambda recorded, answers, *rest: told.append(answers))
    assert main(['demo', '-o', str(tmp_path), '--weights', weights, *SMALL]) == 0
    (answers,) = told
    drops = {key: int(value) for key, value in answers.diagnostics.items() if key.startswith('drops/')}
    assert drops['drops/first sweep'] == 1 and drops['drops/replaced by a newer sweep'] >= 1
    assert len(answers.sent) == 6 == len(answers.flow) + sum(drops.values())
    assert stamp_of(answers.flow[-1][1]) == max(answers.sent)


def test_odometry_is_taken_from_the_recording(no_ros, weights, tmp_path, capsys):
    assert main(['demo', '-o', str(tmp_path), '--weights', weights, '--odometry', '/nothing', *SMALL]) == 2
    assert '/nothing is not there' in capsys.readouterr().err
    assert main(['demo', '-o', str(tmp_path / 'again'), '--weights', weights, '--odometry', '/odom', *SMALL]) == 0


def test_an_unexpected_error_ends_it(no_ros, weights, tmp_path, monkeypatch, capsys):
    def fail(self, message):
        raise RuntimeError('out of order')

    monkeypatch.setattr(Player, '_estimate', fail)
    assert main(['demo', '-o', str(tmp_path), '--weights', weights, *SMALL]) != 0
    assert 'out of order' in capsys.readouterr().err


def test_help_names_no_package_that_no_index_has(capsys):
    with pytest.raises(SystemExit):
        main(['demo', '--help'])
    said = capsys.readouterr().out
    assert 'ssrflow_ros[' not in said and 'without DDS' in said
