"""Running a training: settings files, recipes, several processes, interruption, warm start, mixed precision."""

import csv
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ssrflow_ros.cli import main as cli
from ssrflow_ros.errors import InputError, WeightsError
from ssrflow_ros.network.config import PRESETS
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights, save_weights
from ssrflow_ros.training.ablate import UNCHANGED, VARIANTS
from ssrflow_ros.training.augmentation import NO_AUGMENTATION
from ssrflow_ros.training.config import RECIPES, TrainingConfig, changed, read_settings, switches_for
from ssrflow_ros.training.curve import Curve, read_curve
from ssrflow_ros.training.dataset import joined_with_pyramids
from ssrflow_ros.training.flownet3d_protocol import AS_IT_IS, PointPWCAugmentation, augmented
from ssrflow_ros.training.losses import LossConfig
from ssrflow_ros.training.pairs import make_pairs
from ssrflow_ros.training.ship import ship
from ssrflow_ros.training.supervised import Supervised
from ssrflow_ros.training.train import PARTS, Training

SWITCHES = {
    'widths': [8, 8, 8, 8, 8],
    'k_pointconv': 4,
    'k_embedding': 4,
    'weight_net': 2,
    'fusion_width': 8,
    'attention_width': 8,
    'predictor_width': 8,
    'predictor_out': 8,
    'position_width': 4,
}
TINY = changed(
    TrainingConfig(),
    {
        'switches': SWITCHES,
        'n_points': 128,
        'validation_points': 256,
        'batch': 4,
        'steps': 6,
        'warm_up': 2,
        'loss': {'lfc_weight': 0.5, 'cfs_weight': 0.5, 'lfc_radius': 1.0, 'cfs_radius': 1.0},
    },
)


@pytest.fixture(scope='module')
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pairs')
    make_pairs(folder, 60, 4)
    return folder


def test_a_teachers_flow_is_learnt_in_place_of_the_labels(tmp_path, pairs):
    teacher = SSRFlow(TINY.network)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    save_weights(tmp_path / 'teacher.safetensors', teacher, {'name': 'teacher', 'steps': 7})
    file = str(tmp_path / 'teacher.safetensors')
    taught = dataclasses.replace(TINY, teacher=file, loss=LossConfig(), augmentation=NO_AUGMENTATION)
    batch = joined_with_pyramids([Supervised(taught).training(pairs)[0]], TINY.network)
    said = teacher.eval()(batch['source'], batch['target'])
    assert Supervised(taught).loss(said, batch['source'], batch['target'], batch) < 1e-5
    by_labels = Supervised(dataclasses.replace(taught, teacher=''))
    assert by_labels.loss(said, batch['source'], batch['target'], batch) > 0.01
    assert by_labels.GRAPH_SAFE and not Supervised(taught).GRAPH_SAFE
    of_each = batch['source'], batch['target'], batch
    half = Supervised(dataclasses.replace(taught, teacher_share=0.5)).loss(said, *of_each)
    torch.testing.assert_close(half, by_labels.loss(said, *of_each) / 2, rtol=1e-4, atol=1e-5)

    Training(tmp_path / 'run', pairs, dataclasses.replace(taught, steps=1), None).run(workers=0)
    card = json.loads(ship(tmp_path / 'run', 'student', tmp_path / 'out').with_suffix('.json').read_text())
    assert card['taught_by'] == {'name': 'teacher', 'steps': 7} and card['settings']['teacher'] == 'teacher.safetensors'

    others = dataclasses.replace(taught, switches={**SWITCHES, 'divisors': [1, 2, 4, 8, 16]})
    with pytest.raises(InputError, match='teacher: .* has divisors .* give another'):
        Supervised(others)


def first_gradient(checkpoint: Path) -> list[torch.Tensor]:
    """Gradients of the first step: AdamW's running mean holds a tenth of them."""
    state = torch.load(checkpoint, weights_only=True)['optimiser']['state']
    return [10 * state[key]['exp_avg'] for key in sorted(state)]


