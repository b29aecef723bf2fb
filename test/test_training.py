"""The losses by hand, augmentation against geometry, the loop's resumption, and the way to shipped weights."""

import csv
import dataclasses
import io
import json
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from ssrflow_ros.errors import InputError
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.pyramid import Pyramid
from ssrflow_ros.network.ssrflow import FlowPyramid, SSRFlow
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.training import losses
from ssrflow_ros.training import ship as shipping
from ssrflow_ros.training.augmentation import NO_AUGMENTATION, Augmentation, _set_in_motion, augmented, beams_kept
from ssrflow_ros.training.config import TrainingConfig
from ssrflow_ros.training.dataset import PairDataset, joined, with_pyramids
from ssrflow_ros.training.losses import LossConfig
from ssrflow_ros.training.optimiser import Muon, make_optimiser
from ssrflow_ros.training.pairs import TrainingPair, make_pair, make_pairs
from ssrflow_ros.training.supervised import Supervised
from ssrflow_ros.training.train import Training

SMALL = dataclasses.replace(
    PRESETS['onboard'],
    widths=(8, 8, 8, 8, 8),
    k_pointconv=4,
    k_embedding=4,
    weight_net=2,
    fusion_width=8,
    attention_width=8,
    predictor_width=8,
    predictor_out=8,
    position_width=4,
)


def rigid_pair(rng, n=400):
    """A world that turns and shifts as one, seen by a sensor that moved too: every point moves alike."""
    points = rng.uniform(-15, 15, (n, 3)) * [1, 1, 0.1]
    motion = np.array([0.4, -0.3, 0.0])
    ego = np.eye(4)
    ego[:3, 3] = 1.0, 0.2, 0.0
    return TrainingPair(
        points.astype(np.float32),
        (points + motion + ego[:3, 3]).astype(np.float32),
        np.tile(motion, (n, 1)).astype(np.float32),
        np.tile(-motion, (n, 1)).astype(np.float32),
        ego,
        *np.zeros((2, 0, 3), np.float32),
    )


def test_what_was_seen_past_a_point_survives_crop_turn_and_lift():
    """A screen that was not there before, 2 m in front of a wall that the crop leaves out."""
    rng = np.random.default_rng(3)
    wall = np.column_stack([np.full(20_000, 10.0), rng.uniform(-10, 10, 20_000), rng.uniform(0, 4, 20_000)])
    screen = np.column_stack([np.full(300, 8.0), rng.uniform(-0.3, 0.3, 300), rng.uniform(1, 2, 300)])
    wall[:200] = np.column_stack([np.full(200, 8.0), np.full(200, 0.7), np.linspace(0, 4, 200)])  # and a post
    ego = np.eye(4)
    ego[:3, 3] = 0.5, -1.0, 0.0
    source, target = np.concatenate([wall, screen]).astype(np.float32), (wall + ego[:3, 3]).astype(np.float32)
    motion = np.zeros_like(source)
    motion[len(wall) :] = 0.0, 0.3, 0.0
    grounds = source[:0], target[:0]
    pair = TrainingPair(source, target, motion, np.zeros_like(target), ego, *grounds)
    how = dataclasses.replace(NO_AUGMENTATION, yaw=180.0, flip=0.5, height=0.5, crop=1.0, crop_radius=(1.2, 1.5))
    for _ in range(5):
        seen, _, _, moving = augmented(pair, how, 100, rng)
        assert moving.any() and (np.abs(seen[moving, 6] - 2.0) < 0.6).all()
        assert np.abs(seen[~moving, 6]).max(initial=0.0) < 0.6


def test_what_was_seen_of_the_ground_behind_a_point_counts():
    """A box that was not there before, in the open; the sensor stood elsewhere."""
    rng = np.random.default_rng(4)
    box = rng.uniform((8, -0.3, -1.5), (8.2, 0.3, -0.5), (300, 3)).astype(np.float32)
    post = np.column_stack([np.full(50, 8.0), np.full(50, 2.0), np.linspace(-1.5, 1, 50)]).astype(np.float32)
    ground = np.column_stack([rng.uniform(4, 40, 60_000), rng.uniform(-12, 12, 60_000), np.full(60_000, -1.8)])
    ego = np.eye(4)
    ego[:3, 3] = 0.5, -1.0, 0.0
    source, target = np.concatenate([post, box]), post + ego[:3, 3].astype(np.float32)
    motion = np.zeros_like(source)
    motion[len(post) :] = 0.0, 0.3, 0.0
    for known in (ground[:0], ground):
        pair = TrainingPair(
            source, target, motion, np.zeros_like(target), ego, source[:0], (known + ego[:3, 3]).astype(np.float32)
        )
        seen, _, _, moving = augmented(pair, NO_AUGMENTATION, 100, rng)
        beyond = seen[moving, 6:8]
        assert moving.any() and ((beyond > 0.5).mean() > 0.9 if len(known) else not beyond.any())
        assert np.abs(seen[~moving, 7]).max() < 0.7 and not seen[:, 8:].any()


