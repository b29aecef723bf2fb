"""Make a narrower network of a trained one, without gradients: `python -m studies.narrow_network`.

Of every group of channels that layers share (`wiring`), those are kept from which the layers that read them can be
told best. Then the narrow network runs once over the calibration pairs, and each layer in its turn is fitted by least
squares to the answers of the same layer of the wide one, on what the narrow one's layers before it say. Half a minute
of a core.
The shipped weights are of the teacher's that docs/training.md names and

    ssrflow train pairs runs/pairs --count 927 --first-seed 10000000
    python -m studies.narrow_network --teacher teacher.safetensors --pairs runs/pairs -o OUT
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from ssrflow_ros.network.config import NetworkConfig
from ssrflow_ros.network.layers import MLP
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import load_weights, save_weights
from ssrflow_ros.operators import k_nearest
from ssrflow_ros.training.augmentation import NO_AUGMENTATION, Augmentation
from ssrflow_ros.training.dataset import PairDataset, joined, with_pyramids
from ssrflow_ros.training.ship import commit, origin
from ssrflow_ros.training.training_data import UNKNOWN

_POINTS = 2048
_ROWS = 40_000  # points, or pairs of points, that a layer is fitted on at most
_RIDGE = 1e-3  # how firmly weights stay what they were, as a share of what each input carries
_LEAST = 1e-9  # share of a channel's variance below which the others tell it

Group = str | int
"""Channels by the name of what they hold, or so many that stay as they are."""


@dataclasses.dataclass(frozen=True)
class Wires:
    """Of a layer: the groups of its input and of its output, one after the other, and that of the WeightNet's outputs,
    where its input holds the other groups once for each of these."""

    into: tuple[Group, ...]
    out: tuple[Group, ...]
    weights: Group = 1


def wiring(config: NetworkConfig) -> dict[str, Wires]:
    """Of every linear layer whose channels are not all kept, by name; for networks as `onboard` is."""
    top, relation, encoded = config.levels - 1, 3, config.position_width
    fusion, attention, handed = config.fusion_width, config.attention_width, 'initial_flow.handed'
    found = {
        'features.first.0': Wires((config.columns,), ('first',)),
        'features.first.2': Wires(('first',), ('backbone0',)),
    }
    for level in range(top):
        found |= _convolution(f'features.down.{level}', (f'backbone{level}',), f'backbone{level + 1}')
    coarse = f'backbone{top}'
    for side in ('into_source', 'into_target'):
        for name, out in (('query', attention), ('key', attention), ('value', coarse)):
            found[f'initial_flow.fuse.attention.{side}.{name}'] = Wires((coarse,), (out,))
    found |= _pair('initial_flow.fuse.embed', coarse, relation + encoded, fusion)
    found['initial_flow.fuse.pool.score'] = Wires((fusion,), (fusion,))
    found |= _predictor('initial_flow', (fusion, coarse))
    for level in range(top - 1, -1, -1):
        name = f'decoder.{level}'
        joined_, cost, features = f'{name}.joined', f'{name}.cost', f'{name}.features'
        found[f'{name}.join.0'] = Wires((f'backbone{level}', coarse), (joined_,))
        found[f'{name}.join.2'] = Wires((joined_,), (joined_,))
        for half in ('temporal', 'spatial'):
            found |= _pair(f'{name}.reembed.{half}.embed', joined_, encoded, f'{name}.{half}')
            found[f'{name}.reembed.{half}.pool.score'] = Wires((f'{name}.{half}',), (f'{name}.{half}',))
        found[f'{name}.reembed.fusion.0'] = Wires((f'{name}.temporal', f'{name}.spatial'), (features,))
        found |= _pair(f'{name}.embed.cost', features, relation, cost)
        for weights in ('target_weights', 'source_weights'):
            found[f'{name}.embed.{weights}.4'] = Wires((8,), (cost,))
        found |= _predictor(name, (cost, features, handed, 3))
        coarse, handed = features, f'{name}.handed'
    return found


def _pair(name: str, points: Group, relation: int, out: Group) -> dict[str, Wires]:
    of_points = {f'{name}.{part}': Wires((points,), (out,)) for part in ('of_own', 'of_other')}
    return {**of_points, f'{name}.of_relation': Wires((relation,), (out,))}


def _convolution(name: str, into: tuple[Group, ...], out: Group) -> dict[str, Wires]:
    weights = f'{name}.weights'
    return {
        f'{name}.weight_net.4': Wires((8,), (weights,)),
        f'{name}.of_features': Wires(into, (out,), weights),
        f'{name}.of_offsets': Wires((3,), (out,), weights),
    }


def _predictor(name: str, into: tuple[Group, ...]) -> dict[str, Wires]:
    first, second, third, handed = (f'{name}.{group}' for group in ('first', 'second', 'third', 'handed'))
    return {
        f'{name}.predict.norm': Wires(into, into),
        **_convolution(f'{name}.predict.first', into, first),
        **_convolution(f'{name}.predict.second', (first,), second),
        f'{name}.predict.features.0': Wires((second,), (third,)),
        f'{name}.predict.features.2': Wires((third,), (handed,)),
        f'{name}.predict.features.4': Wires((handed,), (handed,)),
        f'{name}.predict.flow': Wires((handed,), (3,)),
    }


Told = dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
"""By layer its input and its answer (rows, channels), and how much each row counts (rows, 1)."""
Kept = dict[str, torch.Tensor]
"""By group the mask of the channels that are kept."""


def narrowed(teacher: SSRFlow, config: NetworkConfig, batch: dict) -> SSRFlow:
    """A network of `config`, narrower than `teacher`, fitted to what that says of a batch of `with_pyramids`."""
    wires, teacher, student = wiring(teacher.config), _by_layer(teacher), _by_layer(SSRFlow(config))
    told, flows = _answers(teacher, wires, batch)
    widths = _widths(teacher, wires)
    kept = {
        group: _chosen([*_readers(group, widths, teacher, told, wires)], size)
        for group, size in _widths(student, wires).items()
    }
    own = student.state_dict()
    same = {name: values for name, values in teacher.state_dict().items() if values.shape == own[name].shape}
    student.load_state_dict(same, strict=False)
    for name, wire in wires.items():
        fit = partial(_fit, teacher.get_submodule(name), told[name], wire, kept)
        student.get_submodule(name).register_forward_pre_hook(fit)
    for level, module in enumerate([*student.decoder, student.initial_flow], config.finest_level):
        module.register_forward_hook(partial(_with_flow, flows[level]))
    _flows(student, batch)
    network = SSRFlow(config).eval().requires_grad_(False)  # without hooks
    network.load_state_dict(student.state_dict())
    return network


def _by_layer(network: SSRFlow) -> SSRFlow:
    """A copy of which every layer is called by itself, so that hooks see it."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, MLP):
            module.forward = partial(nn.Sequential.forward, module)  # type: ignore[method-assign]
    return network


