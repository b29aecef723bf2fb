"""Learning from a recording without labels: what space tells, the losses by hand, and who decides."""

import argparse
import dataclasses
import json
from collections import Counter

import numpy as np
import pytest
import torch

pytest.importorskip('rosbags')

from test_training_run import TINY

from ssrflow_ros import Settings, SweepPair
from ssrflow_ros.cli import main as cli
from ssrflow_ros.cli.adapt import _sweeps
from ssrflow_ros.cli.simulate import write_labelled
from ssrflow_ros.errors import EgoMotionError, InputError
from ssrflow_ros.formats.bags import write_bag
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights, save_weights
from ssrflow_ros.simulator import simulate
from ssrflow_ros.steps.ego_motion import given
from ssrflow_ros.training import self_losses
from ssrflow_ros.training.adapt import NotBetter, adapt, adaptation, split
from ssrflow_ros.training.augmentation import NO_AUGMENTATION
from ssrflow_ros.training.dataset import drawn, with_pyramids
from ssrflow_ros.training.recording import RecordedSweep, recorded
from ssrflow_ros.training.self_losses import STATIC, UNKNOWN
from ssrflow_ros.training.self_supervised import RecordedPairs, SelfSupervised


@pytest.fixture(scope='module')
def simulated():
    return list(simulate(17, 12, 'os0_128', 'street'))


def true_motion(sweeps):
    """Finds ego-motion by looking it up."""
    poses = {id(labelled.sweep): labelled.pose for labelled in sweeps}
    return lambda pair: given(np.linalg.inv(poses[id(pair.target)]) @ poses[id(pair.source)])


def pairs_of(sweeps):
    return [SweepPair(newer.sweep, older.sweep) for older, newer in zip(sweeps, sweeps[1:])]


@pytest.fixture(scope='module')
def sweeps(simulated):
    return list(recorded(pairs_of(simulated), true_motion(simulated), Settings()))


def test_free_space_tells_what_moves_and_what_stands_still(simulated, sweeps):
    from scipy.spatial import cKDTree

    assert len(sweeps) == len(simulated)
    said, truth = [], []
    for found, labelled in zip(sweeps, simulated):
        row = cKDTree(labelled.sweep.points).query(found.points)[1]
        said.append(found.labels)
        truth.append(np.linalg.norm(labelled.velocity[row], axis=1) > 0.5)
        assert np.allclose(np.linalg.inv(sweeps[0].pose) @ found.pose, np.linalg.inv(simulated[0].pose) @ labelled.pose)
    said, truth = np.concatenate(said), np.concatenate(truth)
    assert truth[said > 0].mean() > 0.8 and (said[truth] > 0).mean() > 0.6
    assert truth[said == STATIC].mean() < 0.01 and (said == STATIC).mean() > 0.4


def test_sweeps_keep_their_ground_and_those_of_another_version_are_named(sweeps, tmp_path):
    assert all(len(sweep.ground) > 100 and sweep.ground[:, 2].mean() < -0.2 for sweep in sweeps)
    known = vars(sweeps[0])
    np.savez(tmp_path / '0.npz', **{name: known[name] for name in known if name != 'ground'})
    with pytest.raises(InputError, match='0.npz was written by another version.*choose another folder'):
        RecordedSweep.load(tmp_path / '0.npz')


def test_a_pair_without_ego_motion_begins_a_new_run(simulated):
    find = true_motion(simulated)
    told = []

    def sometimes(pair):
        if pair.source is simulated[5].sweep:
            raise EgoMotionError('lost')
        return find(pair)

    runs = [sweep.run for sweep in recorded(pairs_of(simulated), sometimes, Settings(), told.append)]
    assert runs == [0] * 5 + [1] * 7 and len(told) == 1


def test_rigid_motion_of_each_cluster():
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.normal(0, 2, (2, 60, 3)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(-1, 3, (2, 60)))
    c, s = np.cos(0.2), np.sin(0.2)
    turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float32)
    flow = torch.where(
        (labels == 1)[..., None],
        points @ turn.T + torch.tensor([1.0, 0, 0]) - points,
        torch.where((labels == 2)[..., None], torch.tensor([0.0, 0.5, 0]), torch.tensor(7.0)),
    )
    found = self_losses.rigid_motion(points, flow, labels, points, labels)
    assert torch.allclose(found[labels > 0], flow[labels > 0], atol=1e-4)
    assert not found[labels <= 0].any()