def test_what_had_been_seen_before_counts_and_is_not_known_when_time_runs_backwards():
    """A slow box 2 m in front of a wall; half a second before it had not been there, and the sensor elsewhere."""
    rng = np.random.default_rng(5)
    wall = np.column_stack([np.full(20_000, 10.0), rng.uniform(-10, 10, 20_000), rng.uniform(0, 4, 20_000)])
    box = np.column_stack([np.full(300, 8.0), rng.uniform(-0.3, 0.3, 300), rng.uniform(1, 2, 300)])
    before = np.eye(4)
    before[:3, 3] = 0.5, -1.0, 0.0
    source = np.concatenate([wall, box]).astype(np.float32)
    motion = np.zeros_like(source)
    motion[len(wall) :] = 0.0, 0.06, 0.0
    pair = TrainingPair(
        source,
        source,
        motion,
        -motion,
        np.eye(4),
        source[:0],
        source[:0],
        (wall[:10_000] + before[:3, 3]).astype(np.float32),
        (wall[10_000:] + before[:3, 3]).astype(np.float32),
        before,
        6.0,
    )
    how = dataclasses.replace(NO_AUGMENTATION, yaw=180.0, flip=0.5, height=0.5)
    for _ in range(3):
        seen, _, _, moving = augmented(pair, how, 500, rng)
        assert moving.any() and (np.abs(seen[moving, 8] - 2.0) < 0.6).all()
        assert np.abs(seen[~moving, 8]).max() < 0.7
        assert not augmented(pair.reversed(), NO_AUGMENTATION, 500, rng)[0][:, 8:].any()


def test_what_is_set_in_motion_had_been_farther_away_before():
    rng = np.random.default_rng(6)
    field = (rng.uniform(-10, 10, (4000, 3)) * [1, 1, 0.05] + [0, 0, -1]).astype(np.float32)
    pair = TrainingPair(
        field,
        field,
        np.zeros_like(field),
        np.zeros_like(field),
        np.eye(4),
        *np.zeros((2, 0, 3)),
        field,
        np.zeros((0, 3)),
        np.eye(4),
        5.0,
    )
    how = dataclasses.replace(Augmentation(), movers=1, mover_shift=(0.5, 0.5), mover_yaw=0.0)
    motion, still = np.zeros((4000, 3)), np.ones(4000, bool)
    while not motion.any():
        _, past = _set_in_motion(field.astype(float), motion, field, pair.past, still, still, pair.past_age, how, rng)
    moved = motion.any(axis=1)
    np.testing.assert_allclose((past - field)[moved], 5 * motion[moved], atol=1e-4)
    assert not (past - field)[~moved].any()


def test_augmentation_keeps_points_and_motion_together():
    rng = np.random.default_rng(0)
    pair = rigid_pair(rng)
    how = Augmentation(keep=(1.0, 1.0), max_range=(100.0, 100.0), focus=(0.0, 0.0), crop=0.0)
    for _ in range(20):
        source, target, motion, moving = augmented(pair, how, 400, rng)
        gap = np.linalg.norm((source[:, :3] + motion)[:, None] - target[None, :, :3], axis=-1).min(axis=1)
        # Thinning may drop a point's partner; whoever kept it must land on it, pose noise included.
        assert np.median(gap) < 1e-3 and moving.all()


def test_dropped_beams_are_the_same_in_both_sweeps():
    rng = np.random.default_rng(3)
    sweeps = [rng.uniform(-20, 20, (4000, 3)) * [1, 1, 0.3] for _ in range(2)]
    kept = [points[rows] for points, rows in zip(sweeps, beams_kept(sweeps, rng))]
    bands = [np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))) for points in kept]
    assert all(0.1 < len(points) / 4000 < 0.7 for points in kept)
    # Finely counted, where one sweep is empty the other one is too, but for chance.
    counts = [np.histogram(band, np.arange(-30, 30, 0.05))[0] > 0 for band in bands]
    assert (counts[0] == counts[1]).mean() > 0.9


def test_reversal_twice_is_the_pair():
    pair = rigid_pair(np.random.default_rng(1))
    again = pair.reversed().reversed()
    assert np.array_equal(again.source, pair.source)
    assert np.allclose(again.target_from_source, pair.target_from_source)


