"""The table of docs/node.md, "Time", row by row, against the live node."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from live import LiveNode, make_cloud, stamp_of  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from streams import TABLE  # noqa: E402

RNG = np.random.default_rng(1)
FLOW = '/ssrflow/flow'

BEGIN = 1_700_000_000.0


def _points():
    return RNG.uniform(-20, 20, (50, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def live(tmp_path_factory):
    node = LiveNode(tmp_path_factory.mktemp('time'))
    try:
        node.listen(PointCloud2, FLOW)
        node.listen(DiagnosticArray, '/diagnostics')
        node.wait_until_connected()
        yield node
    finally:
        node.close()


@pytest.mark.parametrize('row', TABLE)
def test_row(live, row):
    stream, expected = TABLE[row]
    assert live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success
    live.heard[FLOW].clear()
    drops, frame, answers, flows = dict(_drops(live)), 'lidar', iter(expected), []
    for step in stream:
        if isinstance(step, str):
            frame = frame if step == 'pause' else step
            live.spin(0.7)
            continue
        cloud, answer = make_cloud(_points(), round((BEGIN + step) * 1e9), frame), next(answers)
        live.points.publish(cloud)
        if isinstance(answer, str):
            drops[answer] = drops.get(answer, 0) + 1
        else:
            flows.append(stamp_of(cloud))
            live.wait(lambda: len(live.heard[FLOW]) >= len(flows), f'the flow of {step}')
    live.wait(
        lambda: _drops(live) == drops and live.diagnostics().get('last_dt_s') == f'{expected[-1]:.4f}',
        f'drops {drops} and a last step of {expected[-1]} s in the diagnostics',
    )
    assert [stamp_of(message) for message in live.heard[FLOW]] == flows


def _drops(live):
    return {
        name[len('drops/') :]: int(count) for name, count in live.diagnostics().items() if name.startswith('drops/')
    }


def test_a_bag_loop_is_told_of_once(live):
    assert live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success
    before = live.log.read_text().count('the stamps went back')
    for seconds in (20.0, 20.1, 5.0, 5.1, 5.2):
        last = make_cloud(_points(), round((BEGIN + seconds) * 1e9))
        live.points.publish(last)
    live.hear(FLOW, last)
    assert live.log.read_text().count('the stamps went back') == before + 1


@pytest.mark.parametrize(
    'step, frames, words',
    [
        (1.0, ['lidar'], 'gap too long, cloud dropped: raise max_gap, or let the LiDAR send more often'),
        (
            0.1,
            ['front', 'rear'],
            'frame_id changed, cloud dropped: pairs are made within one frame only: give each sensor '
            'a topic and a node of its own',
        ),
        (
            0.0,
            ['lidar'],
            'same stamp twice, cloud dropped: see that one driver publishes on the topic, and that it fills '
            'in header.stamp for each sweep',
        ),
    ],
)
def test_a_stream_without_a_pair_is_told_of_with_the_cure_and_not_for_each_cloud(live, step, frames, words):
    assert live.call(Trigger, '/ssrflow/reset', Trigger.Request()).success
    before, came = live.log.read_text().splitlines(), int(live.diagnostics()['clouds_in'])
    for number in range(8):
        stamp = round((BEGIN + number * step) * 1e9) if step else 0
        live.points.publish(make_cloud(_points(), stamp, frames[number % len(frames)]))
        live.spin(0.1)
    live.wait(lambda: int(live.diagnostics()['clouds_in']) >= came + 8, 'the clouds to be counted')
    lines = live.log.read_text().splitlines()[len(before) :]
    assert len([line for line in lines if words in line and 'WARN' in line]) in (1, 2), lines
    assert len([line for line in lines if 'a new start' in line]) == (len(frames) > 1), lines


def test_a_clock_that_is_simulated_and_stands_still(tmp_path):
    """A paused bag: the node goes on with whatever comes, and the diagnostics too."""
    live = LiveNode(tmp_path, arguments=['-p', 'use_sim_time:=true'])
    try:
        clock = live.node.create_publisher(Clock, '/clock', 10)
        live.listen(PointCloud2, FLOW)
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        live.wait(clock.get_subscription_count, 'the node to listen to the clock')
        now = Clock()
        now.clock.sec = int(BEGIN)

        def told():
            return [message for message in live.heard['/diagnostics'] if message.header.stamp.sec == int(BEGIN)]

        live.wait(told, 'the node to take the time from the clock', again=lambda: clock.publish(now))
        for seconds in (0.0, 0.1):
            live.points.publish(make_cloud(_points(), round((BEGIN + seconds) * 1e9)))
        live.wait(lambda: live.heard[FLOW], 'the flow')
        before = len(told())
        live.wait(lambda: len(told()) > before + 1, 'diagnostics of a time that stands')
    finally:
        live.close()