def run_in_two_processes(*command):
    """`ssrflow` twice, as torchrun starts it."""
    with socket.socket() as reservation:
        # Who listens there may share it; nobody is given it who asks for any port.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(('127.0.0.1', 0))
        place = {
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': str(reservation.getsockname()[1]),
            'WORLD_SIZE': '2',
            'OMP_NUM_THREADS': '1',
        }
        processes = [
            subprocess.Popen(
                [sys.executable, '-m', 'ssrflow_ros', *command],
                env={**os.environ, **place, 'RANK': str(rank), 'LOCAL_RANK': str(rank)},
            )
            for rank in range(2)
        ]
        try:
            assert [process.wait(600) for process in processes] == [0, 0]
        finally:
            for process in processes:
                process.kill()


def test_two_processes_have_the_gradients_of_one(pairs, tmp_path):
    settings = tmp_path / 'settings.json'
    settings.write_text(json.dumps({**TINY.as_dict(), 'steps': 1, 'clip': 0.0}))

    def command(name):
        return [
            'train',
            'run',
            str(tmp_path / name),
            '--pairs',
            str(pairs),
            '--val',
            str(pairs),
            '--settings',
            str(settings),
            '--workers',
            '0',
            '--device',
            'cpu',
        ]

    run_in_two_processes(*command('two'))
    assert cli.main(command('one')) == 0
    one, two = (first_gradient(tmp_path / name / 'checkpoint.pt') for name in ('one', 'two'))
    assert sum(gradient.abs().sum() for gradient in one) > 0
    for alone, shared in zip(one, two):
        assert torch.allclose(alone, shared, rtol=1e-4, atol=1e-6)
    assert [len(read_curve(tmp_path / 'two' / name)) for name in ('curve.csv', 'validation.csv')] == [1, 1]
    unseen = [float(read_curve(tmp_path / name / 'validation.csv')[0]['epe_static']) for name in ('one', 'two')]
    assert unseen[0] == pytest.approx(unseen[1], abs=1e-3)


def test_a_batch_that_cannot_be_dealt_out_is_refused(monkeypatch):
    from ssrflow_ros.training import distributed

    monkeypatch.setattr(distributed, 'count', lambda: 3)
    with pytest.raises(InputError, match='multiple'):
        distributed.share(4)


@pytest.mark.parametrize(
    'name, text',
    [
        (
            'settings.yaml',
            'learning_rate: 1e-4\nloss: {lfc_weight: 1, alpha: [1, 1, 1, 1, 1]}\nswitches:\n  temporal: false\n',
        ),
        (
            'settings.json',
            '{"learning_rate": 1e-4, "loss": {"lfc_weight": 1, "alpha": [1, 1, 1, 1, 1]},'
            ' "switches": {"temporal": false}}',
        ),
    ],
)
def test_settings_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    config = changed(TrainingConfig(), read_settings(tmp_path / name))
    assert config.learning_rate == 1e-4 and config.loss.lfc_weight == 1.0 and config.loss.alpha == (1.0,) * 5
    assert not config.network.temporal and config.loss.lfc_k == 16
    assert changed(TrainingConfig(), config.as_dict()) == config


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'los': {}}, "did you mean 'loss'"),
        ({'loss': {'lfc_wieght': 1}}, "'loss.lfc_weight'"),
        ({'batch': 'many'}, 'batch'),
        ({'batch': True}, 'batch'),
        ({'batch': 0}, 'batch'),
        ({'loss': 3}, 'loss'),
        ({'optimiser': 'sgd'}, 'muon'),
        ({'loss': {'alpha': [1]}}, 'alpha'),
        ({'preset': 'huge'}, 'onboard'),
        ({'halve_epochs': 2}, 'epochs'),
        ({'learning_rate': 'fast'}, 'learning_rate'),
    ],
)
def test_wrong_settings_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        changed(TrainingConfig(), changes)


def test_a_wrong_switch_and_a_torn_file_are_named(tmp_path):
    with pytest.raises(InputError, match="'switches.temporal'"):
        changed(TrainingConfig(), {'switches': {'temporl': False}}).network  # noqa: B018
    for name, text, words in (('list.json', '[1]', 'no settings'), ('torn.yaml', 'a: [1', 'cannot be read')):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=words):
            read_settings(tmp_path / name)