def test_supervised_loss_by_hand():
    truths = torch.zeros(1, 4, 3), torch.zeros(1, 2, 3)
    flows = (torch.full((1, 4, 3), 1.0), torch.full((1, 2, 3), 2.0))
    config = LossConfig(alpha=(0.1, 0.3))
    moving = torch.tensor([[True, False, False, False]])  # boosted 3 times: as much as the static ones
    expected = 3**0.5 * (0.1 * 6 * 1 + 0.3 * 4 * 2) / (0.1 * 6)
    assert losses.supervised(flows, truths, moving, config).item() == pytest.approx(expected)


def test_local_flow_consistency_asks_for_rigidity_not_for_the_flow():
    points = torch.rand(1, 60, 3) * 0.5
    source = Pyramid.build(points, SMALL)
    truth, config = torch.zeros(1, 60, 3), LossConfig(lfc_k=8)
    assert losses.local_flow_consistency(truth + 5.0, truth, source, config).item() == pytest.approx(0, abs=1e-6)
    assert losses.local_flow_consistency(torch.rand(1, 60, 3), truth, source, config) > 0.1
    far = LossConfig(lfc_k=8, lfc_radius=1e-9)
    assert losses.local_flow_consistency(torch.rand(1, 60, 3), truth, source, far) == 0


def test_cross_frame_similarity_is_a_hinge_on_the_cosine():
    points = torch.rand(1, 40, 3) * 0.2
    target = Pyramid.build(points, SMALL)
    f = torch.nn.functional.normalize(torch.rand(1, 40, 5), dim=-1)

    def loss(features):
        prediction = FlowPyramid((), features, f[:, :1].expand(-1, 40, -1), target.points[0])
        return losses.cross_frame_similarity(prediction, target, LossConfig()).item()

    same = f[:, :1].expand(-1, 40, -1)
    assert loss(same) == 0
    assert loss(-same) == pytest.approx(1.95, abs=1e-4)


def test_every_loss_is_in_the_total():
    pair = Pyramid.build(torch.rand(1, 128, 3) * 3, SMALL)
    prediction = SSRFlow(SMALL)(pair, pair)
    truth, moving = torch.ones(1, 128, 3), torch.ones(1, 128, dtype=torch.bool)
    found = losses.training_loss(
        prediction,
        pair,
        pair,
        truth,
        moving,
        LossConfig(lfc_weight=2.0, cfs_weight=3.0, lfc_radius=1.0, cfs_radius=1.0),
    )
    assert found['total'].item() == pytest.approx((found['supervised'] + 2 * found['lfc'] + 3 * found['cfs']).item())
    found['total'].backward()


@pytest.fixture(scope='module')
def pair_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pairs')
    assert make_pairs(folder, 40, 3) == 3 and make_pairs(folder, 40, 3) == 0
    return folder


def test_simulated_pairs_explain_themselves(pair_folder):
    from scipy.spatial import cKDTree

    for path in sorted(pair_folder.glob('*.npz')):
        pair = TrainingPair.load(path)
        back = np.linalg.inv(pair.target_from_source)
        tree = cKDTree(pair.target @ back[:3, :3].T + back[:3, 3])
        moving = np.linalg.norm(pair.source_motion, axis=1) > 0.3
        if moving.sum() > 50:
            before, after = (
                np.median(tree.query(points[moving])[0]) for points in (pair.source, pair.source + pair.source_motion)
            )
            assert after < 0.7 * before


def test_pairs_of_one_sensor_and_scene(tmp_path):
    make_pairs(tmp_path, 40, 2, 'yard', 'vlp16')
    for path in sorted(tmp_path.glob('*.npz')):
        pair = TrainingPair.load(path)
        x, y, z = pair.source.T
        beams = np.unique(np.round(np.degrees(np.arctan2(z, np.hypot(x, y))) / 2))  # two degrees apart
        assert len(pair.source) > 100 and len(beams) <= 16
    with pytest.raises(InputError, match="'vlp17' is not known to the simulator"):
        make_pairs(tmp_path / 'none', 40, 1, sensor='vlp17')
    assert not list((tmp_path / 'none').glob('*'))


def test_the_same_item_is_drawn_again(pair_folder):
    first, again = (PairDataset(pair_folder, 128)[7] for _ in range(2))
    assert first.keys() == {'source', 'target', 'motion', 'moving'}
    assert all(torch.equal(first[name], again[name]) for name in first)
    with pytest.raises(InputError, match='no training pairs'):
        PairDataset(pair_folder / 'none', 128)


