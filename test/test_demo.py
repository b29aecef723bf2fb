"""The demo from end to end: simulator, recording, the real node with untrained weights, table, picture."""

import pytest

pytest.importorskip('rclpy')

from ssrflow_ros.cli.main import main  # noqa: E402
from ssrflow_ros.formats.bags import BagReader  # noqa: E402
from ssrflow_ros.formats.stamped import stamp_of  # noqa: E402
from ssrflow_ros.node.distribution import PROFILE_VARIABLES, this_machine_only  # noqa: E402

SMALL = ['--sweeps', '8', '--sensor', 'vlp16', '--seed', '4000000004', '--network-points', '256']


@pytest.fixture
def own_environment(monkeypatch):
    """The demo sets variables for its own processes; they must not reach other tests."""
    for name in ('ROS_DOMAIN_ID', 'GOMP_SPINCOUNT', *this_machine_only(), *PROFILE_VARIABLES):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    from ssrflow_ros.network.config import PRESETS
    from ssrflow_ros.network.ssrflow import SSRFlow
    from ssrflow_ros.network.weights import save_weights

    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    save_weights(path, SSRFlow(PRESETS['onboard']), {})
    return str(path)


def test_demo_ends_with_table_picture_and_recording(tmp_path, own_environment, weights, capsys):
    output = tmp_path / 'demo'
    assert main(['demo', '-o', str(output), '--weights', weights, *SMALL]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for line in ('clouds in', 'flow out', 'dropped', 'latency', 'moving points', 'zero flow'):
        assert line in said
    for name in ('flow.png', 'typical.png'):
        assert (output / name).read_bytes().startswith(b'\x89PNG')
    with BagReader(output / 'flow_bag') as bag:
        assert bag.topics['/points'][1] == 8
        flows = list(bag.read(['/ssrflow/flow']))
        clouds = {stamp_of(message.raw): message.read() for message in bag.read(['/points'])}
        assert flows and bag.topics['/ssrflow/markers'][1] == bag.topics['/ssrflow/objects'][1] == len(flows)
        for message in flows:
            flow = message.read()
            source = clouds[stamp_of(message.raw)]
            assert flow.header == source.header and flow.width == source.width


def test_node_that_cannot_start_is_one_line(tmp_path, own_environment, capsys):
    assert main(['demo', '-o', str(tmp_path), '--weights', '/no/such.safetensors', *SMALL]) == 2
    error = capsys.readouterr().err.strip()
    assert '\n' not in error and '/no/such.safetensors' in error and 'node.log' in error