def test_the_published_recipe():
    config = RECIPES['paper'].for_folder(19_640)
    assert config.steps == 900 * 2455 and config.batch == 8 and config.n_points == 8192
    for epoch, rate in ((0, 1e-3), (79, 1e-3), (80, 5e-4), (160, 2.5e-4), (899, 1e-3 / 2**11)):
        assert config.rate_at(epoch * 2455) == pytest.approx(rate)
    assert config.loss.lfc_k == 32 and config.loss.lfc_radius == 0.05
    assert config.network == PRESETS['paper']


def test_pointpwc_augmentation_moves_points_and_flow_alike():
    rng = np.random.default_rng(0)
    source, flow = rng.normal(0, 5, (300, 3)), rng.normal(0, 1, (300, 3))
    s, t, f = augmented(source, source + flow, flow, PointPWCAugmentation(), 300, rng)
    gap = np.linalg.norm((s + f)[:, None] - t[None], axis=-1).min(axis=1)
    assert gap.max() < 1e-5 and not np.allclose(s, source, atol=0.1)
    scale = np.linalg.norm(f, axis=1).sum() / np.linalg.norm(flow, axis=1).sum()
    assert 0.95 <= scale <= 1.05
    s, t, f = augmented(source, source + flow, flow, AS_IT_IS, 400, rng)
    assert len(s) == len(t) == 400 and f.dtype == np.float32
    assert {tuple(row) for row in s} == {tuple(row) for row in source.astype(np.float32)}


def test_the_curve_has_the_shares_of_time_and_forgets_what_was_not_kept(pairs, tmp_path):
    training = Training(tmp_path, pairs, TINY)
    training.run(report_every=1, workers=0)
    rows = read_curve(tmp_path / 'curve.csv')
    assert sum(float(rows[-1][part]) for part in PARTS) == pytest.approx(1.0, abs=2e-3)
    curve = Curve(tmp_path / 'curve.csv', 2)
    curve.write({**rows[0], 'step': 3})
    assert [row['step'] for row in read_curve(tmp_path / 'curve.csv')] == ['1', '2', '3']


def test_a_training_of_an_older_version_goes_on(pairs, tmp_path):
    Training(tmp_path, pairs, TINY).run(minutes=0, workers=0)
    settings = json.loads((tmp_path / 'training.json').read_text())
    del settings['amp'], settings['loss']['cfs_k']
    (tmp_path / 'training.json').write_text(json.dumps(settings))
    with open(tmp_path / 'curve.csv', 'w', newline='') as file:
        csv.writer(file).writerows([['step', 'loss'], ['1', '0.5']])
    again = Training(tmp_path, pairs, TINY)
    assert again.step == 1
    again.run(minutes=0, workers=0)
    assert [list(row) for row in read_curve(tmp_path / 'curve.csv')] == [['step', 'loss']] * 2


