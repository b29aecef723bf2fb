"""The first half of the method: everything before the network.

ego-motion -> deskew, where asked for -> ground -> sample -> free space
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from .errors import EgoMotionError
from .settings import Settings
from .steps.deskew import Deskewing
from .steps.ego_motion import make_ego_motion
from .steps.ground import make_ground, rise
from .steps.prepared import PreparedPair
from .steps.range_image import RangeImage, free_space
from .steps.range_image_history import RangeImageHistory
from .steps.sampling import sample_pair
from .stopwatch import Stopwatch
from .sweep import EgoMotion, Sweep, SweepPair


class Preparation:
    """The first half: ego-motion out, ground marked, points chosen, for the pairs of one stream.

    It shares nothing with the second half, so it may work on the next pair meanwhile, in a thread of
    its own: its loops hold no lock.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget what is kept of the stream; the next pair is as a first one."""
        self.ego_motion = make_ego_motion(self.settings)
        self.deskewing = Deskewing()
        self.ground = make_ground(self.settings)
        self.past = RangeImageHistory()
        self._looks: WeakKeyDictionary[Sweep, tuple[np.ndarray, np.ndarray, RangeImage]] = WeakKeyDictionary()

    def __call__(self, pair: SweepPair, ego_motion: EgoMotion | None = None) -> PreparedPair:
        """All that `SceneFlow.estimate` needs of `pair`; arguments and errors as of `SceneFlow`."""
        watch, settings = Stopwatch(), self.settings

        with watch('ego_motion'):
            ego = ego_motion or self.ego_motion(pair)

        if pair.source.times is not None:
            with watch('deskew'):
                pair = self.deskewing(pair, ego)

        with watch('ground'):
            ground, rows, image = self._looked_at(pair.source)
            _, others, other_image = self._looked_at(pair.target)
            source = pair.source.points.take(rows, axis=0)
            target = ego.into_source(pair.target.points.take(others, axis=0))  # the static world now lies on itself
            slope = rise(pair.source.points, ground)

        with watch('ego_motion'):
            past, past_age = self.past(pair, ego, (image, other_image), self._over_left_out(pair))

        with watch('sample'):
            images = image, other_image.in_frame(ego.target_from_source), past
            sampled = sample_pair(source, target, settings.network_points, settings.seed, images=images)

        with watch('free_space'):
            told = free_space(source, target, images)
        return PreparedPair(pair, ego, ground, slope, rows, target, *sampled, images, past_age, *told, watch.timings_ms)

    def _over_left_out(self, pair: SweepPair) -> EgoMotion | None:
        """The motion from the pair's target to the newest sweep before it, where sweeps of the stream were left out."""
        between = self.past.between(pair)
        try:
            return None if between is None else self.ego_motion(between)
        except EgoMotionError:
            return None

    def _looked_at(self, sweep: Sweep) -> tuple[np.ndarray, np.ndarray, RangeImage]:
        """Ground mask, rows in range that are not ground, and the range image; in a stream each sweep serves twice."""
        if sweep not in self._looks:
            ground, points = self.ground(sweep.points), sweep.points
            in_range = np.einsum('ij,ij->i', points, points) <= self.settings.max_range**2
            rows = np.flatnonzero(in_range & ~ground)
            self._looks[sweep] = ground, rows, RangeImage(points)
        return self._looks[sweep]
