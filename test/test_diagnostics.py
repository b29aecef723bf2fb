"""What the diagnostics say of given statistics, and when they warn."""

import time

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402

from ssrflow_ros.node.bag_replay import BagReplay  # noqa: E402
from ssrflow_ros.node.diagnostics import ERROR, OK, WARN, Diagnostics  # noqa: E402
from ssrflow_ros.node.memory import device_mb, host_mb  # noqa: E402
from ssrflow_ros.node.statistics import DOUBTFUL, OUT_OF_MEMORY, REPLACED, UNHEARD, WARN_EVERY, Statistics  # noqa: E402
from ssrflow_ros.process_memory import allocator  # noqa: E402
from ssrflow_ros.settings import Settings  # noqa: E402
from ssrflow_ros.steps.pairing import FIRST, GAP  # noqa: E402


def report(clouds=50, drops=(), settings=None, listeners=1, state='active', method=None, **timings):
    """Status after `clouds` of which `drops` gave no flow."""
    statistics = Statistics()
    for _ in range(clouds):
        statistics.count('in')
    for reason in drops:
        statistics.drop(reason)
    for _ in range(clouds - len(drops)):
        statistics.count('out')
        statistics.time(**timings)
    return Diagnostics(statistics, 'ssrflow').status(settings or Settings(), listeners, state, method)


def values_of(status):
    return {pair.key: pair.value for pair in status.values}


def test_all_is_well():
    status = report(drops=[FIRST, REPLACED, REPLACED, UNHEARD], total=100.0)
    assert (status.level, status.message) == (OK, '46.0 of 50.0 clouds per second')


def test_a_second_cause_is_told_at_once_and_a_third_but_not_one_for_each_cloud(monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, 'monotonic', lambda: now)
    statistics = Statistics()
    assert statistics.drop('no ego-motion', 'a sweep has 120 points')
    assert not statistics.drop('no ego-motion', 'a sweep has 3 points'), 'the same cause'
    assert statistics.drop('no ego-motion', 'explains 40% of the surfaces')
    assert statistics.drop('no flow', 'a sweep has 3 points'), 'another reason'
    assert [statistics.is_due('no ego-motion', f'frame {name}') for name in 'abc'] == [True, False, False]
    now += WARN_EVERY
    assert statistics.is_due('no ego-motion', 'a sweep has 7 points')
    assert statistics.drops() == {'no ego-motion': 3, 'no flow': 1}


def test_every_cloud_is_accounted_for():
    values = values_of(report(drops=[FIRST, REPLACED, GAP]))
    dropped = sum(int(value) for key, value in values.items() if key.startswith('drops/'))
    assert int(values['clouds_in']) == int(values['clouds_out']) + dropped == 50


@pytest.mark.parametrize(
    'changes, given, level, words',
    [
        ({}, {'clouds': 0}, WARN, 'no clouds arrive'),
        ({}, {'clouds': 0, 'state': 'inactive'}, OK, 'inactive: waiting to be activated'),
        ({'rate_error': 1.0}, {'clouds': 0}, ERROR, 'no clouds arrive'),
        ({'rate_warn': 60.0}, {}, WARN, 'only 50.0 clouds'),
        ({'rate_error': 60.0}, {}, ERROR, 'only 50.0 clouds'),
        ({}, {'drops': [GAP]}, WARN, f'1 x {GAP}'),
        ({'drops_warn': 0.1}, {'drops': [GAP]}, OK, '49.0 of 50.0'),
        ({}, {'drops': [GAP] * 30}, ERROR, f'30 x {GAP}'),
        ({'drops_warn': 1.0, 'drops_error': 1.0}, {'drops': [OUT_OF_MEMORY]}, ERROR, OUT_OF_MEMORY),
        ({}, {'total': 600.0}, WARN, '0.60 s'),
        ({}, {'total': 2100.0}, ERROR, '2.10 s'),
        ({'latency_warn': 3.0, 'latency_error': 3.0}, {'total': 2100.0}, OK, '50.0 of 50.0'),
        ({'lazy': True}, {'listeners': 0}, OK, 'nobody listens'),
    ],
)
def test_thresholds(changes, given, level, words):
    status = report(settings=Settings().replace(**changes), **given)
    assert status.level == level and words in status.message, status.message


@pytest.mark.parametrize('late, level', [(0, OK), (40_000_000, WARN)])
def test_uneven_stamps_are_told(late, level):
    statistics = Statistics()
    for number in range(30):
        statistics.stamp(1_700_000_000_000_000_000 + number * 100_000_000 + late * (number % 3 == 0))
    status = Diagnostics(statistics, 'ssrflow').status(Settings(rate_warn=0.0), 1)
    assert status.level == level and ('stamps are uneven' in status.message) == (level == WARN)


def test_several_troubles_are_told_together_and_the_worst_counts():
    status = report(drops=[GAP], total=2100.0)
    assert status.level == ERROR and GAP in status.message and '2.10 s' in status.message


def test_drops_are_those_since_the_last_report():
    statistics = Statistics()
    statistics.count('in')
    statistics.drop(GAP)
    diagnostics = Diagnostics(statistics, 'ssrflow')
    assert diagnostics.status(Settings(rate_warn=0.0), 1).level == ERROR
    statistics.count('in')
    assert diagnostics.status(Settings(rate_warn=0.0), 1).level == OK


def test_method_memory_and_stages_are_told():
    class Method:
        device = 'cpu'
        card = {'trained_on': 'made-up streets'}

    values = values_of(report(method=Method(), network=3.0, stamp_to_publish=70.0))
    assert values['trained_on'] == 'made-up streets' and values['device'] == 'cpu'
    assert values['weights'] == Settings().weights and values['ego_motion'] == Settings().ego_motion
    assert values['network_ms_p50'] == '3.0' and values['stamp_to_publish_ms_p95'] == '70.0'
    assert float(values['memory_mb']) == pytest.approx(host_mb(), rel=0.5) and values['device_memory_mb'] == '0'
    assert values['allocator'] == allocator()


def test_a_replay_hears_the_flow_node_and_no_other():
    replay = BagReplay()
    for name, key in (('ssrflow', 'clouds_in'), ('camera', 'frames')):
        status = DiagnosticStatus(name=name, values=[KeyValue(key=key, value='3')])
        replay._on_diagnostics(DiagnosticArray(status=[status]))
    assert replay.record.diagnostics == {'clouds_in': '3'}


def test_memory_grows_with_what_is_held():
    before = host_mb()
    held = bytearray(b'\1') * (64 * 2**20)
    assert host_mb() - before > 50 and len(held)
    assert host_mb(2**30) == 0 == device_mb('cpu'), 'no such process, no such device'


def test_memory_of_processes_that_it_started_counts():
    import subprocess
    import sys

    before = host_mb()
    child = subprocess.Popen(
        [sys.executable, '-c', "held = b'1' * 2**26; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        child.stdout.readline()
        assert host_mb() - before > 60 < host_mb(child.pid)
    finally:
        child.communicate(b'\n')


def test_a_doubtful_ego_motion_is_told_with_the_cure():
    statistics = Statistics()
    statistics.count('in')
    statistics.count(DOUBTFUL)
    status = Diagnostics(statistics, 'ssrflow').status(Settings(rate_warn=0.0), 1)
    assert status.level == WARN and 'doubtful ego-motion' in status.message and 'odometry' in status.message
    assert values_of(status)['doubtful_ego_motion'] == '1'
