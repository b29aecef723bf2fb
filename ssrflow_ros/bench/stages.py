"""The whole walk, decode to encode, stage by stage, over the clouds of a recording."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence, cast

import numpy as np

from ..errors import InputError
from ..formats.bag_messages import to_pointcloud2
from ..formats.message_types import PointCloud2
from ..formats.pointcloud2 import encode
from ..inference.network_runner import NetworkRunner
from ..pair_stream import PairStream
from ..scene_flow import SceneFlow
from ..steps.ego_motion import make_ego_motion
from ..steps.pairing import CURES
from ..stopwatch import Stopwatch
from ..sweep import EgoMotion, SweepPair
from .timing import Timing

STAGES = (
    'decode',
    'own_body',
    'condition',
    'ego_motion',
    'deskew',
    'ground',
    'free_space',
    'sample',
    'network',
    'upsample',
    'objects',
    'encode',
)
"""In the order of the data's walk; own_body and deskew where they are asked for."""


@dataclass(frozen=True)
class Walk:
    """Times of each stage over the sweeps of one pass, warm-up apart.

    stages       by name, as in `STAGES`.
    whole        decode to encode.
    processor    processor time of this process, decode to encode, without that of the network.
    points       mean number of input rows of a cloud.
    ego_motions  of each pair, in their order, warm-up included: what a second pass may be given.
    """

    stages: dict[str, Timing]
    whole: Timing
    processor: Timing
    points: float
    ego_motions: tuple[EgoMotion, ...]


def walk(
    method: SceneFlow, clouds: Sequence[PointCloud2], warm_up: int, ego_motions: Sequence[EgoMotion] | None = None
) -> Walk:
    """One pass over `clouds` (PointCloud2); `ego_motions`, one a pair, spare the search ('odometry given').

    Raises SSRFlowError if the clouds cannot be paired or matched.
    """
    pairs, stream = PairStream(method.settings), method.stream()
    times: list[dict[str, float]] = []
    processor: list[float] = []
    found: list[EgoMotion] = []
    with _network_left_out(method) as processor_ms:
        for cloud in clouds:
            watch, begun = Stopwatch(), processor_ms()
            with watch('decode'):
                pair = pairs.push(cloud)[1]
            if pair is None:
                continue
            field = stream.flow(pair, ego_motions[len(found)] if ego_motions else None)
            with watch('encode'):
                to_pointcloud2(encode(field, cloud), cloud.header)
            processor.append(processor_ms() - begun)
            times.append({**watch.timings_ms, **field.timings_ms})
            found.append(field.ego_motion)
    if not times:
        raise _no_pair(clouds, pairs)
    warm_up = min(warm_up, len(times) - 1)
    kept = times[warm_up:]
    return Walk(
        {stage: Timing([one.get(stage, 0.0) for one in kept]) for stage in STAGES if any(stage in one for one in kept)},
        Timing([sum(one.values()) for one in kept]),
        Timing(processor[warm_up:]),
        float(np.mean([cloud.height * cloud.width for cloud in clouds])),
        tuple(found),
    )


@contextmanager
def _network_left_out(method: SceneFlow) -> Iterator[Callable[[], float]]:
    """Meanwhile, a clock of the processor time of this process, ms, that stands still while the network runs."""
    network, its = method.inference, 0.0

    def metered(*clouds: np.ndarray) -> Any:
        nonlocal its
        begun = time.process_time()
        flow = network(*clouds)
        its += time.process_time() - begun
        return flow

    method.inference = cast(NetworkRunner, metered)
    try:
        yield lambda: 1e3 * (time.process_time() - its)
    finally:
        method.inference = network


def all_pairs(method: SceneFlow, clouds: Sequence[PointCloud2]) -> list[SweepPair]:
    """Those of `clouds`; InputError where there is none."""
    stream = PairStream(method.settings)
    pairs = [pair for _, pair in map(stream.push, clouds) if pair is not None]
    if not pairs:
        raise _no_pair(clouds, stream)
    return pairs


def one_pair(method: SceneFlow, clouds: Sequence[PointCloud2]) -> tuple[SweepPair, EgoMotion]:
    """The last pair of `clouds`, and its ego-motion; InputError where there is none."""
    pair = all_pairs(method, clouds)[-1]
    return pair, make_ego_motion(method.settings)(pair)


def _no_pair(clouds: Sequence[PointCloud2], stream: PairStream) -> InputError:
    reason = stream.pairing.reason
    return InputError(f'none of {len(clouds)} clouds gives a pair ({reason}): {CURES[reason]}')
