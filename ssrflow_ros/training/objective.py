"""What a training learns from, and what it makes small: all that the loop knows of a way to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Protocol

import torch

from ..network.pyramid import Pyramid
from ..network.ssrflow import FlowPyramid
from .dataset import Items


class Objective(Protocol):
    """Made of a `TrainingConfig`. A batch is that of `with_pyramids`, with all that its items hold.

    FIGURES     names of what the learning curve shows.
    GRAPH_SAFE  no shape and no branch of the loss depends on a value: a GPU may do the step as CUDA graphs.
    """

    @property
    def FIGURES(self) -> tuple[str, ...]: ...

    @property
    def GRAPH_SAFE(self) -> bool: ...

    def training(self, pairs: Path) -> Items:
        """What lies at `pairs` to train on, varied each time it is drawn."""
        ...

    def validation(self, pairs: Path) -> Items:
        """What lies there to be judged by, whole."""
        ...

    def describe(self, pairs: Path) -> str:
        """What lies there, in words, for the card of the weights."""
        ...

    def loss(self, prediction: FlowPyramid, source: Pyramid, target: Pyramid, batch: dict[str, Any]) -> torch.Tensor:
        """() what is made small."""
        ...

    def figures(self, prediction: FlowPyramid, batch: dict[str, Any]) -> torch.Tensor:
        """(F,) the `FIGURES` of a batch, nan for what it has nothing of."""
        ...

    @property
    def format_metrics(self) -> Callable[..., str]:
        """F figures, in words."""
        ...
