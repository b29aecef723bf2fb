"""What `ssrflow bench` tells is what was measured; no time is asserted."""

import json
import os
import sys
import threading

import numpy as np
import pytest
import torch

from ssrflow_ros import SceneFlow, Settings, Sweep, SweepPair
from ssrflow_ros.bench import clouds, goals, peers, tables
from ssrflow_ros.bench.alternatives import measure_alternatives
from ssrflow_ros.bench.blocks import PYRAMID, measure_blocks
from ssrflow_ros.bench.goals import Before
from ssrflow_ros.bench.live_node import measure_node
from ssrflow_ros.bench.machine import CpuUse, forget_peaks, peak_bandwidth, peak_flops, peak_host_bytes
from ssrflow_ros.bench.peers import measure_peers
from ssrflow_ros.bench.plot import draw_goal, draw_scaling
from ssrflow_ros.bench.scaling import _resize, growth, scale, scale_cores
from ssrflow_ros.bench.stages import STAGES
from ssrflow_ros.bench.timing import Timing, timed
from ssrflow_ros.cli.main import main
from ssrflow_ros.errors import SSRFlowError
from ssrflow_ros.inference.device import set_threads
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.prefetch import prefetch
from ssrflow_ros.simulator import simulate
from ssrflow_ros.sweep import EgoMotion
from studies.before import figures_of

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp('bench') / 'recording'
    assert main(['simulate', '-o', str(path), '--sweeps', '6', '--sensor', 'vlp16', '--scene', 'street']) == 0
    return path


def test_bench_writes_json_and_picture(recording, tmp_path, capsys):
    out = tmp_path / 'out'
    assert (
        main(
            [
                'bench',
                str(recording),
                '--topic',
                '/points',
                '-o',
                str(out),
                '--points',
                '256',
                '--sweeps',
                '6',
                '--warm-up',
                '1',
                '--repeats',
                '2',
                '--parts',
                'stages,throughput,blocks',
            ]
        )
        == 0
    )
    told = json.loads((out / 'bench.json').read_text())
    assert (out / 'stages.png').read_bytes().startswith(b'\x89PNG')
    assert told['metadata']['DEVICE'] and told['ResourceMetrics.PEAK_HOST_BYTES'] > 1e7
    for name in ('scan matching', 'odometry given'):
        one = told['passes'][f'256 network points, {name}']
        assert one['BasicPerformanceMetrics.NUM_FRAMES_SENT'] == 4
        stages = sum(stage['MEAN_LATENCY'] for stage in one['stages'].values())
        assert one['BasicPerformanceMetrics.MEAN_LATENCY'] == pytest.approx(stages)
        through = told['throughput'][f'256 network points, {name}']
        assert through['BasicPerformanceMetrics.NUM_FRAMES_SENT'] == 4
        assert through['BasicPerformanceMetrics.MEAN_FRAME_RATE'] > 0
        assert through['PROCESSOR_TIME'] is None or through['PROCESSOR_TIME'] > 0
        assert 0 < one['PROCESSOR_TIME_WITHOUT_NETWORK']
    figures, stages = figures_of(told, '256 network points, scan matching')
    assert figures['processor_ms'] == pytest.approx(sum(stages.values()) - stages['network'])
    assert figures.keys() < {goal.key for goal in goals.GOALS} and stages.keys() <= set(STAGES)
    assert any(block['FLOPS'] for block in told['blocks']['256'].values())
    printed, written = capsys.readouterr().out, (out / 'tables.md').read_text()
    for words in ('decode to encode', 'sweeps/s', 'together'):
        assert words in printed and words in written
    heads = [line for line in written.splitlines() if line.startswith('| ---')]
    assert len(heads) == written.count('**') / 2 == 7


