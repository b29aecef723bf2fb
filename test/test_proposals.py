"""Which points are asked whether they move, and which of them are worth to be registered."""

import dataclasses

import numpy as np
import pytest

from ssrflow_ros import Settings
from ssrflow_ros.objects.motion_classifier import MotionClassifier
from ssrflow_ros.objects.observation import ObservedPoints
from ssrflow_ros.objects.prefilter import prefilter
from ssrflow_ros.objects.proposals import propose
from ssrflow_ros.steps.range_image import RangeImage

CLASSIFIER = MotionClassifier.load()


def things(*middles, points=20):
    """Posts (n, 3) m about these middles, that lie apart."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-0.3, 0.3, (points, 3)) + middle for middle in middles]).astype(np.float32)


def observed(points, **marked):
    """Points of which nothing is known but what is `marked` (n,) bool; the network says that all stand."""
    seen = {
        name: marked.get(name, np.zeros(len(points), bool))
        for name in ('moving', 'in_free_space', 'in_past_free_space', 'suspicious', 'unmatched', 'past_unmatched')
    }
    still = np.zeros_like(points)
    return ObservedPoints(points, still, still[:, 0], **seen, vacated_space=still[:0])


class Bodies:
    """Beams to which everything is a body."""

    def are_filled(self, rows, counts, least):
        return np.ones(len(counts), bool)


def seen_from(points):
    """Range image and beams of a sweep of these points, and which of its points they are."""
    return RangeImage(points), Bodies(), np.arange(len(points))


def test_what_the_network_takes_to_stand_is_asked_if_the_other_sweep_has_nothing_where_it_stands():
    points = things((8, 0, 0), (12, 6, 0), (-20, 9, 0))
    alone, shares = np.arange(len(points)) // 20, np.arange(len(points)) % 20
    unmatched = ((alone == 0) & (shares < 8)) | ((alone == 1) & (shares < 2))  # 8 of 20; 2 of 20
    unknown = np.full(len(points), -1)
    (found,) = propose(observed(points, unmatched=unmatched), unknown, -0.1, Settings())
    assert np.array_equal(np.sort(found), np.flatnonzero(alone == 0))
    everything = dataclasses.replace(CLASSIFIER, least_log_odds=-np.inf)
    assert (
        prefilter([found], observed(points, unmatched=unmatched), unknown, *seen_from(points), 3.5, everything)
        is not None
    )
    assert prefilter([found], observed(points), unknown, *seen_from(points), 3.5, everything) is None, (
        'neither free nor left'
    )


@pytest.mark.parametrize('share, proposed', [(0.0, []), (0.4, [8]), (1.0, [20])])
def test_what_is_followed_is_asked_though_nothing_else_speaks_for_it(share, proposed):
    points = things((8, 0, 0), (-20, 9, 0))
    expected = np.where(np.arange(len(points)) < share * 20, 3, -1).astype(np.int32)
    proposals = propose(observed(points), expected, -0.1, Settings())
    assert [len(rows) for rows in proposals] == proposed, 'the thing, or what of it lies there'
    nobody = dataclasses.replace(CLASSIFIER, least_log_odds=np.inf)
    screened = prefilter([np.arange(20)], observed(points), expected, *seen_from(points), 3.5, nobody)
    assert (screened is not None) == (share >= 0.5)


def test_of_many_proposals_the_likeliest_are_registered_however_large_they_are():
    places = [(6.0 + 3 * row, 3.0 * column, 0.0) for row in range(10) for column in range(-4, 5)]
    points = things(*places, points=24)
    number, place = np.arange(len(points)) // 24, np.arange(len(points)) % 24
    small = number % 3 == 0  # a third is surely in free space, the others hold more points that may be
    free = small & (place < 12) | ~small & (place < 13)
    seen = observed(points, suspicious=free, in_free_space=free)
    seen = seen._replace(displacement=np.where(small[:, None], np.float32([0.5, 0, 0]), 0).astype(np.float32))
    seen = seen._replace(moving=small)
    proposals = propose(seen, np.full(len(points), -1), -0.1, Settings())
    assert len(proposals) >= 90
    screened = prefilter(
        proposals,
        seen,
        np.full(len(points), -1),
        *seen_from(points),
        3.5,
        dataclasses.replace(CLASSIFIER, least_log_odds=-np.inf),
    )
    kept = {int(number[group[0]]) for group in screened.groups}
    assert len(screened.groups) == 64 and set(range(0, 90, 3)) <= kept


@pytest.mark.parametrize(
    'rest_moves, followed, proposed', [(False, False, True), (True, False, False), (False, True, False)]
)
def test_what_took_free_space_beside_what_stands_is_proposed_by_itself(rest_moves, followed, proposed):
    points = things((8, 0, 0), (8, 0.5, 0), points=30)
    walker = np.arange(len(points)) < 30
    seen = observed(points, suspicious=walker, in_free_space=walker, moving=~walker & rest_moves)
    expected = np.where(walker & followed, 0, -1).astype(np.int32)
    found = propose(seen, expected, -0.1, Settings())
    alone = [rows for rows in found if set(rows) == set(np.flatnonzero(walker))]
    assert (len(alone) == 1) == (proposed or followed), 'what is followed is proposed as that'
