"""`ssrflow evaluate`: numbers that can be checked by hand, from a method whose answer is known."""

import dataclasses
import json
import os

import numpy as np
import pytest

from ssrflow_ros import Settings
from ssrflow_ros.cli import main as cli
from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.evaluation import predictions
from ssrflow_ros.evaluation.evaluate import Evaluation
from ssrflow_ros.evaluation.metrics import METRICS
from ssrflow_ros.sweep import EgoMotion, FlowField

STEP = np.array([0.2, 0, 0], np.float32)  # of the sensor, backwards as the world sees it


class StandIn:
    """Everything beyond x = 10 m moves 0.2 m to the left, says the network 0.1 m; the sensor moves by STEP."""

    asked = []

    def __init__(self, settings):
        self.settings = settings

    def stream(self, mounting_of):
        return self

    def flow(self, pair, ego_motion=None):
        return self(pair, ego_motion)

    def __call__(self, pair, ego_motion=None):
        self.asked.append((self.settings, ego_motion))
        points = pair.source.points
        if self.settings.ego_motion != 'none' and not len(pair.target):
            raise EgoMotionError('too few matches: give odometry')
        transform = np.eye(4)
        transform[:3, 3] = 0 if self.settings.ego_motion == 'none' else -STEP
        ego, moving = ego_motion or EgoMotion(transform, 'stand-in'), points[:, 0] > 10
        residual = np.where(moving[:, None], np.array([0, 0.2, 0], np.float32), np.float32(0))
        flow = ego.displacement(points + residual) + residual
        network = (0.5 * residual / pair.dt).astype(np.float32)
        return FlowField(
            pair,
            ego,
            flow,
            (residual / pair.dt).astype(np.float32),
            moving,
            points[:, 2] < -1,
            np.where(moving, 0, -1).astype(np.int32),
            (),
            {'network': 30.0},
            network,
        )


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr(predictions, 'SceneFlow', StandIn)
    StandIn.asked = []


@pytest.fixture
def ssrflow(capsys):
    def run(*args):
        code = 0
        try:
            code = cli.main([str(arg) for arg in args])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def pairs(tmp_path):
    """Two labelled pairs, the sensor 0.2 m on, what lies beyond 10 m moves 0.2 m left; and one without target."""
    folder, rng = tmp_path / 'pairs', np.random.default_rng(0)
    folder.mkdir()
    ego = np.eye(4)
    ego[:3, 3] = -STEP
    for name, n in (('a', 40), ('b', 80)):
        points = rng.uniform((2, -5, -0.5), (9, 5, 2), (n, 3)).astype(np.float32)
        points[:10, 0] += 9
        flow = np.tile(-STEP, (n, 1))
        flow[:10, 1] += 0.2
        np.savez(
            folder / f'{name}.npz',
            pc1=points,
            pc2=points + flow,
            flow=flow,
            dt=0.1,
            ego_T=ego,
            dynamic=np.arange(n) < 10,
        )
    np.savez(folder / 'c.npz', pc1=points, pc2=points[:0], flow=flow, dt=0.1)
    return folder


def row_of(out, name):
    rows = [line for line in out.splitlines() if line.startswith(f'| {name} |')]
    return [cell.strip() for row in rows for cell in row.split('|')[2:-1]]


