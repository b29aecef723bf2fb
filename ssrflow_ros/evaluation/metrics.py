"""Scene flow metrics; the unit and the protocol belong beside every number."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FlowErrors:
    """World A's metrics (FlowNet3D, HPLFlowNet): per point e = |pred - gt| m, r = e / (|gt| + 1e-4).

    epe3d     mean e, metres.            acc3ds  share of e < 0.05 or r < 0.05.
    acc3dr    share of e < 0.10 or r < 0.10.   outliers  share of e > 0.30 or r > 0.10.
    n         points that were compared.
    """

    epe3d: float
    acc3ds: float
    acc3dr: float
    outliers: float
    n: int


def flow_errors(predicted: np.ndarray, truth: np.ndarray) -> FlowErrors:
    """Of displacements (N, 3) metres; nan where N = 0. A prediction that is not finite is an error."""
    if not np.isfinite(predicted).all():
        raise ValueError('predicted flow is not finite: score only rows that carry a prediction')
    if not len(truth):
        return FlowErrors(np.nan, np.nan, np.nan, np.nan, 0)
    error = np.linalg.norm(predicted - truth, axis=1)
    share = error / (np.linalg.norm(truth, axis=1) + 1e-4)
    return FlowErrors(float(error.mean()), float(((error < 0.05) | (share < 0.05)).mean()),
                      float(((error < 0.1) | (share < 0.1)).mean()),
                      float(((error > 0.3) | (share > 0.1)).mean()), len(truth))


def moving_iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (N,) of moving points; nan where neither has any."""
    union = (predicted | truth).sum()
    return float((predicted & truth).sum() / union) if union else float('nan')