def test_pairs_of_another_version_are_named(tmp_path):
    known = vars(rigid_pair(np.random.default_rng(0)))
    np.savez(tmp_path / '000000001.npz', **{name: known[name] for name in known if not name.endswith('ground')})
    with pytest.raises(InputError, match='000000001.npz was made by another version.*"ssrflow train pairs"'):
        PairDataset(tmp_path, 128)


def test_a_batch_keeps_with_each_point_what_is_known_of_it(pair_folder):
    """And its pyramids survive the way from a data worker."""
    dataset = PairDataset(pair_folder, 128)
    flat = joined([dataset[i] for i in range(2)])
    batch = with_pyramids(flat, SMALL)
    there = io.BytesIO()
    ForkingPickler(there, pickle.HIGHEST_PROTOCOL).dump(batch)
    batch = pickle.loads(there.getbuffer())
    for i in range(2):
        known = {
            tuple(point): (tuple(motion), moving)
            for point, motion, moving in zip(
                flat['source'][i, :, :3].tolist(), flat['motion'][i].tolist(), flat['moving'][i].tolist()
            )
        }
        for point, motion, moving in zip(
            batch['source'].points[0][i].tolist(), batch['motion'][i].tolist(), batch['moving'][i].tolist()
        ):
            assert known[tuple(point)] == (tuple(motion), moving)
    fresh = Pyramid.of_pair(flat['source'], flat['target'], SMALL).halves()[0]
    for name in ('order', 'more'):
        assert torch.equal(getattr(batch['source'], name), getattr(fresh, name))
    for name in ('points', 'neighbours', 'up_index', 'up_weights'):
        assert all(map(torch.equal, getattr(batch['source'], name), getattr(fresh, name)))


@pytest.fixture
def small_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, 'small', SMALL)
    return TrainingConfig(preset='small', n_points=128, validation_points=256, batch=2, steps=6, warm_up=2)


@pytest.mark.parametrize('optimiser', ['adamw', 'muon'])
def test_training_resumes_to_the_step(tmp_path, pair_folder, small_preset, optimiser):
    small_preset = dataclasses.replace(small_preset, optimiser=optimiser)
    whole = Training(tmp_path / 'whole', pair_folder, small_preset)
    whole.run(report_every=1, workers=0)
    halves = Training(tmp_path / 'halves', pair_folder, small_preset)
    halves.run(minutes=0, workers=0)  # one step, then time is up
    assert halves.step == 1
    halves = Training(tmp_path / 'halves', pair_folder, small_preset)
    assert halves.step == 1
    halves.run(workers=0)
    for one, other in zip(whole.average.parameters(), halves.average.parameters()):
        assert torch.allclose(one, other, atol=1e-6)
    with open(tmp_path / 'whole' / 'curve.csv', newline='') as file:
        assert [row['step'] for row in csv.DictReader(file)] == list('123456')
    with pytest.raises(InputError, match='begun with other settings'):
        Training(tmp_path / 'whole', pair_folder, dataclasses.replace(small_preset, batch=1))


@pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='torch before 2.9')
def test_muon_steps_as_that_of_torch():
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(*shape)) for shape in ((8, 20), (20, 8), (8, 20), (16, 16))]
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in ours]
    one = Muon(ours, lr=0.1, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.1, momentum=0.95, adjust_lr_fn='match_rms_adamw')
    for _ in range(3):
        for mine, its in zip(ours, theirs):
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
        one.step()
        other.step()
        for mine, its in zip(ours, theirs):
            assert (mine - its).norm() < 0.01 * mine.norm()  # theirs works in bfloat16
    one.load_state_dict(other.state_dict())
    assert torch.equal(one.state[ours[0]]['momentum_buffer'], other.state[theirs[0]]['momentum_buffer'])


def test_muon_takes_the_matrices_and_adamw_the_rest():
    network = SSRFlow(PRESETS['onboard'])
    optimiser = make_optimiser(network, TrainingConfig(optimiser='muon'))
    wide, others = (group['params'] for group in optimiser.param_groups)
    assert all(p.ndim == 2 and min(p.shape) >= 8 for p in wide)
    assert sum(p.numel() for p in wide) + sum(p.numel() for p in others) == sum(p.numel() for p in network.parameters())
    assert any(p is network.initial_flow.predict.flow.weight for p in others)  # 3 columns: the flow itself