def test_chamfer_pulls_only_from_near_and_what_moves_looks_only_at_what_moves():
    target = torch.tensor([[[0.0, 0, 0], [10, 0, 0]]])
    points = torch.tensor([[[0.5, 0, 0], [5.0, 0, 0]]], requires_grad=True)
    distance = self_losses.nearest(points, target, 2.0)
    assert distance.tolist() == [[0.5, 2.0]]
    distance.sum().backward()
    assert points.grad.tolist() == [[[1, 0, 0], [0, 0, 0]]]
    labels, target_labels = torch.tensor([[3, STATIC]]), torch.tensor([[UNKNOWN, 1]])
    found = self_losses.moving_distances(points, labels, target, target_labels, 20.0)
    assert found.tolist() == [9.5, 9.5]
    assert not len(self_losses.moving_distances(points, labels, target, labels.clamp_max(0), 20.0))


@pytest.fixture
def folder(tmp_path, sweeps):
    split(tmp_path / 'mine', {'recording': 'a'}, sweeps)
    return tmp_path / 'mine'


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path / 'start.safetensors', SSRFlow(TINY.network), {'preset': 'onboard'})
    return str(tmp_path / 'start.safetensors')


def test_the_end_of_the_recording_is_held_out(folder, sweeps, tmp_path):
    seen, held_out = ({path.name for path in (folder / 'sweeps' / part).glob('*.npz')} for part in ('seen', 'held_out'))
    assert not seen & held_out and len(seen | held_out) == len(sweeps) and max(seen) < min(held_out)
    split(folder, {'recording': 'a'}, iter(()))  # not read again
    with pytest.raises(InputError, match='another recording'):
        split(folder, {'recording': 'b'}, iter(()))
    with pytest.raises(InputError, match='only 3 sweeps'):
        split(tmp_path / 'short', {}, sweeps[:3])
    assert not (tmp_path / 'short' / 'sweeps').exists()
    again = RecordedSweep.load(sorted((folder / 'sweeps' / 'seen').glob('*.npz'))[0])
    assert np.array_equal(again.labels, sweeps[0].labels) and again.run == 0


def test_pairs_know_what_had_been_seen_before_but_not_what_is_to_come(folder):
    seen = RecordedPairs(folder / 'sweeps' / 'seen', TINY, 512, NO_AUGMENTATION)
    for place, (older, newer, past) in enumerate(seen.pairs):
        assert older.name < newer.name and (past is not None) == (place > 0)
        assert past is None or past.name < older.name
    backwards = RecordedPairs(folder / 'sweeps' / 'seen', TINY, 512, dataclasses.replace(NO_AUGMENTATION, reverse=1.0))
    for item in range(len(seen)):
        place, _ = drawn(TINY.seed, item, len(seen))
        source = seen[item]['source'][0]
        moves = seen[item]['labels'][0] > 0
        assert bool(source[:, 8:].any()) == (place > 0) and not backwards[item]['source'][0, :, 8:].any()
        if place >= 3 and moves.sum() > 20:
            assert (source[moves, 9] > 0.5).float().mean() > (source[~moves, 9] > 0.5).float().mean() + 0.2


def test_the_loss_falls_towards_the_truth(folder, start):
    """Every part counts: nothing moves is worse than what space tells, and the true flow is better than noise."""
    config = adaptation(start, {'n_points': 256, 'self_loss': {'dynamic': 2.0}, 'loss': {'cfs_weight': 0.0}})
    objective = SelfSupervised(config)
    item = with_pyramids(objective.validation(folder / 'sweeps' / 'held_out')[0], config.network)
    source, target = item['source'], item['target']
    prediction = SSRFlow(config.network)(source, target)

    def loss(flow, **weights):
        told = SelfSupervised(dataclasses.replace(config, self_loss=dataclasses.replace(config.self_loss, **weights)))
        return told.loss(dataclasses.replace(prediction, flows=(flow, *prediction.flows[1:])), source, target, item)

    zero = torch.zeros_like(prediction.flows[0])
    noise = zero + torch.randn(zero.shape, generator=torch.Generator().manual_seed(0))
    assert loss(zero) < loss(noise)
    for part in ('chamfer', 'dynamic', 'static', 'rigid'):
        assert loss(noise, **{part: 0.0}) < loss(noise)
    figures = objective.figures(dataclasses.replace(prediction, flows=(zero, *prediction.flows[1:])), item)
    assert figures[0] == figures[1] > 0 and figures[2] == 0


