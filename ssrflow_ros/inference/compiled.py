"""The network compiled for this processor: what runs between two searches for neighbours becomes a few C++ loops."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import torch
from torch import nn

from .. import operators
from ..atomic_write import atomic_write
from ..errors import SSRFlowError, in_short
from ..network.ssrflow import SSRFlow
from ..operators.opaque import opaque_searches
from .device import autocast
from .export import TOLERANCE, made_up_pair
from .padded import PaddedFlow

_FLOAT32 = autocast(torch.device('cpu'), 'float32')
_TIMED = 5  # passes, of which the quickest counts


class CompiledFlow(PaddedFlow):
    """A `PaddedFlow` on the CPU that runs what `compile_network` has written for this machine.

    The code is of the network's shape and not of its weights: weights trained anew need no new one.
    """

    def __init__(self, network: SSRFlow, n_points: int, path: Path):
        super().__init__(network, n_points, _FLOAT32)
        # Not torch._inductor.aoti_load_package, which imports the whole compiler: 4 s instead of 10 ms.
        self._loaded = torch._C._aoti.AOTIModelPackageLoader(str(path), 'model', False, 1, -1)
        self._weights = _Flow(network).state_dict()  # held, for the loaded code only points to them
        self._loaded.load_constants(
            {name: self._weights[name] for name in self._loaded.get_constant_fqns()}, False, True, True
        )

    @classmethod
    def found(cls, network: SSRFlow, n_points: int) -> CompiledFlow | None:
        """None where nothing has been compiled for this network, size and number of threads."""
        path = compiled_path(network, n_points)
        if not path.exists():
            return None
        try:
            return cls(network, n_points, path)
        except Exception as error:  # whatever a damaged file or a library that has changed brings about
            warnings.warn(
                f'the network runs uncompiled, which is slower: {path} cannot be loaded '
                f'({type(error).__name__}: {in_short(error)}): run "ssrflow compile" again',
                stacklevel=3,
            )
            return None

    def _flow(self) -> torch.Tensor:
        return self._loaded.boxed_run([*self._clouds, *self._counts])[0]


@dataclass(frozen=True)
class Compiled:
    """What `compile_network` wrote: milliseconds of a pair before and after, greatest difference of the flow, m."""

    path: Path
    before_ms: float
    after_ms: float
    difference: float


def compiled_path(network: SSRFlow, n_points: int) -> Path:
    """Where the compiled network of this shape lies: in $XDG_CACHE_HOME/ssrflow_ros, ~/.cache by default.

    Its name follows from all that the code depends on: the network's shape, `n_points`, torch's threads and version,
    the processor's instructions, and the code of this package.
    """
    code = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(operators.__file__).parent):
        for source in sorted(folder.glob('*.py')):
            code.update(source.read_bytes())
    facts = [
        asdict(network.config),
        n_points,
        torch.get_num_threads(),
        torch.__version__,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        code.hexdigest(),
    ]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return cache / 'ssrflow_ros' / f'network_{n_points}_{name}.pt2'


def compile_network(network: SSRFlow, n_points: int) -> Compiled:
    """Compile `network`, on the CPU, for pairs of at most `n_points` and the threads that torch has now.

    Takes minutes. What it wrote is run beside the network itself first: raises SSRFlowError, leaving no file, if
    torch cannot compile, or the flows differ by more than `TOLERANCE`.
    """
    path = compiled_path(network, n_points)
    pair = [cloud[0].numpy() for cloud in made_up_pair(n_points)]
    with atomic_write(path) as unfinished:
        try:
            _compile(network, n_points, unfinished)
            compiled = CompiledFlow(network, n_points, unfinished)
        except Exception as error:  # tracer, code generator, compiler, loader: each fails in its own way
            raise SSRFlowError(
                f'torch {torch.__version__} cannot compile the network ({type(error).__name__}: {in_short(error)}): '
                'it needs a C++ compiler (sudo apt install g++) and torch 2.7 or later, tested with 2.13'
            ) from error
        plain = PaddedFlow(network, n_points, _FLOAT32)
        smaller = [cloud[: 3 * n_points // 4] for cloud in pair]
        difference = max(
            float((compiled(*clouds) - plain(*clouds)).abs().max()) for clouds in (pair, smaller, [smaller[0], pair[1]])
        )
        if not difference < TOLERANCE:
            raise SSRFlowError(
                f'the compiled network differs from itself by {difference:.1e} m: not kept; '
                'try another version of torch'
            )
        before, after = (_quickest_ms(partial(flow, *pair)) for flow in (plain, compiled))
    return Compiled(path, before, after, difference)


class _Flow(nn.Module):
    """`SSRFlow.flow` as the call of a module, which is what torch can export."""

    def __init__(self, network: SSRFlow):
        super().__init__()
        self.network = network

    def forward(self, *clouds_and_counts: torch.Tensor) -> torch.Tensor:
        return self.network.flow(*clouds_and_counts)


def _compile(network: SSRFlow, n_points: int, path: Path) -> None:
    clouds, counts = torch.zeros(2, 1, n_points, network.config.columns), torch.full((2, 1), n_points)
    with tempfile.TemporaryDirectory() as scratch, _inductor_works_in(scratch):
        with torch.no_grad(), opaque_searches(), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch's own, of its next version
            program = torch.export.export(_Flow(network).eval(), (*clouds, *counts), strict=False)
            torch._inductor.aoti_compile_and_package(program, package_path=str(path))


@contextmanager
def _inductor_works_in(folder: str) -> Iterator[None]:
    before = os.environ.get('TORCHINDUCTOR_CACHE_DIR')
    os.environ['TORCHINDUCTOR_CACHE_DIR'] = folder
    try:
        yield
    finally:
        del os.environ['TORCHINDUCTOR_CACHE_DIR']
        if before is not None:
            os.environ['TORCHINDUCTOR_CACHE_DIR'] = before


def _quickest_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMED):
        begun = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begun))
    return min(times)
