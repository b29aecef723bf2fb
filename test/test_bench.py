"""What `ssrflow bench` tells is what was measured; no time is asserted."""

import json
import threading

import numpy as np
import pytest
import torch

from ssrflow_ros import SceneFlow, Settings, Sweep, SweepPair
from ssrflow_ros.bench.alternatives import measure_alternatives
from ssrflow_ros.bench.blocks import PYRAMID, measure_blocks
from ssrflow_ros.bench.machine import CpuUse, forget_peaks, peak_bandwidth, peak_flops, peak_host_bytes
from ssrflow_ros.bench.plot import draw_scaling
from ssrflow_ros.bench.scaling import scale
from ssrflow_ros.bench.timing import Timing, timed
from ssrflow_ros.cli.main import main
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.prefetch import prefetch
from ssrflow_ros.sweep import EgoMotion

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
    assert any(block['FLOPS'] for block in told['blocks']['256'].values())
    assert 'decode to encode' in capsys.readouterr().out


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


def test_every_block_is_counted_once_and_no_hook_stays():
    network = SSRFlow(PRESETS['onboard']).eval()
    points = torch.randn(1, 256, 3) * 10
    blocks = measure_blocks(network, points, points + 0.1, repeats=2, warm_up=1)
    # torch's counter does not know oneDNN's layers, ours does.
    with (
        torch.backends.mkldnn.flags(enabled=False),
        torch.no_grad(),
        torch.utils.flop_counter.FlopCounterMode(display=False) as counter,
    ):
        network.flow(points, points + 0.1)
    assert sum(block.flops for block in blocks.values()) == counter.get_total_flops()
    assert blocks[PYRAMID].flops == 0 < blocks[PYRAMID].bytes
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
    assert 'scipy' not in missing and len(found) == 11


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


def test_prefetch_keeps_the_order_and_is_one_ahead():
    made, taken, handed = [], [], []

    def items():
        for item in range(5):
            taken.append(threading.current_thread())
            yield item

    def make(item):
        made.append(item)
        if item == 2:
            raise ValueError('two')
        return 10 * item

    for item, future in prefetch(make, items()):
        future.exception()
        handed.append((item, future))
        assert len(taken) <= item + 2
    assert [item for item, _ in handed] == made == [0, 1, 2, 3, 4]
    assert [future.result() for item, future in handed if item != 2] == [0, 10, 30, 40]
    with pytest.raises(ValueError, match='two'):
        handed[2][1].result()
    assert set(taken) == {threading.current_thread()}
    assert not list(prefetch(make, []))


def test_cloud_over_dds():
    pytest.importorskip('rclpy')
    from ssrflow_ros.bench.clouds import to_header, to_pointcloud2
    from ssrflow_ros.bench.dds import round_trip
    from ssrflow_ros.formats.pointcloud2 import encode_points

    cloud = to_pointcloud2(encode_points(np.ones((20_000, 3), np.float32)), to_header(1, 'lidar'))
    timing = round_trip([cloud, cloud, cloud])
    assert len(timing.ms) == 3 and min(timing.ms) > 0
