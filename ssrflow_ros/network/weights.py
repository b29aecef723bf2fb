"""Weights on disk: safetensors, with the network's settings and a card in the file's own header.

No pickle: loading a file of strangers runs none of their code.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..atomic_write import atomic_write
from ..errors import WeightsError
from .config import NetworkConfig
from .ssrflow import SSRFlow

FORMAT = 'ssrflow-1'
_FIRST = 'features.first.0.weight'
_NUMBERS = torch.float32, torch.float64, torch.float16, torch.bfloat16
SHIPPED = Path(__file__).resolve().parents[1] / 'weights'


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """A network ready for use, and what its card says of its training."""

    network: SSRFlow
    card: dict


def save_weights(path: Path, network: SSRFlow, card: dict) -> None:
    """Write `network` and its `card` (JSON-able) to `path`, whole or not at all."""
    header = {'format': FORMAT, 'config': json.dumps(dataclasses.asdict(network.config)), 'card': json.dumps(card)}
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(save(tensors, metadata=header))  # save_file leaves it readable by its owner alone


def load_weights(name: str, device: torch.device | str = 'cpu') -> LoadedWeights:
    """The network of shipped weights `name`, or of a .safetensors file.

    Raises WeightsError, naming the cure, where the file is missing, damaged, not ours, or does not
    fit its own settings.
    """
    path = _find(name)
    try:
        with open(path, 'rb'):  # safetensors calls all that it cannot open missing
            pass
        with safe_open(path, framework='pt') as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except FileNotFoundError:
        raise WeightsError(f'there is no file {path}: check the path given as weights') from None
    except OSError as error:
        raise WeightsError(f'{path}: {error.strerror or error}: check the file and its rights') from None
    except SafetensorError as error:
        raise WeightsError(f'{path} is not a readable safetensors file ({error}): copy or download it again') from None
    except ValueError as error:  # a kind of number that torch or this version of it does not have
        raise WeightsError(f'{path} holds numbers that cannot be read ({error}): take other weights') from None
    if header.get('format') != FORMAT:
        raise WeightsError(
            f"{path} is of format '{header.get('format')}', not '{FORMAT}': give weights that \"ssrflow train\" wrote"
        )
    config = _config(path, header)
    if config.beyond_input and _FIRST in tensors and tensors[_FIRST].shape[1:] == (config.columns - 1,):
        tensors = with_columns(tensors, config.columns)  # made while how far was seen past a point was one number
    # Without memory: of how much the settings speak is known only here.
    with torch.device('meta'):
        network = SSRFlow(config)
    _check_shapes(path, network.state_dict(), tensors)
    network.load_state_dict(tensors, assign=True)
    return LoadedWeights(network.eval().requires_grad_(False).to(device), _from_json(path, header, 'card'))


def with_columns(tensors: dict[str, torch.Tensor], columns: int) -> dict[str, torch.Tensor]:
    """With the first `columns` numbers of each point as input: those that they did not know count for nothing."""
    first = tensors[_FIRST][:, :columns]
    unknown = first.new_zeros(len(first), columns - first.shape[1])
    return {**tensors, _FIRST: torch.cat([first, unknown], dim=1)}


def _find(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix == '.safetensors':
        return path
    shipped = SHIPPED / f'{name}.safetensors'
    if not shipped.is_file():
        known = ', '.join(sorted(p.stem for p in SHIPPED.glob('*.safetensors'))) or 'none'
        raise WeightsError(
            f"there are no shipped weights '{name}' (shipped: {known}): "
            'give one of these, or the path of a .safetensors file'
        )
    return shipped


def _config(path: Path, header: dict) -> NetworkConfig:
    try:
        return NetworkConfig(**_from_json(path, header, 'config'))
    except TypeError as error:
        raise WeightsError(
            f'{path} has network settings that this version does not know ({error}): '
            'use the version of ssrflow_ros that wrote it'
        ) from None


def _from_json(path: Path, header: dict, name: str) -> dict:
    try:
        found = json.loads(header[name])
    except (KeyError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise WeightsError(f'{path} has no readable {name} in its header: the file was altered, take the original')
    return found


def check_config(name: str, found: NetworkConfig, expected: NetworkConfig) -> None:
    """Raise WeightsError if weights of the settings `found` do not fit a network of those `expected`."""
    if found != expected:
        raise WeightsError(
            f'{name} was trained for another network ({_difference(found, expected)}): '
            'choose the settings that it was trained with, or other weights'
        )


def _difference(found: NetworkConfig, expected: NetworkConfig) -> str:
    return ', '.join(
        f'{entry.name} {getattr(found, entry.name)} instead of {getattr(expected, entry.name)}'
        for entry in dataclasses.fields(found)
        if getattr(found, entry.name) != getattr(expected, entry.name)
    )


def _check_shapes(path: Path, wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        shapes = [tuple(tensors[name].shape) if name in tensors else None for tensors in (wanted, found)]
        if shapes[0] != shapes[1]:
            raise WeightsError(
                f"{path} does not fit its network: '{name}' should be {shapes[0]} and is "
                f'{shapes[1]}: the file was altered, take the original'
            )
    odd = [f"'{name}' {tensor.dtype}" for name, tensor in found.items() if tensor.dtype not in _NUMBERS]
    if odd:
        raise WeightsError(
            f'{path} holds numbers that are not computed with ({odd[0]}): the file was altered, take the original'
        )
    broken = [name for name, tensor in found.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise WeightsError(
            f"{path} holds numbers that are not finite ('{broken[0]}'): "
            'the training that made it failed, take other weights'
        )