@pytest.fixture
def interruptible():
    """A shell's background job ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_training_keeps_its_last_step(pairs, tmp_path, interruptible):
    training = Training(tmp_path, pairs, dataclasses.replace(TINY, steps=100_000))

    def end():
        while not training.step:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    ender = threading.Thread(target=end, daemon=True)
    ender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            training.run(workers=0)
    finally:
        ender.join(120)
    assert training.step > 0
    assert torch.load(tmp_path / 'checkpoint.pt', weights_only=True)['step'] == training.step


def test_a_signal_to_the_whole_group_loses_no_step(pairs, tmp_path):
    """As `timeout` or a service manager sends it: to the training and to its data worker."""
    settings = tmp_path / 'settings.json'
    settings.write_text(json.dumps({**TINY.as_dict(), 'steps': 100_000}))
    run = tmp_path / 'run'
    training = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'ssrflow_ros',
            'train',
            'run',
            str(run),
            '--pairs',
            str(pairs),
            '--val',
            str(pairs),
            '--settings',
            str(settings),
            '--workers',
            '1',
            '--device',
            'cpu',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        seen = next(line for line in training.stdout if line.startswith('step '))
        os.killpg(training.pid, signal.SIGTERM)
        rest = training.communicate(timeout=600)[0]
    finally:
        training.kill()
    assert 'unexpected' not in rest, rest
    assert torch.load(run / 'checkpoint.pt', weights_only=True)['step'] >= int(seen.split()[1].split('/')[0])


def test_warm_start(pairs, tmp_path):
    network = SSRFlow(TINY.network)
    save_weights(tmp_path / 'first.safetensors', network, {})
    start = str(tmp_path / 'first.safetensors')
    training = Training(tmp_path / 'run', pairs, dataclasses.replace(TINY, start=start))
    for mine, theirs in zip(training.average.parameters(), network.parameters()):
        assert torch.equal(mine, theirs) and not mine.requires_grad
    training.run(minutes=0, workers=0)
    again = Training(tmp_path / 'run', pairs, dataclasses.replace(TINY, start=start))  # and not from the start again
    assert not torch.equal(next(again.network.parameters()), next(network.parameters()))
    with pytest.raises(WeightsError, match='another network'):
        Training(tmp_path / 'other', pairs, TrainingConfig(start=start))
    # Weights that know neither offsets nor what was seen past a point say the same with them, and learn their use.
    blind = SSRFlow(dataclasses.replace(TINY.network, offset_input=False, beyond_input=False, past_input=False))
    save_weights(tmp_path / 'blind.safetensors', blind, {})
    seeing = Training(tmp_path / 'seeing', pairs, dataclasses.replace(TINY, start=str(tmp_path / 'blind.safetensors')))
    source, target = torch.rand(1, 64, 3), torch.rand(1, 64, 3)
    assert torch.allclose(seeing.average.flow(source, target), blind.flow(source, target), atol=1e-6)
    assert changed(PRESETS['onboard'], switches_for(TINY.network)) == TINY.network
    # STR of the finest level may be left out, and what was learnt elsewhere stays.
    lighter = Training(
        tmp_path / 'lighter',
        pairs,
        changed(dataclasses.replace(TINY, start=start), {'switches': {'finest_reembedded': 1}}),
    )
    whole, rest = load_weights(start).network.state_dict(), lighter.average.state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in rest.items())
    assert whole.keys() - rest.keys() == {name for name in whole if name.startswith('decoder.0.reembed.')}
    half = Training(
        tmp_path / 'half', pairs, changed(dataclasses.replace(TINY, start=start), {'switches': {'spatial': False}})
    ).average.state_dict()
    anew = {name for name, tensor in half.items() if not torch.equal(whole[name], tensor)}
    assert anew == {name for name in whole if name.endswith('reembed.fusion.0.weight')}, 'only what joins the halves'
    # And told less of each point it goes on with what it knows of the rest.
    less = Training(
        tmp_path / 'less', pairs, changed(dataclasses.replace(TINY, start=start), {'switches': {'past_input': False}})
    ).average.state_dict()
    assert torch.equal(less['features.first.0.weight'], whole['features.first.0.weight'][:, :-2])
    deeper = Training(
        tmp_path / 'deeper', pairs, changed(dataclasses.replace(TINY, start=start), {'switches': {'mlp_depth': 3}})
    ).average.state_dict()
    assert len(deeper) > len(whole) and all(torch.equal(whole[name], deeper[name]) for name in whole)


def test_mixed_precision_learns_in_float32(pairs, tmp_path):
    """bfloat16 forward, here on the CPU: losses near those of float32, weights and gradients in float32."""
    losses = []
    for amp in (False, True):
        training = Training(tmp_path / str(amp), pairs, dataclasses.replace(TINY, amp=amp))
        training.run(minutes=0, workers=0)
        losses.append(float(read_curve(tmp_path / str(amp) / 'curve.csv')[0]['loss']))
        assert all(p.dtype == p.grad.dtype == torch.float32 for p in training.network.parameters())
    assert losses[0] == pytest.approx(losses[1], rel=0.05) and losses[0] != losses[1]


def test_ablation_runs_what_is_missing_and_tells_all(pairs, tmp_path, capsys):
    variants = tmp_path / 'variants.yaml'
    variants.write_text('flat: {switches: {mlp_depth: 1}}\nrigid: {loss: {lfc_weight: 2.0}}\n')
    settings = tmp_path / 'settings.json'
    settings.write_text(json.dumps({**TINY.as_dict(), 'steps': 2}))
    command = [
        'ablate',
        str(tmp_path / 'runs'),
        '--pairs',
        str(pairs),
        '--val',
        str(pairs),
        '--variants',
        str(variants),
        '--settings',
        str(settings),
        '--workers',
        '0',
        '--device',
        'cpu',
    ]
    assert cli.main([*command, '--only', 'flat']) == 0
    first = (tmp_path / 'runs' / 'flat-0' / 'checkpoint.pt').stat().st_mtime_ns
    assert cli.main(command) == 0
    assert (tmp_path / 'runs' / 'flat-0' / 'checkpoint.pt').stat().st_mtime_ns == first
    rows = [line.split(' | ') for line in (tmp_path / 'runs' / 'ablation.md').read_text().splitlines()[4:]]
    assert [row[0] for row in rows] == ['| as-it-is', '| flat', '| rigid']
    assert rows[1][1] == 'switches: {mlp_depth: 1}'
    assert float(rows[2][4]) > 0
    assert cli.main([*command, '--only', 'curly']) == 2
    assert "no variant 'curly'" in capsys.readouterr().err
    assert cli.main(['ablate', str(tmp_path / 'runs'), '--variants', str(variants), '--list']) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{'flat':22} {{'switches': {{'mlp_depth': 1}}}}",
        f"{'rigid':22} {{'loss': {{'lfc_weight': 2.0}}}}",
    ]
    assert cli.main(['ablate', str(tmp_path / 'runs')]) == 2
    assert '--pairs' in capsys.readouterr().err


def test_every_variant_makes_a_network():
    for name, changes in VARIANTS.items():
        config = changed(TrainingConfig(), changes)
        assert (config != TrainingConfig()) == (name != UNCHANGED)
        assert config.network.levels == 5


def test_training_on_flying_things(tmp_path):
    """The published preparation through the reader: folders with pc1.npy and pc2.npy."""
    rng = np.random.default_rng(3)
    for i in range(3):
        (tmp_path / 'ft3d' / f'{i:07}').mkdir(parents=True)
        points = rng.uniform([-5, -3, -30], [5, 3, -5], (500, 3)).astype(np.float32)
        for name, cloud in (('pc1', points), ('pc2', points + np.float32([0.5, 0, 0.2]))):
            np.save(tmp_path / 'ft3d' / f'{i:07}' / f'{name}.npy', cloud)
    config = dataclasses.replace(TINY, epochs=2, halve_epochs=1, batch=1)
    place = f'ft3ds:{tmp_path / "ft3d"}'
    training = Training(tmp_path / 'run', place, config, place)
    assert training.config.steps == 6 and training.config.rate_at(3) == pytest.approx(config.learning_rate / 2)
    truth = training.pairs[0]['motion'].norm(dim=-1)
    assert torch.allclose(truth, truth[0, 0]) and 0.95 <= truth[0, 0] / np.hypot(0.5, 0.2) <= 1.05
    training.run(workers=0)
    rows = read_curve(tmp_path / 'run' / 'validation.csv')
    assert float(rows[-1]['zero_moving']) == pytest.approx(np.hypot(0.5, 0.2), abs=1e-3)
    with pytest.raises(InputError, match='Argoverse 2 protocol'):
        Training(tmp_path / 'other', 'simulated:1', config)


def test_a_signal_that_comes_twice_at_once_ends_after_the_step(monkeypatch, interruptible):
    """As under torchrun, which hands on what the terminal has sent to all; a later one ends at once."""
    from ssrflow_ros.training import stopping

    monkeypatch.setattr(stopping, '_ECHO', 0.05)
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with stopping.after_this_step() as asked:
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
            reached.append(list(asked))
    assert reached == [[signal.SIGINT]]
    with pytest.raises(KeyboardInterrupt):
        with stopping.after_this_step():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)
            reached.append('too late')
    assert len(reached) == 1


def test_former_names_are_read_for_one_release_more():
    config = changed(TrainingConfig(), {'unseen_points': 99, 'family': {'yaw': 5.0}, 'augmentation': {'astray': 0.5}})
    assert (config.validation_points, config.pointpwc.yaw, config.augmentation.large_pose_noise) == (99, 5.0, 0.5)