def test_trained_weights_ship_with_their_card(tmp_path, pair_folder, small_preset):
    Training(tmp_path / 'run', pair_folder, small_preset, validation=pair_folder).run(workers=0, report_every=3)
    path = shipping.ship(tmp_path / 'run', 'toy', tmp_path / 'shipped')
    loaded = load_weights(str(path))
    assert path == tmp_path / 'shipped' / 'toy.safetensors'
    assert loaded.card['pairs_seen'] == 12 and loaded.card['validation']['zero flow, m'] > 0
    assert json.loads(path.with_suffix('.json').read_text()) == loaded.card
    config = dataclasses.replace(small_preset, start=str(path))
    Training(tmp_path / 'further', pair_folder, config, validation=pair_folder).run(workers=0)
    before = load_weights(str(shipping.ship(tmp_path / 'further', 'toy', tmp_path / 'again'))).card['begun_from']
    assert (before['name'], before['pairs_seen']) == ('toy', 12)


def test_the_mean_of_two_trainings_ships(tmp_path, pair_folder, small_preset):
    for seed in (0, 1):
        config = dataclasses.replace(small_preset, seed=seed)
        Training(tmp_path / f'run{seed}', pair_folder, config, validation=pair_folder).run(workers=0)
    first, second = (
        str(shipping.ship(tmp_path / f'run{seed}', f'toy{seed}', tmp_path / f'out{seed}')) for seed in (0, 1)
    )
    mean = load_weights(str(shipping.ship(tmp_path / 'run0', 'mean', tmp_path / 'mean', [second])))
    assert [other['name'] for other in mean.card['mean_with']] == ['toy1'] and mean.card['name'] == 'mean'
    assert not mean.card['validation'], 'the figures of one of them are not those of the mean'
    both = [load_weights(one).network.state_dict() for one in (first, second)]
    for key, tensor in mean.network.state_dict().items():
        torch.testing.assert_close(tensor, (both[0][key] + both[1][key]) / 2)
    with pytest.raises(InputError, match='weights of another network than in'):
        shipping.ship(tmp_path / 'run0', 'mean', tmp_path / 'other', ['onboard'])


def test_the_card_says_what_the_training_saw(tmp_path, pair_folder, small_preset):
    run = tmp_path / 'run'
    Training(run, pair_folder, small_preset).run(minutes=0, workers=0)
    card = load_weights(str(shipping.ship(run, 'toy', tmp_path / 'a'))).card
    assert card['trained_on'] == (
        'pairs of sweeps, ego-motion and ground removed: 3 simulated, scene drawn, sensor drawn'
    )
    assert card['validation'] == {}

    made = tmp_path / 'made'
    for seed, pair in enumerate(sorted(pair_folder.glob('*.npz'))[:3]):
        made.mkdir(exist_ok=True)
        origin = 'simulated, scene street, sensor drawn' if seed else ''
        dataclasses.replace(TrainingPair.load(pair), origin=origin).save(made / f'{seed:09d}.npz')
    Training(run, made, small_preset, validation=pair_folder).run(minutes=0, workers=0)
    card = load_weights(str(shipping.ship(run, 'toy', tmp_path / 'a', overwrite=True))).card
    assert card['trained_on'].endswith(
        'sensor drawn; then pairs of sweeps, ego-motion and ground removed: '
        '2 simulated, scene street, sensor drawn; 1 origin not recorded'
    )
    (run / 'training_data.json').unlink()  # begun before this was written down
    Training(run, made, small_preset).run(workers=0)
    card = load_weights(str(shipping.ship(run, 'toy', tmp_path / 'b'))).card
    assert card['trained_on'].startswith('data that was not recorded; then pairs of sweeps')
    assert make_pair(1_000_003, 'street').origin == 'simulated, scene street, sensor drawn'


@pytest.mark.slow
def test_the_network_overfits_eight_simulated_pairs(tmp_path):
    make_pairs(tmp_path, 1_000_000, 8)
    torch.manual_seed(0)
    config, steps = PRESETS['onboard'], 400
    dataset = PairDataset(tmp_path, 512, NO_AUGMENTATION)
    batch = with_pyramids(joined([dataset[i] for i in range(8)]), config)
    source, target = batch['source'], batch['target']
    network = SSRFlow(config)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        prediction = network(source, target)
        loss = losses.training_loss(prediction, source, target, batch['motion'], batch['moving'], LossConfig())['total']
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    epe = (network(source, target).flows[0] - batch['motion']).norm(dim=-1).mean().item()
    print(
        f'EPE3D over 8 pairs after {steps} steps: {epe:.4f} m',
        'moving, static, zero flow:',
        Supervised(TrainingConfig()).figures(prediction, batch),
    )
    assert epe < 0.02
