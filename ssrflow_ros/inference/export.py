"""The network as an ONNX file, for runtimes without torch: onnxruntime, TensorRT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..atomic_write import atomic_write, signature
from ..errors import InputError, SSRFlowError
from ..network.pointconv import nearest_offsets
from ..network.pyramid import Pyramid
from ..network.ssrflow import SSRFlow
from ..network.weights import LoadedWeights
from ..operators import farthest_point_order, gather

COMMAND = 'export'
OPSET = 18
INPUTS = ('source', 'target', 'source_count', 'target_count')
TOLERANCE = 1e-4  # metres, the most by which the file's flow may differ from torch's


class OrderedFlow(nn.Module):
    """Flow of clouds that stand in farthest-point order; all else of the network is inside.

    Farthest point sampling stays outside: each point depends on all before it, and a graph would
    unroll into thousands of steps. Only the first N/4 places (`NetworkConfig.divisors`) matter.
    """

    def __init__(self, network: SSRFlow):
        super().__init__()
        self.network = network

    def forward(
        self, source: torch.Tensor, target: torch.Tensor, source_count: torch.Tensor, target_count: torch.Tensor
    ) -> torch.Tensor:
        """source, target (1, N, C) float32 m, counts (1,) as `SSRFlow.flow` -> flow (1, N, 3) m, of source."""
        return self.network(
            *(
                Pyramid.of_ordered(cloud, self.network.config, count=count)
                for cloud, count in ((source, source_count), (target, target_count))
            )
        ).flows[0]


def export_onnx(weights: LoadedWeights, n_points: int, path: Path, overwrite: bool = False) -> float:
    """Write `path` for clouds of exactly `n_points`, and run it: the greatest difference to torch, metres.

    Inputs `source` and `target` (1, n_points, C), as many columns as the network takes (`NetworkConfig.columns`),
    output `flow` (1, n_points, 3), all float32; `source_count` and `target_count` (1,) int64 say how many of the
    rows, the first ones, are points. No dynamic axes, since the sizes of all levels follow from n_points.
    Raises SSRFlowError, leaving no file, if it says anything else than torch; InputError if there is a file already, as
    `atomic_write`.
    """
    onnxruntime = _onnxruntime()
    model = OrderedFlow(weights.network).eval()
    given = (
        *(cloud[..., : model.network.config.columns] for cloud in made_up_pair(n_points)),
        torch.tensor([n_points]),
        torch.tensor([3 * n_points // 4]),
    )
    card = {'n_points': n_points, 'order': 'farthest point first', 'weights': json.dumps(weights.card)}
    with atomic_write(path, COMMAND, overwrite) as unfinished, torch.no_grad():
        program = torch.onnx.export(
            model, given, dynamo=True, opset_version=OPSET, verbose=False, input_names=INPUTS, output_names=['flow']
        )
        assert program is not None  # which dynamo=True always gives
        program.model.metadata_props.update({name: str(value) for name, value in card.items()})
        program.model.doc_string = signature(COMMAND)
        program.save(unfinished)
        session = onnxruntime.InferenceSession(str(unfinished), providers=['CPUExecutionProvider'])
        flow = session.run(None, {name: tensor.numpy() for name, tensor in zip(INPUTS, given)})[0]
        difference = float((torch.from_numpy(flow) - model(*given)).abs().max())
        if not difference < TOLERANCE:
            raise SSRFlowError(
                f'the exported network differs from torch by {difference:.1e} m: not written; '
                'try another version of torch or onnxruntime'
            )
    return difference


def _onnxruntime() -> Any:
    try:
        import onnx  # noqa: F401, the writer
        import onnxruntime
        import onnxscript  # noqa: F401, torch's exporter needs it
    except ImportError as error:
        raise InputError(f'export needs {error.name}: "pip install onnx onnxscript onnxruntime"') from None
    return onnxruntime


def made_up_pair(n_points: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clouds (1, n_points, 10) as of `Sample.of`, in farthest-point order: a street of 40 m, noise and motion."""
    generator = torch.Generator().manual_seed(0)
    source = (torch.rand(1, n_points, 3, generator=generator) - 0.5) * torch.tensor([40.0, 40.0, 3.0])
    target = source + 0.3 * torch.randn(1, n_points, 3, generator=generator)
    beyond = torch.randn(2, 1, n_points, 4, generator=generator)

    def ordered(cloud: torch.Tensor, other: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        columns = torch.cat([cloud, nearest_offsets(cloud, other), more], dim=-1)
        return gather(columns, farthest_point_order(cloud, n_points))

    return ordered(source, target, beyond[0]), ordered(target, source, beyond[1])