@pytest.mark.parametrize(
    'wrong, said',
    [
        (['nowhere'], 'nowhere does not exist'),
        (['--points', '7'], 'network_points'),
        (['--sweeps', '1'], '--sweeps 5'),
        (['--parts', 'wheels'], 'wheels is not known'),
    ],
)
def test_bench_refuses_in_one_line_and_leaves_nothing(wrong, said, tmp_path, capsys):
    assert main(['bench', '-o', str(tmp_path / 'out'), '--parts', 'blocks', *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1
    assert not list(tmp_path.iterdir())


def test_goals_stand_beside_the_figures_of_older_code(tmp_path):
    before = Before('abc1234', 'two cores', 'a street', 4096, {'sweep_ms': 341.2, 'sweeps_per_second': 2.5})
    table = tables.goals({'sweep_ms': 120.0, 'sweeps_per_second': 11.9, 'processor_ms': 50.1}, before)
    assert 'abc1234' in table.title and 'two cores' in table.title
    assert [row[1:] for row in table.rows] == [
        ('120 ms', '341 ms', '120 ms', 'met'),
        ('12.0 /s', '2.5 /s', '11.9 /s', 'missed'),
        ('50 ms', 'not known', '50 ms', 'missed'),
        ('600 MB', 'not known', 'not measured: no ROS 2', ''),
        ('3.0 s', 'not known', 'not measured: no ROS 2', ''),
    ]
    assert all(goals.before(recorded).commit for recorded in (False, True))
    draw_goal(tmp_path / 'goals.png', before, {'network': 80.0})
    assert (tmp_path / 'goals.png').read_bytes().startswith(b'\x89PNG')
    assert table.text().count('\n') == 7 and table.markdown().count('\n| ') == 7


def test_every_block_is_counted_once_and_no_hook_stays():
    network = SSRFlow(PRESETS['onboard']).eval()
    points = torch.randn(1, 256, 3) * 10
    blocks = measure_blocks(network, points, points + 0.1, repeats=2, warm_up=1)
    # torch's counter does not know oneDNN's layers, ours does.
    with (
        torch.backends.mkldnn.flags(enabled=False),
        torch.enable_grad(),
        torch.utils.flop_counter.FlopCounterMode(display=False) as counter,
    ):
        network.flow(points, points + 0.1)
    assert sum(block.flops for block in blocks.values()) == counter.get_total_flops()
    assert blocks[PYRAMID].flops == 0 < blocks[PYRAMID].bytes and blocks['decoder 0: STR'].flops > 10**7
    assert {'hierarchical features', 'top: DCA', 'top: GF', 'decoder 0: STR', 'decoder 0: LFE'} <= set(blocks)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_floor_is_the_slower_of_arithmetic_and_traffic():
    block = measure_blocks(SSRFlow(PRESETS['onboard']).eval(), *torch.randn(2, 1, 128, 3), repeats=1)['top: GF']
    assert block.floor_ms(block.flops, 1e30) == pytest.approx(1e3)
    assert block.floor_ms(1e30, block.bytes / 2) == pytest.approx(2e3)


def test_peaks_and_memory_of_this_machine():
    assert peak_flops(CPU) > 1e8 and peak_bandwidth(CPU) > 1e7
    forget_peaks(CPU)
    before = peak_host_bytes()
    held = np.ones(30_000_000)
    assert peak_host_bytes() - before > 0.8 * held.nbytes
    used = CpuUse().percent()  # None where hardly any time has passed
    assert used is None or 0 <= used <= 100


def test_timing_is_of_what_was_done():
    assert Timing([3, 1, 2]).as_dict() == pytest.approx(
        {'P50_LATENCY': 2, 'P95_LATENCY': 2.9, 'MAX_LATENCY': 3, 'MIN_LATENCY': 1, 'MEAN_LATENCY': 2, 'NUM_FRAMES': 3}
    )
    calls = []
    assert len(timed(lambda: calls.append(1), repeats=4, warm_up=3).ms) == 4
    assert len(calls) == 7


def test_alternatives_do_the_same_jobs():
    points = np.random.default_rng(0).uniform(-20, 20, (3000, 3)).astype(np.float32)
    pair = SweepPair(Sweep.from_points(points, 1), Sweep.from_points(points, 0))
    method = SceneFlow(Settings(ground='none', ego_motion='none', network_points=256))
    found, missing = measure_alternatives(method, pair, EgoMotion(np.eye(4), 'none'), repeats=1)
    assert all('ours' in ways and len(ways) >= 2 for ways in found.values())
    assert 'scipy' not in missing and len(found) == 9


def test_peers_do_a_sweeps_work_or_are_named_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, 'find_spec', lambda name: None)
    recording = [one.sweep for one in simulate(7, 4, 'vlp16', 'street')]
    pairs = [SweepPair(newer, older) for newer, older in zip(recording[1:], recording)]
    found = measure_peers(SceneFlow(Settings(network_points=256)), pairs, warm_up=1)
    ours = [peer for peer in found if not peer.missing]
    assert {peer.job for peer in ours} == {peer.job for peer in found} and len(ours) == 3
    assert all(len(peer.wall.ms) == len(peer.processor.ms) == 2 and peer.wall.p50 > 0 for peer in ours)
    assert {peer.missing for peer in found} >= {'pip install kiss_icp', 'pip install dufomap'}
    assert 'pip install pypatchworkpp' in tables.peers(found).text()


def test_gicp_and_patchwork_take_every_sweep_of_a_stream():
    pytest.importorskip('pypatchworkpp')
    recording = [one.sweep for one in simulate(7, 4, 'vlp16', 'street')]
    pairs = [SweepPair(newer, older) for newer, older in zip(recording[1:], recording)]
    for work in (peers._gicp(), peers._ground(Settings(ground='patchwork'))):
        assert len(peers._timed(work, pairs, 0)[0].ms) == 3


@pytest.mark.parametrize('power', [0.5, 1.2])
def test_growth_is_fitted(power):
    rows = [
        {'varied': 'input_points', 'input_points': n, 'P50_LATENCY': 3 * n**power, 'stages': {}}
        for n in (1_000, 10_000, 100_000, 300_000)
    ]
    rows += [{'varied': 'input_points', 'input_points': 10**6, 'error': 'too large'}]
    found = growth(rows, 'input_points')
    assert (found.overall, found.at_last, found.late) == pytest.approx((power, power, 10_000))
    assert growth(rows[:1], 'input_points') is growth(rows, 'network_points') is None


def test_cores_have_a_row_each_and_are_given_back(recording, tmp_path):
    before = os.sched_getaffinity(0)
    settings, ways = Settings(network_points=256), ((1, 1), (len(before), 2), (len(before) + 1, 1))
    rows = scale_cores(settings, clouds.recorded(str(recording), '/points', 6), 1, ways)
    assert [(row['cores'], row['threads']) for row in rows] == [*ways[:2]]
    assert all(row['MEAN_FRAME_RATE'] > 0 and row['P50_LATENCY'] > 0 for row in rows)
    assert os.sched_getaffinity(0) == before
    draw_scaling(tmp_path / 'scaling.png', rows, '')
    assert [table.title for table in tables.scaling(rows)] == ['how it grows', 'cores']
    set_threads(1)


def test_the_node_is_ready_and_holds_memory(recording):
    pytest.importorskip('rclpy')
    from live import STAND_IN

    found = measure_node(clouds.recorded(str(recording), '/points', 6), STAND_IN)
    assert found.ready_s > 0 and found.resident_mb > 50
    with pytest.raises(SSRFlowError, match='the node ended with code 1: no'):
        measure_node([], [sys.executable, '-c', 'print("no"); raise SystemExit(1)'])


def test_a_denser_sweep_lies_on_the_same_surfaces():
    across, up = np.meshgrid(np.linspace(-5, 5, 60), np.linspace(-1, 2, 20))
    wall = np.stack([np.full(across.size, 10.0), across.ravel(), up.ravel()], axis=1).astype(np.float32)
    points = _resize(Sweep.from_points(wall, 1), 6000).points
    assert len(points) == 6000 and np.abs(points[:, 0] - 10).max() < 0.2
    heights = np.unique(wall[:, 2])
    assert (np.abs(points[:, 2, None] - heights).min(axis=1) > 0.03).mean() > 0.2  # between the rings, too


def test_scaling_has_a_row_for_each_size_and_a_picture(tmp_path):
    points = np.random.default_rng(0).uniform(-20, 20, (3000, 3)).astype(np.float32)
    pair = SweepPair(Sweep.from_points(points, 1), Sweep.from_points(points, 0))
    settings = Settings(ground='none', ego_motion='none', remove_outliers=False)
    rows = scale(settings, pair, EgoMotion(np.eye(4), 'none'), (1000, 5000), (256, 512), repeats=1)
    assert [row.get('network_points', row.get('input_points')) for row in rows] == [256, 512, 1000, 5000]
    draw_scaling(tmp_path / 'scaling.png', [*rows, {'varied': 'input_points', 'input_points': 9, 'error': 'none'}], '')
    assert (tmp_path / 'scaling.png').read_bytes().startswith(b'\x89PNG')
    assert [row['NETWORK_POINTS_SEEN'] for row in rows[:2]] == [256, 512]
    assert all(row['P50_LATENCY'] == pytest.approx(sum(row['stages'].values())) for row in rows)


def test_prefetch_keeps_the_order_and_is_two_ahead():
    prepared, inferred, taken, handed, threads = [], [], [], [], [set(), set()]

    def items():
        for item in range(6):
            taken.append(threading.current_thread())
            yield item

    def prepare(item):
        threads[0].add(threading.current_thread())
        prepared.append(item)
        if item == 2:
            raise ValueError('two')
        return 10 * item

    def infer(made):
        threads[1].add(threading.current_thread())
        inferred.append(made)
        if made == 40:
            raise ValueError('four')
        return made + 1

    for item, future in prefetch(prepare, infer, items()):
        future.exception()
        handed.append((item, future))
        assert len(taken) <= item + 3
    assert [item for item, _ in handed] == prepared == [*range(6)] and inferred == [0, 10, 30, 40, 50]
    assert [future.result() for item, future in handed if item not in (2, 4)] == [1, 11, 31, 51]
    for item, said in ((2, 'two'), (4, 'four')):
        with pytest.raises(ValueError, match=said):
            handed[item][1].result()
    assert set(taken) == {threading.current_thread()} and len(threads[0] | threads[1] | set(taken)) == 3
    assert not list(prefetch(prepare, infer, []))


def test_three_sweeps_are_worked_on_at_once():
    """While the caller has the first one the second one is inferred and the third one prepared."""
    at_work = threading.Barrier(3, timeout=60)

    def prepare(item):
        if item == 2:
            at_work.wait()
        return item

    def infer(item):
        if item == 1:
            at_work.wait()
        return item

    for item, future in prefetch(prepare, infer, range(4)):
        assert future.result(60) == item
        if item == 0:
            at_work.wait()


def test_a_caller_who_leaves_early_waits_for_what_is_begun_and_no_more():
    done = []
    with pytest.raises(KeyError):
        for _ in prefetch(lambda item: item, done.append, range(100)):
            raise KeyError
    assert done == [0, 1] and not any(thread.name.startswith('ssrflow_prefetch') for thread in threading.enumerate())


def test_cloud_over_dds():
    pytest.importorskip('rclpy')
    from ssrflow_ros.bench.clouds import to_header, to_pointcloud2
    from ssrflow_ros.bench.dds import round_trip
    from ssrflow_ros.formats.pointcloud2 import encode_points

    cloud = to_pointcloud2(encode_points(np.ones((20_000, 3), np.float32)), to_header(1, 'lidar'))
    timing = round_trip([cloud, cloud, cloud])
    assert len(timing.ms) == 3 and min(timing.ms) > 0