def test_better_weights_are_written_and_others_refused(folder, start):
    changes = {'n_points': 128, 'validation_points': 256, 'steps': 10, 'warm_up': 1, 'ema': 0.0}
    config = adaptation(start, {**changes, 'learning_rate': 1e-9})
    with pytest.raises(NotBetter, match=r'no better.*before.*after'):
        adapt(folder, config, workers=0)
    assert not (folder / 'adapted.safetensors').exists() and (folder / 'judgement.json').exists()
    with pytest.raises(InputError, match='other settings'):
        adapt(folder, dataclasses.replace(config, batch=2), workers=0)

    # An untrained network moves the walls: to learn to leave them alone is better.
    first = load_weights(start).network
    with torch.no_grad():
        for level in first.decoder:
            level.predict.flow.bias += 0.2
    save_weights(start, first, {'name': 'shaky'})
    (folder / 'training').rename(folder / 'refused')
    path, judgement = adapt(folder, adaptation(start, {**changes, 'learning_rate': 1e-2}), workers=0)
    assert judgement.better and judgement.after['static'] < judgement.before['static']
    card = load_weights(str(path)).card
    assert card['adapted_from'] == start and card['held_out'] == json.loads((folder / 'judgement.json').read_text())


def test_nothing_that_moves_cannot_be_judged(tmp_path, sweeps, start):
    still = [dataclasses.replace(sweep, labels=np.minimum(sweep.labels, 0)) for sweep in sweeps]
    split(tmp_path / 'still', {}, still)
    with pytest.raises(NotBetter, match='nothing that moves'):
        adapt(tmp_path / 'still', adaptation(start, {'n_points': 128, 'validation_points': 256, 'steps': 1}), workers=0)


@pytest.mark.parametrize('odometry', [None, '/odom'])
def test_sweeps_of_a_sensor_upside_down_are_learnt_from_as_the_method_sees_them(tmp_path, odometry):
    """Level, by what `mounting` or /tf_static says, and moved as `condition` moved them."""
    turn = np.diag([1.0, -1.0, -1.0])
    with write_bag(tmp_path / 'bag') as bag:
        for labelled in simulate(17, 4, 'os0_128', 'street'):
            sweep, pose = labelled.sweep, labelled.pose.copy()
            pose[:3, :3] = pose[:3, :3] @ turn
            points = (sweep.points @ turn).astype(np.float32)
            write_labelled(
                bag, dataclasses.replace(labelled, sweep=dataclasses.replace(sweep, points=points), pose=pose)
            )
    settings = Settings(
        mounting='0 0 0 3.141592653589793 0 0', own_body='', ego_motion='odometry' if odometry else 'scan_matching'
    )
    args = argparse.Namespace(input=str(tmp_path / 'bag'), topic='/points', odometry=odometry)
    drops = Counter()
    made = list(_sweeps(args, settings, drops))
    assert len(made) == 4 and len({sweep.run for sweep in made}) == 1 and drops == {'first sweep': 1}
    for sweep in made:
        assert len(sweep.ground) > 500 and np.median(sweep.ground[:, 2]) < -1.0, 'the ground is not below'
        assert abs(sweep.pose[2, 3]) < 0.1


def test_from_the_command_line(tmp_path, simulated, start, capsys):
    with write_bag(tmp_path / 'bag') as bag:
        for labelled in simulated:
            write_labelled(bag, labelled)
    changes = tmp_path / 'changes.json'
    changes.write_text('{"n_points": 128, "validation_points": 256, "steps": 1, "learning_rate": 1e-9}')
    command = [
        'adapt',
        str(tmp_path / 'bag'),
        '--topic',
        'points',
        '--odometry',
        '/odom',
        '--weights',
        start,
        '-o',
        str(tmp_path / 'run'),
        '--changes',
        str(changes),
        '--workers',
        '0',
        '--device',
        'cpu',
    ]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert '1 x first sweep' in said and 'no better on the held-out part' in said
    assert len(list((tmp_path / 'run' / 'sweeps').rglob('*.npz'))) == len(simulated)
