"""The settings of a training: recipes, settings files, and a switch for every ablation."""

from __future__ import annotations

import dataclasses
import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, did_you_mean
from ..network.config import PRESETS, NetworkConfig
from .augmentation import Augmentation
from .flownet3d_protocol import PointPWCAugmentation
from .losses import LossConfig
from .self_losses import SelfLossConfig


@dataclass(frozen=True)
class TrainingConfig:
    """One training; kept beside its checkpoint as training.json.

    preset, switches  the network: a preset, and what is changed in it, {name in NetworkConfig: value}.
    start         weights to begin from, shipped ones by name or a .safetensors file; '': random ones.
    teacher       likewise, weights whose flow is learnt at each level; '': the labels are.
    teacher_share of the loss that is of the teacher's flow; the rest is of the labels.
    n_points      points a sweep in training, mostly crops; validation sees whole sweeps of `validation_points`.
    batch         pairs a step, of all processes together.
    steps         the whole length; or `epochs`, passes over the folder, in place of steps, if not 0.
    learning_rate rises over `warm_up` steps, then falls along a cosine to nothing at the end; with
                  `halve_epochs` it is halved every so many epochs instead.
    optimiser     'adamw', or 'muon' for the matrices and AdamW for the rest (`optimiser.py`).
    clip          longest gradient; 0: any.
    ema           decay of the averaged weights, which are what is shipped.
    amp           forward in bfloat16 where that is safe; for GPUs since Ampere, and CPUs with AMX.
    augmentation  of simulated pairs; `pointpwc` that of FlyingThings3D; `self_loss` that of `ssrflow adapt`.
    """

    preset: str = 'onboard'
    n_points: int = 1024
    validation_points: int = 4096
    batch: int = 4
    steps: int = 4000
    learning_rate: float = 7e-4
    warm_up: int = 100
    weight_decay: float = 1e-4
    optimiser: str = 'adamw'
    muon_weight_decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0
    switches: dict = field(default_factory=dict)
    start: str = ''
    teacher: str = ''
    teacher_share: float = 1.0
    epochs: int = 0
    halve_epochs: int = 0
    amp: bool = False
    loss: LossConfig = field(default_factory=LossConfig)
    self_loss: SelfLossConfig = field(default_factory=SelfLossConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    pointpwc: PointPWCAugmentation = field(default_factory=PointPWCAugmentation)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise InputError(f"preset: '{self.preset}' is not known: choose from {', '.join(PRESETS)}")
        if self.optimiser not in ('adamw', 'muon'):
            raise InputError(f"optimiser: '{self.optimiser}' is not known: choose from adamw, muon")
        if not 0 <= self.teacher_share <= 1:
            raise InputError(f'teacher_share: {self.teacher_share} is no share: give 0 to 1')
        for name in ('n_points', 'validation_points', 'batch', 'steps'):
            if getattr(self, name) < 1:
                raise InputError(f'{name}: {getattr(self, name)} is too small: give 1 or more')
        if self.switches:
            changed(PRESETS[self.preset], self.switches, 'switches.')  # wrong ones are told at once
        if self.halve_epochs and not self.epochs:
            raise InputError('halve_epochs counts epochs: give the length in epochs too')

    @property
    def network(self) -> NetworkConfig:
        return changed(PRESETS[self.preset], self.switches, 'switches.')

    def for_folder(self, pairs: int) -> 'TrainingConfig':
        """With `steps` counted, where the length is given in epochs of `pairs` pairs."""
        return dataclasses.replace(self, steps=self.epochs * max(1, pairs // self.batch)) if self.epochs else self

    def rate_at(self, step: int) -> float:
        """Learning rate of `step`."""
        warm = min(1.0, (step + 1) / max(1, self.warm_up))
        if self.halve_epochs:
            return self.learning_rate * warm * 0.5 ** (step * self.epochs // self.steps // self.halve_epochs)
        done = max(0, step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1, done)))

    def as_dict(self) -> dict:
        """As JSON keeps it; `changed(TrainingConfig(), ...)` is the way back."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


RECIPES = {
    # What trained, with the preset 'teacher', what the shipped weights are made of: for a GPU.
    'onboard': TrainingConfig(optimiser='muon', n_points=2048, batch=32, steps=3800, learning_rate=4e-3, warm_up=200),
    # As published; weights of LFC and CFS are not, and are our choice.
    'paper': TrainingConfig(
        preset='paper',
        n_points=8192,
        validation_points=8192,
        batch=8,
        epochs=900,
        halve_epochs=80,
        learning_rate=1e-3,
        warm_up=1,
        weight_decay=1e-4,
        clip=0.0,
        ema=0.0,
        loss=LossConfig(balance_moving=1.0, lfc_weight=1.0, lfc_k=32, lfc_radius=0.05, cfs_weight=0.1),
    ),
}


def switches_for(network: NetworkConfig) -> dict:
    """What must be changed in the preset 'onboard' to come out at `network`."""
    base = PRESETS['onboard']
    return {
        entry.name: getattr(network, entry.name)
        for entry in dataclasses.fields(network)
        if getattr(network, entry.name) != getattr(base, entry.name)
    }


DEPRECATED = {'unseen_points': 'validation_points', 'family': 'pointpwc', 'augmentation.astray': 'large_pose_noise'}
"""Settings by names that are read for one release more, and their names now."""


def changed(config: Any, changes: Mapping[str, Any], where: str = '') -> Any:
    """A copy of the frozen dataclass `config` with `changes`, nested like itself, checked by name and type."""
    known = {entry.name: getattr(config, entry.name) for entry in dataclasses.fields(config)}
    changes = {DEPRECATED.get(f'{where}{name}', name): value for name, value in changes.items()}
    for name in changes:
        if name not in known:
            hint = did_you_mean(str(name), known, f'known are {", ".join(known)}', where)
            raise InputError(f"there is no setting '{where}{name}': {hint}")
    return dataclasses.replace(
        config, **{name: _fitting(where + name, known[name], value) for name, value in changes.items()}
    )


def read_settings(path: Path) -> dict:
    """The mapping in a .json, .yaml or .yml file."""
    try:
        text = path.read_text()
        found = json.loads(text) if path.suffix == '.json' else _yaml(text)
    except OSError as error:
        raise InputError(f'{path}: {error.strerror or error}: check the file and its rights') from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'{path} cannot be read ({" ".join(str(error).split())[:300]}): write it as JSON (.json) or YAML (.yaml)'
        ) from None
    if not isinstance(found, dict):
        raise InputError(f'{path} holds no settings: write lines of "name: value"')
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise InputError('reading YAML needs PyYAML: "pip install PyYAML", or give the settings as .json') from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _fitting(name: str, old: Any, new: Any) -> Any:
    """`new` in the type of `old`; a mapping adds to the old one."""
    if isinstance(old, dict) and isinstance(new, Mapping):
        return {**old, **new}  # checked where it is used
    if (
        isinstance(new, type(old))
        and isinstance(new, bool) == isinstance(old, bool)
        and not isinstance(new, tuple)
        and not (isinstance(new, float) and not math.isfinite(new))
    ):
        return new
    if dataclasses.is_dataclass(old) and isinstance(new, Mapping):
        return changed(old, new, f'{name}.')
    if isinstance(old, tuple) and isinstance(new, (list, tuple)) and len(new) == len(old):
        return tuple(_fitting(name, one, other) for one, other in zip(old, new))
    if isinstance(old, float) and isinstance(new, (int, str)) and not isinstance(new, bool):
        try:
            number = float(new)  # YAML reads 1e-4 as a word
            if math.isfinite(number):
                return number
        except (ValueError, OverflowError):
            pass
    wanted = json.dumps(dataclasses.asdict(old) if dataclasses.is_dataclass(old) and not isinstance(old, type) else old)
    # A few lines of YAML can stand for more than any memory holds.
    raise InputError(f'{name}: {reprlib.repr(new)} does not fit: give something like {wanted}')