def _flows(network: SSRFlow, batch: dict) -> tuple[torch.Tensor, ...]:
    with torch.enable_grad():  # of nothing; without, the CPU's loops do several layers at once
        return network(batch['source'], batch['target']).flows


def _answers(network: SSRFlow, wires: dict[str, Wires], batch: dict) -> tuple[Told, tuple[torch.Tensor, ...]]:
    """What its layers say, and the flows of all levels."""
    told, weights = {}, _weights(batch)

    def tell(name: str, _: nn.Module, given: tuple[torch.Tensor, ...], answer: torch.Tensor) -> None:
        told[name] = _rows(given[0]), _rows(answer), _rows(_spread(weights, answer))

    for name in wires:
        network.get_submodule(name).register_forward_hook(partial(tell, name))
    return told, _flows(network, batch)


def _with_flow(flow: torch.Tensor, _: nn.Module, __: tuple, answer):
    """The answer of the student's coarsest level, or of a finer one, with the teacher's flow (B, n, 3) in place of its
    own: it warps the points for the next finer one, which so sees the same neighbours as the teacher's."""
    if isinstance(answer, tuple):
        return dataclasses.replace(answer[0], flow=flow), answer[1]
    return dataclasses.replace(answer, flow=flow)


def _rows(values: torch.Tensor) -> torch.Tensor:
    """values (..., C) -> (rows, C), a copy; alike drawn of all that have as many."""
    values = values.reshape(-1, values.shape[-1])
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    return values[order[:_ROWS]]


