"""Predictions to be scored on a labelled pair: by the whole method, by the network alone, and by doing nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..datasets import LabelledPair
from ..datasets.labelled_pair import FLOWNET3D
from ..errors import EgoMotionError
from ..scene_flow import SceneFlow
from ..settings import Settings
from ..sweep import EgoMotion, FlowField

METHOD, NETWORK, ZERO = 'method', 'network', 'zero'
PREDICTORS = (METHOD, NETWORK, ZERO)
"""The whole method; the network's flow before anything is decided about objects; zero flow."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of one pair, for one sampling seed.

    labelled  the pair with the points that were scored.
    flow      by predictor (N, 3) m, the sensor's own motion included; a method that gave up is missing.
    residual  by predictor (N, 3) m, ego-motion removed; of the Argoverse 2 protocol only.
    ego       the sensor's motion as it was found, None in the FlowNet3D protocol where the method gave up.
    ground    (N,) bool, as it was found.
    ms        milliseconds of the whole method.
    """

    labelled: LabelledPair
    flow: dict[str, np.ndarray]
    residual: dict[str, np.ndarray]
    ego: EgoMotion | None
    ground: np.ndarray
    ms: float


def predict(labelled: LabelledPair, settings: Settings, seed: int, ego: EgoMotion | None = None) -> Predictions:
    """Run the method on a pair; `ego`, if given, replaces the search for the sensor's motion.

    Raises SSRFlowError where it gives up and no answer is left.
    """
    settings = settings.replace(seed=seed, min_range=0.0, own_body='')  # what is scored is answered
    left_in = labelled.preparation.protocol == FLOWNET3D
    return (_ego_motion_left_in if left_in else _ego_motion_removed)(labelled, settings, ego)


def _ego_motion_removed(labelled: LabelledPair, settings: Settings, ego: EgoMotion | None) -> Predictions:
    found = SceneFlow(settings).stream(lambda frame: labelled.mounting).flow(labelled.pair, ego)
    labelled = dataclasses.replace(labelled, pair=found.pair)  # deskewed, where asked for
    dt, nothing = labelled.pair.dt, np.zeros_like(labelled.flow)
    residual = {METHOD: dt * found.velocity, NETWORK: _network(found), ZERO: nothing}
    points = labelled.pair.source.points
    moved = found.ego_motion.displacement(points + residual[NETWORK]) + residual[NETWORK]
    return Predictions(
        labelled,
        {METHOD: found.flow, NETWORK: moved, ZERO: nothing},
        residual,
        found.ego_motion,
        found.ground,
        sum(found.timings_ms.values()),
    )


def _ego_motion_left_in(labelled: LabelledPair, settings: Settings, ego: EgoMotion | None) -> Predictions:
    """FlowNet3D protocol: the network sees the two clouds as they are; the ground was cut from them before."""
    labelled = labelled.sampled(settings.seed)
    settings = settings.replace(
        ground='none', max_range=1000.0, network_points=labelled.preparation.n_points or settings.network_points
    )
    alone = SceneFlow(settings.replace(ego_motion='none'))(labelled.pair)
    flow = {NETWORK: _network(alone), ZERO: np.zeros_like(labelled.flow)}
    try:
        found = SceneFlow(settings)(labelled.pair, ego)
    except EgoMotionError:  # flying things give no static world to match: what is left is the network alone
        return Predictions(labelled, flow, {}, None, alone.ground, sum(alone.timings_ms.values()))
    return Predictions(
        labelled, {METHOD: found.flow, **flow}, {}, found.ego_motion, found.ground, sum(found.timings_ms.values())
    )


def _network(found: FlowField) -> np.ndarray:
    """(N, 3) float32 m: the network's displacement, interpolated, before objects were found."""
    assert found.network_velocity is not None, 'of every field that was estimated'
    return np.asarray(found.pair.dt * found.network_velocity, np.float32)