def test_tables_json_and_picture(ssrflow, pairs, tmp_path):
    code, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}', '--seeds', 2, '-o', tmp_path / 'out')
    assert code == 0 and 'no pose given' in out and '2 sampling seeds' in out
    mean = np.hypot(0.2, 0.2) * 0.25 + 0.2 * 0.75
    assert row_of(out, 'a') == [
        '40',
        f'{mean:.3f}',
        '0.050',
        '0.025',
        '0.000',
        '0.000',
        '0.000',
        '10',
        '0.200',
        '0.100',
        '0.000',
        '1.000',
        '0.100',
        '0.050',
        '0.000',
    ]
    assert 'No answer for 1 of 3 (c): too few matches' in out
    assert row_of(out, 'three way, m, square') == ['0.100', '0.050', '0.000']
    assert row_of(out, 'bucket dynamic, share, everywhere') == ['1.000', '0.500', '0.000']
    assert row_of(out, '10 to 20') and row_of(out, '2 to 5') == ['0.200', '0.100', '0.000']
    assert sorted(os.listdir(tmp_path / 'out')) == ['.ssrflow', 'errors.png', 'evaluation.json', 'tables.md']
    assert (tmp_path / 'out' / 'errors.png').read_bytes().startswith(b'\x89PNG')
    assert (tmp_path / 'out' / 'tables.md').read_text().strip() in out
    told = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert told['metrics'].keys() == METRICS.keys() and told['metrics']['three_way']['unit'] == 'm'
    assert told['settings']['weights'] == 'onboard' and told['seeds'] == 2 and 'ground' in told['protocols'][0]
    assert [pair['name'] for pair in told['pairs']] == ['a', 'b', 'c'] and 'refused' in told['pairs'][2]
    assert told['pairs'][0]['values']['network.moving_epe3d'] == pytest.approx(0.1, abs=1e-6)
    assert told['over_points']['everywhere']['method']['foreground_static'] is None
    assert told['by_range']['edges_m'][-1] is None and sum(told['by_speed']['method']['points']) == 2 * 120
    seeds = [settings.seed for settings, _ in StandIn.asked]
    assert seeds[:4] == [0, 1, 0, 1]


def test_the_spread_over_seeds_stands_beside_the_mean(ssrflow, pairs, tmp_path, monkeypatch):
    def shorter(self, pair, ego_motion=None):
        """Movers go 0.05 m less for each seed: errors 0, 0.05 and 0.1 m."""
        flow = steady(self, pair, ego_motion)
        return dataclasses.replace(flow, velocity=flow.velocity * (1 - 0.25 * self.settings.seed))

    steady = StandIn.__call__
    monkeypatch.setattr(StandIn, '__call__', shorter)
    code, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}', '--seeds', 3, '-o', tmp_path / 'out')
    assert code == 0 and row_of(out, 'a')[10] == '0.050 ± 100 %'
    told = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())['pairs'][0]
    assert told['values']['method.moving_epe3d'] == pytest.approx(0.05, abs=1e-6)
    assert told['spread_over_seeds']['method.moving_epe3d'] == pytest.approx(0.05, abs=1e-6)
    assert told['spread_over_seeds']['network.moving_epe3d'] == pytest.approx(0, abs=1e-6)


def test_a_pair_without_movers_does_not_thin_out_the_mean(ssrflow, pairs):
    with np.load(pairs / 'b.npz') as moving:
        still = {**moving, 'flow': np.tile(-STEP, (80, 1)), 'dynamic': np.zeros(80, bool)}
    still['pc1'][:10, 0] -= 9  # where the stand-in sees nothing move
    np.savez(pairs / 'd.npz', **still)
    _, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}')
    assert row_of(out, 'd')[-3:] == ['0.000'] * 3
    assert row_of(out, 'mean of 3')[-3:] == ['0.100', '0.050', '0.000']


def test_no_pose_is_given_unless_it_is_asked_for(ssrflow, pairs):
    assert ssrflow('evaluate', '--data', f'pairs:{pairs}')[0] == 0
    assert all(ego is None for _, ego in StandIn.asked)
    code, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}', '--known-pose')
    assert code == 0 and 'true ego-motion given' in out and StandIn.asked[-2][1].method == 'given'


def test_what_is_scored_is_answered_however_near_it_is(pairs):
    from ssrflow_ros.datasets import open_dataset

    data = open_dataset(f'pairs:{pairs}')
    Evaluation(Settings(min_range=5.0, own_body='-9 -9 -9 9 9 9')).add(data[0])
    assert [settings.own for settings, _ in StandIn.asked] == [(0.0, ())]


def test_far_points_can_be_left_out(ssrflow, pairs):
    code, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}', '--within', 10.5)
    assert code == 0 and 'points within 10.5 m' in out
    assert row_of(out, 'a')[0] == '30' and row_of(out, 'a')[7] == '0'


