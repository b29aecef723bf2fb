"""How the kinds of models are fitted: shares, log odds, variances, and a small network."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import nn
from torch.nn import functional as F

from ssrflow_ros.objects.models import Perceptron

# Five networks of 16 units, from other random numbers each, answer together: as one of 80, but steadier. Of recordings
# that were not fitted 8 units had a log loss of .231, 16 of .227, 32 of .224, ten times the decay .263, a sum .252.
_NETWORKS, _UNITS = 5, 16
_STEPS, _BATCH, _RATE, _DECAY = 1500, 1024, 5e-3, 0.3


def fit_share(samples: list[tuple], before: np.ndarray) -> np.ndarray:
    """Weights with which the displacement between two is nearest to the true one, in the mean; of samples as in
    `Samples.measured_share`, each with the one displacement, whose share they tell, and the other.

    Held to the weights `before`, but for those that were 0: they answer for cases that are rare in simulation, as a
    car that is seen perfectly.
    """
    held = np.where(before, 1e-2, 1e-4)
    features, axes, one, other, true, weight = (np.array(column, float) for column in zip(*samples))
    scale, weight = spread(features.reshape(-1, features.shape[-1])), weight / weight.sum()
    before, features, off = before * scale, features / scale, np.einsum('kij,ki->kj', axes, one - other)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        share = expit(features @ weights)
        error = other - true + np.einsum('kij,kj->ki', axes, share * off)
        length = np.sqrt((error**2).sum(axis=1) + 1e-8)
        slope = np.einsum('kij,ki->kj', axes, error / length[:, None]) * off * share * (1 - share)
        return (
            (weight * length).sum() + (held * (weights - before) ** 2).sum(),
            np.einsum('k,kj,kjf->f', weight, slope, features) + 2 * held * (weights - before),
        )

    return minimize(loss, before, jac=True, method='L-BFGS-B').x / scale


def fit_logistic(
    features: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None, known: np.ndarray | float = 0.0
) -> np.ndarray:
    """Weights of the most likely logistic model, barely held back; a sample counts `weight` times, and has the log
    odds that are `known` besides."""
    sign, scale = 2 * outcome - 1, spread(features)
    features = sign[:, None] * features / scale
    weight = np.full(len(sign), 1 / len(sign)) if weight is None else weight / weight.sum()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = features @ weights + sign * known
        return (
            weight @ np.logaddexp(0, -odds) + 1e-4 * (weights**2).sum(),
            2e-4 * weights - features.T @ (weight * expit(-odds)),
        )

    return minimize(loss, np.zeros(len(scale)), jac=True, method='L-BFGS-B').x / scale


def spread(features: np.ndarray) -> np.ndarray:
    """(F,) by which features (n, F) are divided for the search; a constant one stays as it is."""
    spread = features.std(axis=0)
    return np.where(spread > 1e-6, spread, 1.0)


def fit_log_variance(features: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Weights of the most likely log-linear variance of zero-mean errors; their mean NEES then is 1."""
    scale, squared = features.std(axis=0), squared + 1e-6

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log = np.clip(features @ weights, -20, 20)
        nees = squared * np.exp(-log)
        return (
            (log + nees).mean() + 1e-4 * ((weights * scale) ** 2).sum(),
            features.T @ (1 - nees) / len(nees) + 2e-4 * weights * scale**2,
        )

    start = np.zeros(features.shape[1])
    start[0] = np.log(squared.mean())
    return minimize(loss, start, jac=True, method='L-BFGS-B').x


def fit_perceptron(features: np.ndarray, outcome: np.ndarray, names: tuple[str, ...]) -> Perceptron:
    """Of features (n, F) with these `names` and outcomes (n,), 0 or 1; the same input gives the same network."""
    centre, scale = features.mean(axis=0), spread(features)
    given, wanted = (torch.tensor(values, dtype=torch.float32) for values in ((features - centre) / scale, outcome))
    fitted = [_fitted(given, wanted, seed) for seed in range(_NETWORKS)]
    line, into, bias, out, offset = (np.stack(parts) for parts in zip(*fitted))
    return Perceptron(
        names,
        *map(
            np.float32,
            (
                centre,
                scale,
                line.mean(axis=0),
                np.concatenate(into, axis=1),
                bias.ravel(),
                out.ravel() / _NETWORKS,
                offset.mean(),
            ),
        ),
    )


def _fitted(given: torch.Tensor, wanted: torch.Tensor, seed: int) -> tuple[np.ndarray, ...]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        units, out = nn.Linear(given.shape[1], _UNITS), nn.Linear(_UNITS, 1)
        line = nn.Linear(given.shape[1], 1, bias=False)
        weights = [*units.parameters(), *out.parameters(), *line.parameters()]
        optimiser = torch.optim.AdamW(weights, lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_STEPS)
        for _ in range(_STEPS):
            some = torch.randint(len(given), (_BATCH,))
            odds = (out(torch.tanh(units(given[some]))) + line(given[some]))[:, 0]
            loss = F.binary_cross_entropy_with_logits(odds, wanted[some])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return tuple(
        part.detach().numpy().astype(float)
        for part in (line.weight[0], units.weight.t(), units.bias, out.weight[0], out.bias[0])
    )
