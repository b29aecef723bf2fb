"""The managed node: every transition, driven over DDS as a lifecycle manager would, and what fails on the way."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from live import PATIENCE, REAL, STAND_IN, LiveNode, Stream, make_cloud, own_network, stamp_of  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from stand_in_node import BROKEN, MISSING, OUT_OF_MEMORY_AT, SLOW_AT, WITHOUT_STREAM  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

POINTS = np.random.default_rng(3).uniform(-30, 30, (200, 3)).astype(np.float32)
SHARED_MEMORY = Path('/dev/shm')
FLOW, MARKERS = '/ssrflow/flow', '/ssrflow/markers'


@pytest.fixture
def start(tmp_path):
    """Starts nodes with such parameters, and leaves none behind."""
    nodes = []

    def start(*parameters, files=(), **rest):
        arguments = [word for p in parameters for word in ('-p', p)]
        arguments += [word for file in files for word in ('--params-file', str(file))]
        nodes.append(LiveNode(tmp_path, arguments=arguments, **rest))
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()


def change(live, transition):
    """Whether the node says that the transition succeeded, and the state it is in afterwards."""
    request = ChangeState.Request(transition=Transition(id=transition))
    return live.call(ChangeState, '/ssrflow/change_state', request).success, state(live)


def state(live):
    return live.call(GetState, '/ssrflow/get_state', GetState.Request()).current_state.label


def told(live):
    """What the stand-in method was asked to do."""
    return [line.split(': ')[1] for line in live.log.read_text().splitlines() if line.startswith('stand-in')]


def flows(live, stream):
    """Send two clouds and wait for the flow of the second."""
    stream.send(make_cloud(POINTS, 0))
    return stream.send_and_hear(make_cloud(POINTS, 0))


def assert_first_has_no_partner(live, stream):
    """Of two clouds only the second is answered."""
    heard = len(live.heard[FLOW])
    second = flows(live, stream)
    assert [stamp_of(message) for message in live.heard[FLOW][heard:]] == [stamp_of(second)]


def test_torch_is_loaded_when_it_is_configured_and_not_before():
    code = "import sys, ssrflow_ros.node.managed_node; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, '-c', code], text=True) == 'False\n'


def test_every_transition(start):
    live = start('autostart:=false')
    live.listen(PointCloud2, FLOW)
    assert state(live) == 'unconfigured'
    assert live.node.count_publishers(FLOW) == 0
    assert change(live, Transition.TRANSITION_CONFIGURE) == (True, 'inactive')
    live.wait(lambda: live.node.count_publishers(FLOW), 'the outputs to be announced')
    assert live.points.get_subscription_count() == 0, 'an inactive node takes no clouds'

    stream = Stream(live)
    assert change(live, Transition.TRANSITION_ACTIVATE) == (True, 'active')
    live.wait_until_connected()
    flows(live, stream)
    assert told(live) == ['onload', 'stream']

    assert change(live, Transition.TRANSITION_DEACTIVATE) == (True, 'inactive')
    assert told(live)[-1:] == ['offload'], 'the memory of the device is free'
    live.wait(lambda: not live.points.get_subscription_count(), 'the subscription to end')

    assert change(live, Transition.TRANSITION_ACTIVATE) == (True, 'active')
    live.wait_until_connected()
    assert_first_has_no_partner(live, stream)

    assert change(live, Transition.TRANSITION_DEACTIVATE) == (True, 'inactive')
    assert change(live, Transition.TRANSITION_CLEANUP) == (True, 'unconfigured')
    live.wait(lambda: not live.node.count_publishers(FLOW), 'the outputs to be withdrawn')
    assert change(live, Transition.TRANSITION_CONFIGURE) == (True, 'inactive')
    assert change(live, Transition.TRANSITION_ACTIVATE) == (True, 'active')
    live.wait_until_connected()
    flows(live, stream)
    assert change(live, Transition.TRANSITION_ACTIVE_SHUTDOWN) == (True, 'finalized')
    assert live.stop(signal.SIGTERM) == 0
    assert 'Traceback' not in live.log.read_text()


@pytest.mark.parametrize(
    'wanted, named',
    [
        (dict(id=Transition.TRANSITION_CONFIGURE), '1'),
        (dict(id=Transition.TRANSITION_ACTIVATE), '3'),
        (dict(id=99), '99'),
        (dict(label='cleanup'), "'cleanup'"),
        (dict(label='nonsense'), "'nonsense'"),
    ],
)
def test_a_change_of_state_that_is_not_possible_is_refused_in_one_line(active, wanted, named):
    request = ChangeState.Request(transition=Transition(**wanted))
    assert not active.call(ChangeState, '/ssrflow/change_state', request).success
    assert state(active) == 'active'
    line = f'change_state: there is no transition {named} from active: possible are deactivate (4), shutdown (7)'
    assert active.log.read_text().count(line) == 1
    assert 'Traceback' not in active.log.read_text()
    flows(active, active.stream)


@pytest.fixture(scope='module')
def active(tmp_path_factory):
    live = LiveNode(tmp_path_factory.mktemp('active'))
    try:
        live.listen(PointCloud2, FLOW)
        live.wait_until_connected()
        live.stream = Stream(live)
        yield live
    finally:
        live.close()


def set_parameter(live, name, **value):
    """Answer of the node."""
    request = SetParameters.Request(parameters=[Parameter(name=name, value=ParameterValue(**value))])
    return live.call(SetParameters, '/ssrflow/set_parameters', request).results[0]


def test_a_parameter_of_an_unknown_type_is_refused(active):
    answer = set_parameter(active, 'moving_speed', type=77)
    assert not answer.successful and '77' in answer.reason
    flows(active, active.stream)


def test_what_is_the_robot_itself_can_be_set_while_it_is_not_active(start):
    live = start('autostart:=false')
    live.listen(PointCloud2, FLOW)
    text, double = ParameterType.PARAMETER_STRING, ParameterType.PARAMETER_DOUBLE
    assert set_parameter(live, 'min_range', type=double, double_value=5.0).successful
    assert change(live, Transition.TRANSITION_CONFIGURE)[0]
    assert set_parameter(live, 'own_body', type=text, string_value='-40 -40 -40 0 40 40').successful
    refused = set_parameter(live, 'own_body', type=text, string_value='too few')
    assert not refused.successful and 'is no box' in refused.reason
    refused = set_parameter(live, 'mounting', type=text, string_value='1 2 3')
    assert not refused.successful and 'is no pose' in refused.reason
    assert change(live, Transition.TRANSITION_ACTIVATE)[0]
    refused = set_parameter(live, 'min_range', type=double, double_value=1.0)
    assert not refused.successful and refused.reason.endswith('ros2 lifecycle set /ssrflow deactivate')
    live.wait_until_connected()
    kept = (POINTS[:, 0] > 0) & (np.linalg.norm(POINTS, axis=1) >= 5.0)
    assert flows(live, Stream(live)).width == kept.sum()


@pytest.mark.parametrize(
    'before, shutdown',
    [
        ([], Transition.TRANSITION_UNCONFIGURED_SHUTDOWN),
        ([Transition.TRANSITION_CONFIGURE], Transition.TRANSITION_INACTIVE_SHUTDOWN),
    ],
)
def test_shutdown_from_other_states(start, before, shutdown):
    live = start('autostart:=false')
    for transition in before:
        assert change(live, transition)[0]
    assert change(live, shutdown) == (True, 'finalized')
    assert live.stop() == 0


def test_what_the_user_can_put_right_fails_in_one_line(start):
    live = start('autostart:=false', f'weights:={MISSING}')
    assert change(live, Transition.TRANSITION_CONFIGURE) == (False, 'unconfigured')
    assert 'on_configure: there are no such weights: look again' in live.log.read_text()
    assert 'Traceback' not in live.log.read_text()


def test_a_fault_of_ours_leaves_its_traceback(start):
    live = start('autostart:=false', f'weights:={BROKEN}')
    assert change(live, Transition.TRANSITION_CONFIGURE) == (False, 'unconfigured')
    assert 'Traceback' in live.log.read_text() and 'RuntimeError: a fault of ours' in live.log.read_text()


@pytest.mark.parametrize(
    'weights, reason', [(MISSING, 'on_configure: there are no such weights'), (BROKEN, 'RuntimeError: a fault of ours')]
)
def test_autostart_checks_the_result(start, weights, reason):
    live = start(f'weights:={weights}')
    assert live.ended() == 1
    assert reason in live.log.read_text()


@pytest.mark.parametrize(
    'text, words',
    [
        ('/**:\n  ros__parameters:\n    moving_speed: [1.0\n', 'Error parsing'),
        ('ssrflow:\n', 'Cannot have a value before ros__parameters'),
        ('moving_speed: 1.0\n', 'Cannot have a value before ros__parameters'),
        ('/**:\n  ros__parameters:\n    use_sim_time: 3\n', 'use_sim_time'),
        ('/**:\n  ros__parameters:\n    own_body: [1, 2, 3]\n', 'is not of type str'),
        (None, 'Error opening YAML file'),
    ],
)
def test_a_params_file_that_cannot_be_used_ends_the_start_with_one_line(start, tmp_path, text, words):
    file = tmp_path / 'some.yaml'
    if text:
        file.write_text(text)
    live = start(files=[file])
    assert live.ended() == 1
    lines = live.log.read_text().splitlines()
    assert len(lines) == 1 and 'FATAL' in lines[0] and words in lines[0], lines
    assert '/project' not in lines[0] and 'Traceback' not in lines[0]


def test_an_override_of_rclpys_own_that_it_refuses_is_one_line(start):
    live = start('qos_overrides./points.subscription.depth:=many', inputs=())
    assert live.ended() == 1
    assert 'on_activate: ' in live.log.read_text() and 'Traceback' not in live.log.read_text()


@pytest.mark.parametrize(
    'text, words',
    [
        ('', 'it is empty'),
        ('other:\n  ros__parameters:\n    moving_speed: 1.0\n', 'its sections name other nodes'),
        ('/**:\n  ros__parameters:\n    moving_sped: 1.0\n', "did you mean 'moving_speed'?"),
    ],
)
def test_a_params_file_that_changes_nothing_is_warned_of_in_one_line(start, tmp_path, text, words):
    (tmp_path / 'some.yaml').write_text(text)
    live = start('autostart:=false', files=[tmp_path / 'some.yaml'])
    live.wait(lambda: 'WARN' in live.log.read_text(), 'the warning')
    state(live)
    lines = [line for line in live.log.read_text().splitlines() if 'WARN' in line and 'clouds are pub' not in line]
    assert len(lines) == 1 and words in lines[0], lines


def test_a_transition_that_fails_leaves_nothing_behind(start):
    live = start('autostart:=false', 'ego_motion:=odometry', f'weights:={WITHOUT_STREAM}')
    assert change(live, Transition.TRANSITION_CONFIGURE)[0]
    assert change(live, Transition.TRANSITION_ACTIVATE) == (False, 'inactive')
    assert told(live)[-2:] == ['onload', 'offload']
    assert not live.points.get_subscription_count()


def test_clouds_that_come_while_it_is_inactive_are_told_of(start):
    live = start('autostart:=false')
    live.wait_for_log('the node is unconfigured')
    assert 'ros2 lifecycle set /ssrflow configure' in live.log.read_text()
    change(live, Transition.TRANSITION_CONFIGURE)
    live.wait_for_log('ros2 lifecycle set /ssrflow activate')


def test_reset_forgets_and_wipes(start):
    live = start()
    live.listen(PointCloud2, FLOW)
    live.listen(MarkerArray, MARKERS)
    live.wait_until_connected()
    stream = Stream(live)
    flows(live, stream)
    assert live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success
    live.wait(
        lambda: [m.action for a in live.heard[MARKERS] for m in a.markers].count(Marker.DELETEALL) == 1,
        'the markers to be wiped',
    )
    assert_first_has_no_partner(live, stream)
    assert told(live) == ['onload', 'stream', 'reset']
    change(live, Transition.TRANSITION_DEACTIVATE)
    assert not live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success


@pytest.mark.parametrize('by', ['reset', 'stamps'])
def test_what_was_in_hand_when_all_is_forgotten_is_not_told_of_later(tmp_path, by):
    """One cloud is being prepared and the next one waits, when everything is forgotten: both belong to what was."""
    gate = tmp_path / 'gate'
    code = (
        'import pathlib, sys, time\n'
        f'sys.path.insert(0, {str(Path(__file__).parent)!r})\n'
        'from stand_in_node import StandIn, main\n'
        'class Held(StandIn):\n'
        '    def observe(self, pair, ego_motion=None):\n'
        "        self.tell('observe')\n"
        f'        while not pathlib.Path({str(gate)!r}).exists():\n'
        '            time.sleep(0.01)\n'
        '        return self.prepare(pair, ego_motion)\n'
        'main(make_scene_flow=Held)\n'
    )
    (tmp_path / 'held.py').write_text(code)
    live = LiveNode(tmp_path, [sys.executable, str(tmp_path / 'held.py')])
    try:
        live.listen(PointCloud2, FLOW)
        live.listen(MarkerArray, MARKERS)
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        stream = Stream(live)
        for _ in range(2):
            stream.send(make_cloud(POINTS, 0))
        live.wait(lambda: 'observe' in told(live), 'the first pair to be prepared')
        stream.send(make_cloud(POINTS, 0))
        if by == 'stamps':
            stream.stamp_ns -= 100_000_000_000
            stream.send(make_cloud(POINTS, 0))
        live.wait(lambda: live.diagnostics().get('clouds_in') == str(stream.sent), 'the clouds to come')
        if by == 'reset':
            assert live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success
        gate.touch()

        def done():
            values = live.diagnostics()
            dropped = sum(int(value) for name, value in values.items() if name.startswith('drops/'))
            return int(values['clouds_out']) + dropped == stream.sent

        live.wait(done, 'the clouds to be done with')
        if by == 'reset':
            stream.send(make_cloud(POINTS, 0))
        last = stream.send_and_hear(make_cloud(POINTS, 0))
        assert [stamp_of(message) for message in live.heard[FLOW]] == [stamp_of(last)]
        assert told(live)[-4:] == ['observe', 'observe', 'reset', 'observe'], 'only what is new rests on a new start'
        drawn = [marker.action for array in live.heard[MARKERS] for marker in array.markers]
        assert drawn[0] == Marker.DELETEALL, 'nothing is drawn before all is wiped'
        assert live.diagnostics()['drops/stopped'] == '2'
    finally:
        live.close()


def test_it_can_be_disabled(start):
    live = start()
    live.listen(PointCloud2, FLOW)
    live.listen(DiagnosticArray, '/diagnostics')
    live.wait_until_connected()
    stream = Stream(live)
    flows(live, stream)
    assert live.call(SetBool, '/ssrflow/set_enabled', SetBool.Request(data=False)).success
    heard = len(live.heard[FLOW])
    for _ in range(3):
        stream.send(make_cloud(POINTS, 0))
    live.wait(lambda: live.diagnostics().get('drops/disabled') == '3', 'the drops to be counted')
    assert len(live.heard[FLOW]) == heard
    live.call(SetBool, '/ssrflow/set_enabled', SetBool.Request(data=True))
    flows(live, stream)


def test_out_of_memory_costs_one_sweep(start):
    live = start()
    live.listen(PointCloud2, FLOW)
    live.listen(DiagnosticArray, '/diagnostics')
    live.wait_until_connected()
    stream = Stream(live)
    flows(live, stream)
    stream.send(make_cloud(POINTS[:OUT_OF_MEMORY_AT], 0))
    live.wait(lambda: live.diagnostics().get('drops/out of device memory') == '1', 'the drop')
    assert any(status.level == DiagnosticStatus.ERROR for status in live.statuses())
    assert 'set a smaller network_points' in live.log.read_text()
    stream.send_and_hear(make_cloud(POINTS, 0))


def test_threads_that_share_the_work_end_with_the_state_that_needs_them(start):
    live = start('autostart:=false', 'threads:=8', command=REAL)
    assert change(live, Transition.TRANSITION_CONFIGURE) == (True, 'inactive')
    task = Path(f'/proc/{live.process.pid}/task')
    if not task.is_dir():
        pytest.skip('this system shows no /proc')
    threads = lambda: len(list(task.iterdir()))
    most = threads()
    assert change(live, Transition.TRANSITION_ACTIVATE) == (True, 'active')
    assert threads() >= most, 'those of the stream came'
    assert change(live, Transition.TRANSITION_DEACTIVATE) == (True, 'inactive')
    live.wait(lambda: threads() <= most - 7, 'the helpers to end')
    assert change(live, Transition.TRANSITION_ACTIVATE) == (True, 'active')
    assert threads() >= most, 'they came back'
    assert change(live, Transition.TRANSITION_ACTIVE_SHUTDOWN) == (True, 'finalized')
    live.wait(lambda: threads() <= most - 7, 'the helpers to end')


@pytest.mark.parametrize('ending', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_the_middle_of_an_inference(start, ending):
    live = start()
    live.listen(PointCloud2, FLOW)
    live.wait_until_connected()
    stream = Stream(live)
    stream.send(make_cloud(POINTS, 0))
    live.wait(
        lambda: 'slow' in told(live) or not stream.send(make_cloud(POINTS[:SLOW_AT], 0)), 'the long inference to begin'
    )
    assert live.stop(ending) == 0, 'it did not wait for the inference'
    assert 'Traceback' not in live.log.read_text() and 'Failed' not in live.log.read_text()


@pytest.mark.parametrize(
    'ending, delay', [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.3), (signal.SIGINT, 0.8), (signal.SIGTERM, 1.6)]
)
def test_signals_end_it_while_it_starts(start, ending, delay):
    live = start(command=REAL)
    _wait_until_ours(live.process.pid)
    time.sleep(delay)
    assert live.stop(ending) == 0, live.log.read_text()
    assert 'Traceback' not in live.log.read_text()


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason='this system shows no /dev/shm')
def test_it_gives_its_shared_memory_back(tmp_path):
    """Tens of MB a node, which a container of Docker has once: what starts often would fill it."""
    before, log = set(SHARED_MEMORY.glob('fast*')), tmp_path / 'node.log'
    with own_network(tmp_path) as network:
        with log.open('w') as out:
            node = subprocess.Popen([*STAND_IN, '--ros-args'], env=network, stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE
        while 'ready' not in log.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        own = _mapped(node.pid) - before  # others may run beside
        node.send_signal(signal.SIGINT)
        assert node.wait(PATIENCE) == 0, log.read_text()
    if not own:
        pytest.skip('this middleware takes no shared memory')
    held = set().union(*(_mapped(process.name) for process in Path('/proc').iterdir() if process.name.isdigit()))
    assert not {file for file in own - held if file.exists()}


def _mapped(pid):
    """Segments of shared memory that a process holds; a port may be held by several."""
    try:
        mapped = {line.split()[-1] for line in Path(f'/proc/{pid}/maps').read_text().splitlines()}
    except OSError:
        return set()  # it has ended
    return {file for file in SHARED_MEMORY.glob('fast*') if str(file) in mapped}


def _wait_until_ours(pid):
    """Wait until the process catches SIGTERM: before, it is Python that starts and not yet our code."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        caught = next(line for line in Path(f'/proc/{pid}/status').read_text().splitlines() if 'SigCgt' in line)
        if int(caught.split()[1], 16) >> signal.SIGTERM - 1 & 1:
            return
        time.sleep(0.01)
    raise AssertionError('the process never caught SIGTERM')


def test_a_callback_that_fails_does_not_end_the_node(tmp_path):
    code = (
        'from ssrflow_ros.node import managed_node\n'
        f'import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n'
        'from stand_in_node import StandIn, main\n'
        'def fail(*_):\n'
        '    raise RuntimeError("a fault of ours")\n'
        'managed_node.Watch.look = fail\n'
        'main(make_scene_flow=StandIn)\n'
    )
    (tmp_path / 'failing.py').write_text(code)
    live = LiveNode(tmp_path, [sys.executable, str(tmp_path / 'failing.py')])
    try:
        live.wait(lambda: live.log.read_text().count('a callback failed') >= 2, 'the second failure')
        assert state(live) == 'active' and live.stop() == 0
    finally:
        live.close()