def _weights(batch: dict) -> torch.Tensor:
    """(2B, n): points that move count, all together, as much as those that stand, as in training."""
    source, target, moving = batch['source'], batch['target'], batch['moving'].bool()
    nearest = k_nearest(target.points[0], source.points[0] + batch['motion'], 1)[..., 0]
    share = moving.float().mean()
    boost = ((1 - share) / share.clamp_min(1e-6)).clamp(1, 20)
    return torch.where(torch.cat([moving, moving.gather(1, nearest)]), boost, 1.0)


def _spread(weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """weights (2B, n) of points -> (..., 1) of values (2B or B, a level's points, ..., C)."""
    own = weights[: len(values), : values.shape[1]]
    return own.reshape(*own.shape, *[1] * (values.dim() - 2)).expand(*values.shape[:-1], 1)


def _mask(groups: tuple[Group, ...], kept: Kept, weights: Group = 1) -> torch.Tensor:
    """Which channels of a layer's input or output are kept."""

    def of(group: Group) -> torch.Tensor:
        return kept[group] if isinstance(group, str) else torch.ones(group, dtype=torch.bool)

    return (of(weights)[:, None] & torch.cat([of(group) for group in groups])).flatten()


def _widths(network: SSRFlow, wires: dict[str, Wires]) -> dict[Group, int]:
    """Channels of each group in a network."""
    outs = {name: wire.out[0] for name, wire in wires.items() if wire.into != wire.out}
    return {group: len(network.get_submodule(name).weight) for name, group in outs.items() if isinstance(group, str)}


def _readers(
    group: str, widths: dict[Group, int], teacher: SSRFlow, told: Told, wires: dict[str, Wires]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Of each layer that takes the group's channels: their covariance (c, c), and by how much an error of each spoils
    its answer (c, c), as a share of what they make of it."""
    for name, wire in wires.items():
        if wire.into == wire.out or group not in (*wire.into, wire.weights):
            continue
        nets = widths.get(wire.weights, 1)
        x, _, weight = told[name]
        x, w = (values.unflatten(1, (nets, -1)) for values in (x, teacher.get_submodule(name).weight))
        if group == wire.weights:
            x, w = x.transpose(1, 2), w.transpose(1, 2)
        else:
            of_groups = [widths.get(one, one) for one in wire.into]
            place = wire.into.index(group)
            x, w = (values.split(of_groups, -1)[place] for values in (x, w))
        weight = weight[:, None].expand(*x.shape[:2], 1).flatten(0, 1)
        x, w = x.flatten(0, 1).double(), w.flatten(0, 1).double()
        x = x - _mean(x, weight)
        spread, influence = (weight * x).T @ x / weight.sum(), w.T @ w
        yield spread, influence / (influence * spread).sum().clamp_min(1e-12)


def _chosen(readers: list[tuple[torch.Tensor, torch.Tensor]], size: int) -> torch.Tensor:
    """Mask (c,) of `size` channels: one after the other that from which, with those before it, most can be told."""
    spreads, influences = [spread for spread, _ in readers], [influence for _, influence in readers]
    mask = torch.zeros(len(spreads[0]), dtype=torch.bool)
    least = _LEAST * sum(spread.diag().max() for spread in spreads)
    for _ in range(size):
        gain = sum(((i @ s) * s).sum(0) / s.diag().clamp_min(1e-12) for s, i in zip(spreads, influences))
        gain[sum(spread.diag() for spread in spreads) < least] = -1
        gain[mask] = -2
        best = int(gain.argmax())
        mask[best] = True
        # What is left of the others' variance when this one is known.
        spreads = [s - torch.outer(s[:, best], s[best]) / s[best, best].clamp_min(1e-12) for s in spreads]
    return mask


def _fit(model: nn.Module, told: tuple, wire: Wires, kept: Kept, layer: nn.Module, given: tuple) -> None:
    """Fit a student's layer, before it runs on what is given, to what the teacher's, `model`, has told."""
    x, (_, answer, counts), out = _rows(given[0]), told, _mask(wire.out, kept)
    bias = None if model.bias is None else model.bias[out]
    if isinstance(layer, nn.LayerNorm):
        _fit_norm(layer, model.weight[out], bias, x, answer[:, out], counts)
    else:
        weight = model.weight[out][:, _mask(wire.into, kept, wire.weights)]
        _fit_linear(layer, weight, bias, x, answer[:, out], counts)


def _fit_linear(layer, weight, bias, x, answer, counts) -> None:
    """Give `layer` those weights with which it says `answer` (rows, out) of x (rows, in), not far from weight and
    bias; each row counts (rows, 1)."""
    if bias is not None:
        x, weight = F.pad(x, (0, 1), value=1.0), torch.cat([weight, bias[:, None]], dim=1)
    rest, counted = answer - x @ weight.T, (counts * x).T
    products = (counted @ x).double()
    firmness = products.diag() + 1e-3 * products.diag().mean()
    products += _RIDGE * torch.diag(firmness)
    weight = weight + torch.linalg.solve(products, (counted @ rest).double()).T.float()
    layer.weight.copy_(weight[:, : layer.in_features])
    if bias is not None:
        layer.bias.copy_(weight[:, -1])


def _fit_norm(layer, gain, shift, x, answer, counts) -> None:
    """The same of a LayerNorm: a line for each channel."""
    x = F.layer_norm(x, x.shape[-1:])
    rest, mean = answer - (x * gain + shift), _mean(x, counts)
    slope = _mean((x - mean) * rest, counts) / _mean((x - mean) ** 2, counts).clamp_min(1e-9)
    layer.weight.copy_(gain + slope)
    layer.bias.copy_(shift + _mean(rest, counts) - slope * mean)


def _mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Over rows (rows, c) that count `weight` (rows, 1)."""
    return (weight * values).sum(0) / weight.sum()


def calibration_pairs(folder: Path, count: int) -> dict[str, torch.Tensor]:
    """A batch of them: every second whole, the others varied as in training."""
    whole, varied = PairDataset(folder, _POINTS, NO_AUGMENTATION, 0), PairDataset(folder, _POINTS, Augmentation(), 1)
    return joined([(whole if number % 2 else varied)[number] for number in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--teacher', default='onboard', help='weights, by name or file')
    parser.add_argument('--pairs', type=Path, required=True, help='folder of "ssrflow train pairs"')
    parser.add_argument('--count', type=int, default=20, help='pairs drawn of it')
    parser.add_argument('--widths', type=int, nargs='+', default=(48, 64, 88, 104, 128), help='channels of each level')
    parser.add_argument('--weight-net', type=int, default=5, help="outputs of PointConv's WeightNet")
    parser.add_argument('--name', default='onboard', help='of the weights')
    parser.add_argument('-o', '--output', type=Path, required=True, help='a new folder')
    args = parser.parse_args()
    teacher = load_weights(args.teacher)
    config = dataclasses.replace(teacher.network.config, widths=tuple(args.widths), weight_net=args.weight_net)
    pairs = with_pyramids(calibration_pairs(args.pairs, args.count), config)
    network = narrowed(teacher.network, config, pairs)
    card = {
        'name': args.name,
        'preset': 'onboard',
        'parameters': sum(parameter.numel() for parameter in network.parameters()),
        'trained_on': teacher.card.get('trained_on', UNKNOWN),
        'begun_from': origin(teacher.card),
        'calibration_pairs': f'{args.count} of {len(list(args.pairs.glob("*.npz")))}',
        'commit': commit(),
    }
    args.output.mkdir(parents=True)
    save_weights(args.output / f'{args.name}.safetensors', network, card)
    (args.output / f'{args.name}.json').write_text(json.dumps(card, indent=1) + '\n')


if __name__ == '__main__':
    main()
