"""Where the error of what moves comes from."""

import dataclasses

import numpy as np
import pytest

from ssrflow_ros import SceneFlow, Settings
from ssrflow_ros.simulator import simulate
from studies.error_attribution import CAUSES, CUT, RIGHT, TINY, UNASKED, UNSEEN, WRONG, attribute


@pytest.fixture(scope='module')
def pair():
    return tuple(simulate(5_100_003, 2, 'vlp16', 'street'))


@pytest.fixture(scope='module')
def method():
    return SceneFlow(Settings(network_points=512))


def test_what_the_movers_add_is_the_error_of_all_that_moves(pair, method):
    told = list(attribute(method, *pair))
    share, zero, *_ = np.sum([values for _, values in told], axis=0)
    moving = pair[0].motion_next[~pair[0].ground & (np.linalg.norm(pair[0].motion_next, axis=1) >= 0.05)]
    assert share == pytest.approx(1)
    assert zero == pytest.approx(np.linalg.norm(moving, axis=1).mean(), rel=1e-5)
    assert {cause for cause, _ in told} <= set(CAUSES)


def test_an_object_is_right_or_wrong_by_its_motion(pair, method, monkeypatch):
    truth, estimate = pair[0], method.estimate

    def answered(times):
        def with_truth(prepared):
            velocity = times * truth.motion_next / np.float32(prepared.pair.dt)
            return dataclasses.replace(estimate(prepared), velocity=velocity, object_ids=truth.object_id)

        monkeypatch.setattr(method, 'estimate', with_truth)
        return {cause for cause, _ in attribute(method, *pair)} - {CUT}

    assert answered(1.0) == {RIGHT}
    assert WRONG in answered(-1.0)


def test_what_is_no_object_was_not_asked_or_not_seen(pair, method, monkeypatch):
    estimate = method.estimate
    monkeypatch.setattr(
        method,
        'estimate',
        lambda prepared: dataclasses.replace(estimate(prepared), object_ids=np.full(len(pair[0]), -1, np.int32)),
    )
    monkeypatch.setattr(method, 'classifier', dataclasses.replace(method.classifier, least_log_odds=np.inf))
    told = {cause for cause, _ in attribute(method, *pair)}
    assert UNASKED in told and told <= {UNASKED, TINY, UNSEEN, CUT}