def test_flownet3d_protocol_leaves_the_ego_motion_in_for_the_network(ssrflow, tmp_path):
    folder = tmp_path / 'data' / '000002'
    folder.mkdir(parents=True)
    points = np.random.default_rng(0).uniform((-5, -1, 11), (5, 3, 30), (100, 3)).astype(np.float32)
    np.save(folder / 'pc1.npy', points)
    np.save(folder / 'pc2.npy', points + np.float32([0.2, 0, -0.2]))  # left, and towards the sensor
    code, out, _ = ssrflow('evaluate', '--data', f'kittis:{tmp_path / "data"}', '-o', tmp_path / 'out')
    assert code == 0 and 'ego-motion left in' in out
    alone, whole = (settings for settings, _ in StandIn.asked)
    assert alone.ego_motion == 'none' and whole.ego_motion == 'scan_matching'
    assert alone.ground == whole.ground == 'none' and alone.network_points == 8192
    cells = row_of(out, '000002')
    assert cells[:3] == ['100', f'{np.hypot(0.2, 0.2):.3f}', f'{np.hypot(0.1, 0.2):.3f}'] and cells[7] == '0.000'
    assert (tmp_path / 'out' / 'errors.png').exists()


def test_flying_things_that_give_no_pose_leave_the_network_alone(tmp_path):
    from ssrflow_ros.datasets.labelled_pair import FLOWNET3D, Preparation, labelled_pair

    points = np.random.default_rng(0).uniform(2, 9, (300, 3))
    pair = labelled_pair('x', points, points[:0], np.zeros((300, 3)), Preparation('made up', FLOWNET3D, 256))
    score = Evaluation(Settings()).add(pair)
    assert 'network.epe3d' in score.values and 'method.epe3d' not in score.values and score.values['points'] == 256


def test_without_labels_the_next_sweep_judges(tmp_path):
    from ssrflow_ros.datasets.labelled_pair import labelled_pair
    from ssrflow_ros.datasets.recording import UNLABELLED

    grid = np.stack(np.meshgrid(np.arange(2, 9, 1.0), np.arange(-4, 4, 1.0), np.arange(0, 3, 1.0)), -1).reshape(-1, 3)
    pair = labelled_pair('1000', grid, grid - STEP, np.full(grid.shape, np.nan), UNLABELLED)
    values = Evaluation(Settings()).add(pair).values
    assert values['zero.nearest'] == pytest.approx(0.2, abs=1e-5)
    assert values['method.nearest'] == pytest.approx(0, abs=1e-5)


def test_groups_and_a_choice_of_pairs(ssrflow, tmp_path):
    for scene in ('0000', '0001'):
        for frame in range(5):
            (tmp_path / scene).mkdir(exist_ok=True)
            points = np.random.default_rng(frame).uniform((2, -1, -9), (9, 1, 9), (20, 3))
            np.savez(
                tmp_path / scene / f'{frame:06d}.npz', pc1=points, pc2=points, gt=0 * points, fg_index=np.arange(20) < 5
            )
    code, out, _ = ssrflow('evaluate', '--data', f'sf_kitti:{tmp_path}', '--most', 4)
    assert code == 0 and 'mean of 4' in out
    assert row_of(out, '0000')[0] == row_of(out, '0001')[0] == '2'


@pytest.mark.parametrize(
    'options, words',
    [
        (['--data', 'simulated:x'], 'number of pairs'),
        (['--data', 'nothing:x'], 'there is no kind of data'),
        (['--data', 'simulated:1', '--seeds', '0'], '--seeds 0'),
        ([], '--data'),
        (['--data', 'simulated:1', '--within', 'nan'], '--within'),
    ],
)
def test_what_is_wrong_is_said_in_a_line(ssrflow, options, words):
    code, _, err = ssrflow('evaluate', *options)
    assert code == 2 and words in err and err.count('\n') == 1


def test_a_damaged_file_is_named_and_the_rest_is_scored(ssrflow, pairs):
    (pairs / 'b.npz').write_bytes(b'PK nothing')
    code, out, _ = ssrflow('evaluate', '--data', f'pairs:{pairs}')
    assert code == 0 and row_of(out, 'a') and 'b.npz is damaged' in out


def test_nothing_is_written_if_nothing_was_answered(ssrflow, pairs, tmp_path):
    for name in ('a.npz', 'b.npz'):
        (pairs / name).unlink()
    code, _, err = ssrflow('evaluate', '--data', f'pairs:{pairs}', '-o', tmp_path / 'out')
    assert code == 2 and 'not one of 1 pairs has an answer: too few matches' in err
    assert os.listdir(tmp_path) == ['pairs']
    (tmp_path / 'out').mkdir()
    code, _, err = ssrflow('evaluate', '--data', f'pairs:{pairs}', '-o', tmp_path / 'out')
    assert code == 2 and '--overwrite' in err
