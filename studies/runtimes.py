"""The network's dense part in ONNX Runtime and in OpenVINO beside torch, on one thread of the CPU:

    pip install onnx onnxscript onnxruntime openvino
    python -m studies.runtimes [--points 2048] [--turns 20]

Searches for neighbours stay outside: their tables, as torch finds them, are inputs of the graph, so that each runtime
does the same sums on the same rows; else the graph of `ssrflow export` would compare all pairs of points. What is told
is processor time a pair, turn by turn in turn, so that a busy machine slows all of them alike; and the greatest
difference of the flow to torch's. What is not installed is left out, with the line that installs it.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Any, Callable
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from ssrflow_ros.inference.export import OPSET, made_up_pair
from ssrflow_ros.network import ssrflow
from ssrflow_ros.network.pyramid import Pyramid
from ssrflow_ros.network.weights import load_weights
from ssrflow_ros.operators import Searched

Run = Callable[[], np.ndarray]


class Dense(nn.Module):
    """The network on clouds in farthest-point order, (1, N, C), and the tables of all its searches, as they come."""

    def __init__(self, network: ssrflow.SSRFlow):
        super().__init__()
        self.network = network

    def forward(self, source: torch.Tensor, target: torch.Tensor, *tables: torch.Tensor) -> torch.Tensor:
        following = iter(tables)
        with patch.object(Searched, 'nearest', lambda *_: next(following)):
            return self.whole(source, target)

    def whole(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """With its searches."""
        return self.network(*(Pyramid.of_ordered(cloud, self.network.config) for cloud in (source, target))).flows[0]


def tables_of(model: Dense, source: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    """What its searches find, in their order."""
    found: list[torch.Tensor] = []

    nearest = Searched.nearest

    def search(*given: Any) -> torch.Tensor:
        found.append(nearest(*given))
        return found[-1]

    with patch.object(Searched, 'nearest', search):
        model.whole(source, target)
    return found


def runs(model: Dense, n_points: int, folder: Path) -> tuple[dict[str, Run], list[str]]:
    """Each way of running it, by name, and the lines that install those that are not here."""
    clouds = [cloud[..., : model.network.config.columns].contiguous() for cloud in made_up_pair(n_points)]
    tables = tables_of(model, *clouds)
    given, path = (*clouds, *tables), folder / 'dense.onnx'
    names = ['source', 'target', *(f'table{number}' for number in range(len(tables)))]
    torch.onnx.export(model, given, path, dynamo=True, opset_version=OPSET, verbose=False, input_names=names)
    arrays = {name: tensor.numpy() for name, tensor in zip(names, given)}
    found: dict[str, Run] = {
        'torch, with its searches': lambda: model.whole(*clouds).numpy(),
        'torch': lambda: model(*given).numpy(),
    }
    missing = []
    for package, make in (('onnxruntime', _onnxruntime), ('openvino', _openvino)):
        if importlib.util.find_spec(package):
            found |= make(path, arrays)
        else:
            missing.append(f'pip install {package}')
    return found, missing


def _onnxruntime(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    taken = {one.name: arrays[one.name] for one in session.get_inputs()}
    return {'ONNX Runtime': lambda: session.run(None, taken)[0]}


def _openvino(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, Run]:
    import openvino

    def run(precision: str) -> Run:
        asked = {'INFERENCE_NUM_THREADS': 1, 'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': precision}
        compiled = openvino.Core().compile_model(str(path), 'CPU', asked)
        taken = {port: arrays[port.get_any_name()] for port in compiled.inputs}
        return lambda: compiled(taken)[0]

    return {f'OpenVINO, {precision}': run(precision) for precision in ('f32', 'bf16')}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--points', type=int, default=2048)
    parser.add_argument('--turns', type=int, default=20)
    parser.add_argument('--weights', default='onboard')
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = Dense(load_weights(args.weights).network).eval()
    with torch.inference_mode(False), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        found, missing = runs(model, args.points, Path(folder))
        spent: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(args.turns + 2):  # two to get warm
            for name, run in found.items():
                begun = time.process_time()
                run()
                spent[name].append(1e3 * (time.process_time() - begun))
        flow = found['torch']()
        print(f'{args.points} points, one thread, processor time a pair, ms: least, p50; largest difference of flow, m')
        for name, run in found.items():
            ms, off = spent[name][2:], np.abs(run() - flow).max()
            print(f'{name:26} {min(ms):8.1f} {np.median(ms):8.1f}   {off:.1e}')
    print(*missing, sep='\n', end='')


if __name__ == '__main__':
    main()
