"""What passes between the parts of the method: a pair made ready for the network, then with its answer; what moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, NamedTuple

import numpy as np

from ..kernels.returns import answers
from ..sweep import EgoMotion, FlowField, MovingObject, SweepPair
from .beams import Beams
from .conditioning import ConditionedPair
from .range_image import RangeImage
from .thinned_cloud import ThinnedCloud


@dataclass(frozen=True, eq=False)
class Sample:
    """The points of one cloud that the network sees.

    rows     (n,) int64, distinct, into the cloud.
    offsets  (n, 3) float32 m, from each to the nearest point of the other cloud, ego-motion removed, before
             that one was thinned out to what the network sees of it.
    margins  (n, 4) float32 m, by which the other sensor saw past each of them (`RayQuery.free_space_margin`), and by
             which the sensor had, half a second before; 0: not known.
    """

    rows: np.ndarray
    offsets: np.ndarray
    margins: np.ndarray

    def of(self, cloud: np.ndarray) -> np.ndarray:
        """(n, 10) float32 m, points, offsets and margins: as `SSRFlow.flow` takes them, from the `cloud` (N, 3)."""
        return np.column_stack([cloud[self.rows], self.offsets, self.margins])


class Detections(NamedTuple):
    """displacement (N, 3) float32 m of the source's points, ids (N,) int32 of their objects, -1 for none, the objects,
    probability (N,) float32 that each point moves, calibrated; objects that are only `predicted`."""

    displacement: np.ndarray
    ids: np.ndarray
    objects: tuple[MovingObject, ...]
    probability: np.ndarray
    predicted: tuple[MovingObject, ...]


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """A pair made ready for the network: ego-motion taken out, ground marked, points chosen.

    ground          (N,) bool, of the source's points.
    slope           (2,) m that it rises with each metre along x, and along y.
    rows            (n,) int64, the source's points in range that are not ground, and not alone in the air.
    target          (m, 3) float32 m, such points of the target, in the source's frame.
    clouds          the source's points at `rows`, and `target`, to be thinned.
    range_images    of the source, the target, and an earlier sweep, ground included, to be asked about points of the
                    source's frame; the last saw nothing where the stream holds no such sweep.
    beams           of the source and of the target, each in its own frame, ground included.
    past_age        s that the earlier sweep lies before the source.
    past            (p, 3) float32 m, points of the earlier sweep such as `target`, in the source's frame.
    in_free_space, in_past_free_space  (n,) bool: at `rows`, stands where the target's sensor saw through, where the
                    earlier one surely did.
    vacated_space   (v, 3) float32 m, those of `target` through whose places the source's sensor sees.
    timings_ms      milliseconds of each step so far.
    conditioned     how `pair` was made of the one that was given.
    samples         what the network sees of both sweeps, rows into `rows` and `target`; None where it is not asked.
    residual        (N, 3) float32 m, what the network says of the source's points, the sensor's own motion removed;
                    None until it has been asked, and where it is not.
    """

    pair: SweepPair
    ego_motion: EgoMotion
    ground: np.ndarray
    slope: np.ndarray
    rows: np.ndarray
    target: np.ndarray
    clouds: tuple[ThinnedCloud, ThinnedCloud]
    range_images: tuple[RangeImage, RangeImage, RangeImage]
    beams: tuple[Beams, Beams]
    past_age: float
    past: np.ndarray
    in_free_space: np.ndarray
    in_past_free_space: np.ndarray
    vacated_space: np.ndarray
    timings_ms: Mapping[str, float]
    conditioned: ConditionedPair
    samples: tuple[Sample, Sample] | None = None
    residual: np.ndarray | None = None

    @property
    def points(self) -> np.ndarray:
        """(n, 3) float32 m, the source's points at `rows`."""
        return self.clouds[0].cloud

    def answer(self, found: Detections) -> FlowField:
        """What was found as the answer for the pair that was given, in its frame and its rows; what was left out of it,
        outliers, stands."""
        conditioned, dt = self.conditioned, np.float32(self.pair.dt)
        given, ego = conditioned.given, conditioned.as_given(self.ego_motion)
        asked = self.residual is not None
        flow, velocity, by_network, moving, ground, ids, probability = answers(
            given.source.points,
            conditioned.rows,
            found.displacement,
            asked,
            found.displacement if self.residual is None else self.residual,
            self.ground,
            found.ids,
            found.probability,
            ego.displacing.astype(np.float32),
            np.ascontiguousarray(conditioned.level.T, np.float32),
            dt,
        )
        return FlowField(
            given,
            ego,
            flow,
            velocity,
            moving,
            ground,
            ids,
            conditioned.objects_as_given(found.objects),
            dict(self.timings_ms),
            by_network if asked else None,
            probability,
            conditioned.objects_as_given(found.predicted),
        )
