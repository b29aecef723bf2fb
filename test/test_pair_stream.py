"""From messages to pairs one way: what is asked of it, such as deskewing, holds in every command."""

import argparse
import queue
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from yards import yard

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.cli.main import main
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.bag_messages import to_header, to_odometry, to_pointcloud2
from ssrflow_ros.formats.bags import FLOW, ODOMETRY, POINTCLOUD2, BagReader, write_bag
from ssrflow_ros.formats.pointcloud2 import encode_points, read_field
from ssrflow_ros.kernels.kd_tree import KdTree
from ssrflow_ros.pair_stream import PairStream
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.transforms import rigid

SPEED, PERIOD, SWEEPS = 6.0, 0.1, 12  # m/s along x
WORLD = yard(600)
SETTINGS = Settings(device='cpu', threads=1, network_points=256, ego_motion='odometry')
BACK = given(rigid(np.eye(3), np.array([SPEED * PERIOD, 0, 0])))


def place(number):
    """(3,) m, where the sensor is at the stamp of a sweep."""
    return np.array([SPEED * PERIOD * number - 3.0, 0.0, 0.0])


def exact(number):
    """(N, 3) what an instant at the stamp would show."""
    return WORLD - place(number).astype(np.float32)


def cloud(number):
    """A PointCloud2 of one turn that ends at its stamp, each point where it was at its own time."""
    here = exact(number)
    times = (PERIOD * (np.arctan2(here[:, 1], here[:, 0]) / (2 * np.pi) - 0.5)).astype(np.float32)
    skewed = here - np.outer(times, [SPEED, 0, 0]).astype(np.float32)
    return to_pointcloud2(encode_points(skewed, time=times), to_header(stamp_ns(number), 'lidar'))


def stamp_ns(number):
    return 1_000_000_000 + round(number * PERIOD * 1e9)


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp('turns') / 'drive'
    with write_bag(path) as out:
        for number in range(SWEEPS):
            pose = to_odometry(rigid(np.eye(3), place(number)), stamp_ns(number), 'odom', 'lidar')
            out.write('/odom', ODOMETRY, stamp_ns(number), pose)
            out.write('/points', POINTCLOUD2, stamp_ns(number), cloud(number))
    return path


def off(points, number):
    """m, the farthest of `points` from where an instant would show one."""
    return float(KdTree(exact(number)).search(points.astype(np.float32), 1)[1].max())


def assert_right(points, number, deskew):
    assert off(points, number) < 1e-3 if deskew else off(points, number) > 0.1


both = pytest.mark.parametrize('deskew', [False, True])


@both
def test_clouds_become_pairs_whose_points_bear_their_times(deskew):
    stream = PairStream(SETTINGS.replace(deskew=deskew))
    sweep, none = stream.push(cloud(0))
    _, pair = stream.push(cloud(1))
    assert none is None and pair.target is sweep and (sweep.times is not None) == deskew
    assert stream.pairing.reason == '' and sum(stream.pairing.drops.values()) == 1


def test_a_cloud_without_times_is_refused_where_they_are_needed():
    stream = PairStream(SETTINGS.replace(deskew=True))
    with pytest.raises(InputError, match='set deskew to false'):
        stream.push(to_pointcloud2(encode_points(WORLD), to_header(stamp_ns(0), 'lidar')))


@both
def test_bag_deskews(recording, tmp_path, deskew):
    assert main(
        [
            'bag',
            str(recording),
            '-o',
            str(tmp_path / 'out'),
            '--odometry',
            '/odom',
            '--network-points',
            '256',
            '--min-range',
            '0',
            *['--deskew'] * deskew,
        ]
    ) in (0, 2)
    with BagReader(tmp_path / 'out') as bag:
        message = [message.read() for message in bag.read([FLOW])][-1]
    assert_right(np.stack([read_field(message, axis) for axis in 'xyz'], axis=1), SWEEPS - 1, deskew)


@both
def test_the_node_deskews(deskew):
    pytest.importorskip('rclpy')
    from ssrflow_ros.node.flow_stream import FlowStream
    from ssrflow_ros.node.statistics import Statistics

    settings, published = SETTINGS.replace(deskew=deskew, lazy=False), queue.Queue()
    node = SimpleNamespace(
        settings=settings,
        get_clock=lambda: SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=stamp_ns(2))),
        get_logger=lambda: SimpleNamespace(info=print, warning=print),
    )
    outputs = SimpleNamespace(
        publish=lambda flow, cloud, frame: published.put(flow),
        publish_split=lambda cloud, moving: None,
        split_heard=lambda: False,
        listeners=lambda: 1,
    )
    source = SimpleNamespace(between=lambda pair: BACK, mounting_of=lambda frame: None)
    stream = FlowStream(node, SceneFlow(settings), Statistics(), source, outputs, None)
    try:
        for number in range(2):
            stream.push(cloud(number))
        assert_right(published.get(timeout=60.0).pair.source.points, 1, deskew)
    finally:
        stream.stop(60.0)


@both
def test_bench_deskews(deskew):
    from ssrflow_ros.bench.stages import one_pair, walk
    from ssrflow_ros.bench.throughput import run_through

    method, clouds = SceneFlow(SETTINGS.replace(deskew=deskew, ego_motion='none')), [cloud(n) for n in range(5)]
    one = walk(method, clouds, 0, [BACK] * 4)
    assert ('deskew' in one.stages) == deskew and one.whole.p50 > 0
    assert len(run_through(method, clouds, 0, [BACK] * 4).done_ms) == 4
    assert_right(method.prepare(one_pair(method, clouds)[0], BACK).pair.source.points, 4, deskew)


@both
def test_adapt_deskews(recording, deskew):
    from ssrflow_ros.cli.adapt import _sweeps

    args = argparse.Namespace(input=recording, topic=None, odometry='/odom')
    sweeps = list(_sweeps(args, SETTINGS.replace(deskew=deskew, ground='none', min_range=0.0), Counter()))
    assert len(sweeps) == SWEEPS
    assert_right(sweeps[5].points, 5, deskew)


@both
def test_evaluate_deskews(recording, deskew):
    from ssrflow_ros.datasets import open_dataset
    from ssrflow_ros.evaluation.predictions import predict

    labelled = open_dataset(f'bag:{recording}', SETTINGS.replace(deskew=deskew))[4]
    forth = given(rigid(np.eye(3), np.array([-SPEED * PERIOD, 0, 0])))
    found = predict(labelled, SETTINGS.replace(deskew=deskew), 0, forth)
    assert_right(found.labelled.pair.source.points, 4, deskew)
    assert_right(found.labelled.pair.target.points, 5, deskew)


def test_evaluate_deskews_only_what_bears_times(capsys):
    assert main(['evaluate', '--data', 'simulated:1', '--deskew']) == 2
    assert 'bag:PATH' in capsys.readouterr().err


@both
def test_the_doctor_tries_deskewed_sweeps(recording, monkeypatch, deskew):
    from ssrflow_ros.doctor import method
    from ssrflow_ros.doctor.bag import examine_bag

    tried = []
    monkeypatch.setattr(method, 'own_body', lambda fields, settings: tried.extend(fields) or iter(()))
    findings = list(examine_bag(str(recording), None, '/odom', 60.0, SETTINGS.replace(deskew=deskew, min_range=0.0)))
    assert tried, findings
    assert_right(tried[-1].pair.source.points, 5, deskew)
