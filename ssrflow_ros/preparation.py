"""The first half of the method: everything before the network.

condition -> ego-motion -> deskew, where asked for -> ground -> range images -> free space -> sample, for the network
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import team
from .errors import EgoMotionError
from .kernels.returns import rows_in_range, rows_of
from .settings import AUTO, Settings
from .steps.conditioning import ConditionedPair, Conditioning, MountingOf, unknown
from .steps.deskew import Deskewing
from .steps.ego_motion import make_ego_motion
from .steps.ground import make_ground, rise
from .steps.merged import range_image
from .steps.newest_sweeps import NewestSweeps
from .steps.own_body import OwnBody
from .steps.prepared import PreparedPair
from .steps.range_image import RangeImage, free_space
from .steps.range_image_history import RangeImageHistory
from .steps.sampling import sample_thinned
from .steps.thinned_cloud import ThinnedCloud
from .stopwatch import Stopwatch
from .sweep import EgoMotion, Sweep, SweepPair
from .transforms import rigid


class Preparation:
    """The first half but for the choice of points: ego-motion out, ground marked, for the pairs of one stream.

    It shares nothing with the second half, so it may work on the next pair meanwhile, in a thread of
    its own: its loops hold no lock.
    """

    def __init__(self, settings: Settings, mounting_of: MountingOf = unknown):
        self.settings, self._mounting_of = settings, mounting_of
        self.own_body = OwnBody()
        self.reset()

    def reset(self) -> None:
        """Forget what is kept of the stream; the next pair is as a first one, but the robot's own body stays known."""
        self.conditioning = Conditioning(self.settings, self._mounting_of)
        self.ego_motion = make_ego_motion(self.settings)
        self.deskewing = Deskewing()
        self.ground = make_ground(self.settings)
        self.past = RangeImageHistory()
        # In a stream each sweep serves twice.
        self._grounds: NewestSweeps[tuple[np.ndarray, np.ndarray, ThinnedCloud]] = NewestSweeps()
        self._images: NewestSweeps[RangeImage] = NewestSweeps()

    @team.busy
    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """All that is to be known of `pair` but what the network sees (`with_samples`); arguments and errors as of
        `SceneFlow`."""
        watch, settings, whole = Stopwatch(), self.settings, pair

        if settings.own_body == AUTO:
            with watch('own_body'):
                pair = self.own_body.cut(pair)

        with watch('condition'):
            conditioned = self.conditioning(pair)
            pair = conditioned.pair

        with watch('ego_motion'):
            ego = conditioned.levelled(ego_motion) if ego_motion else self.ego_motion(pair)

        if pair.source.times is not None:
            with watch('deskew'):
                conditioned = conditioned.changed(self.deskewing, ego)
                pair = conditioned.pair

        with watch('ground'):
            ground, rows, source = self._on_ground(pair.source)
            _, _, other = self._on_ground(pair.target)
            slope = rise(pair.source.points, ground)

        with watch('ego_motion'):
            target = ego.into_source(other.cloud)  # the static world now lies on itself
            onward = self._over_left_out(pair, ego)

        with watch('free_space'):
            image, other_image = self._image(pair.source), self._image(pair.target)
            past = self.past(pair, ego, (image, other_image), (source.cloud, other.cloud), onward)
            images = image, other_image.in_frame(ego.target_from_source), past.image
            told = free_space(source.cloud, target, images)

        if settings.own_body == AUTO:
            with watch('own_body'):
                self._learn(whole, conditioned, ego, ground, image)

        return PreparedPair(
            pair,
            ego,
            ground,
            slope,
            rows,
            target,
            (source, ThinnedCloud(target, settings.seed)),
            images,
            (self.conditioning.beams(pair.source), self.conditioning.beams(pair.target)),
            past.age,
            past.points,
            *told,
            watch.timings_ms,
            conditioned,
        )

    def learn(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> None:
        """Of a pair only what rides along; errors as of a call."""
        whole, conditioned = pair, self.conditioning(pair)
        ego = conditioned.levelled(ego_motion) if ego_motion else self.ego_motion(conditioned.pair)
        if pair.source.times is not None:
            conditioned = conditioned.changed(self.deskewing, ego)
        source = conditioned.pair.source
        self._learn(whole, conditioned, ego, self._on_ground(source)[0], self._image(source))

    def _learn(
        self, whole: SweepPair, conditioned: ConditionedPair, ego: EgoMotion, ground: np.ndarray, image: RangeImage
    ) -> None:
        """What rides along, in the frame of the `whole` pair."""
        seen = image.in_frame(rigid(conditioned.level, np.zeros(3)))
        self.own_body.add(whole, conditioned.as_given(ego), conditioned.pair.source, ground, seen)

    def _over_left_out(self, pair: SweepPair, ego: EgoMotion) -> EgoMotion | None:
        """The motion from the pair's target to the newest sweep before it, where sweeps of the stream were left out."""
        between = self.past.between(pair, ego)
        try:
            return None if between is None else self.ego_motion(*between)
        except EgoMotionError:
            return None

    def _on_ground(self, sweep: Sweep) -> tuple[np.ndarray, np.ndarray, ThinnedCloud]:
        """Ground mask, rows in range that are not ground and not alone in the air, and the cloud of these."""
        if sweep not in self._grounds:
            ground, points = self.ground(sweep.points), sweep.points
            rows = rows_in_range(points, self.settings.max_range, ground)
            if self.settings.remove_outliers:
                rows = rows[~self.conditioning.beams(sweep).only(rows).are_alone()]
            self._grounds[sweep] = ground, rows, ThinnedCloud(rows_of(points, rows), self.settings.seed)
        return self._grounds[sweep]

    def _image(self, sweep: Sweep) -> RangeImage:
        if sweep not in self._images:
            self._images[sweep] = range_image(sweep)
        return self._images[sweep]


@team.busy
def with_samples(prepared: PreparedPair, settings: Settings) -> PreparedPair:
    """The pair with the points that the network is to see."""
    watch = Stopwatch(dict(prepared.timings_ms))
    with watch('sample'):
        samples = sample_thinned(*prepared.clouds, settings.network_points, prepared.range_images)
    return replace(prepared, samples=samples, timings_ms=watch.timings_ms)
