"""Metrics: by hand on a few points, and beside the package that the field scores itself with."""

import importlib
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest

from ssrflow_ros.datasets.labelled_pair import BACKGROUND, CATEGORIES, UNKNOWN
from ssrflow_ros.evaluation import metrics
from ssrflow_ros.evaluation.metrics import METRICS, ResidualErrors, flow_errors, moving_iou

CAR, PEDESTRIAN = CATEGORIES.index('car'), CATEGORIES.index('pedestrian')


def frame(rng, n=4000, categories=UNKNOWN + 1):
    """Points out to 60 m, true and predicted residuals, categories; half of the foreground moves."""
    points = rng.uniform(-60, 60, (n, 3))
    category = rng.integers(0, categories, n).astype(np.int8)
    speed = rng.gamma(1.5, 0.3, n) * (category > 0) * (rng.random(n) < 0.5)
    way = rng.normal(size=(n, 3))
    truth = way / np.linalg.norm(way, axis=1, keepdims=True) * speed[:, None]
    return points, truth + rng.normal(0, 0.05, (n, 3)), truth, category


@pytest.fixture(scope='module')
def judge():
    """The package's evaluators; what it needs only to read data sets and to draw is stood in for."""
    pytest.importorskip('bucketed_scene_flow_eval')
    missing = []
    for name in ('open3d', 'cv2', 'pandas', 'pyquaternion'):
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
            sys.modules[name] = MagicMock()
    yield importlib.import_module('bucketed_scene_flow_eval.eval')
    for name in missing:
        del sys.modules[name]


def package_frame(points, flow, category):
    from bucketed_scene_flow_eval.datastructures import (
        EgoLidarFlow,
        PointCloud,
        PoseInfo,
        SupervisedPointCloudFrame,
        TimeSyncedSceneFlowFrame,
    )
    from bucketed_scene_flow_eval.datastructures.se3 import SE3

    every, here = np.ones(len(points), bool), SE3(np.eye(3), np.zeros(3))
    cloud = SupervisedPointCloudFrame(
        full_pc=PointCloud(points), pose=PoseInfo(here, here), mask=every, full_pc_classes=category
    )
    return TimeSyncedSceneFlowFrame(
        pc=cloud, auxillary_pc=None, rgbs=None, log_id='log', log_idx=0, log_timestamp=0, flow=EgoLidarFlow(flow, every)
    )


def package_result(evaluator, frames, square):
    from bucketed_scene_flow_eval.datastructures import EgoLidarFlow

    for points, predicted, truth, category in frames:
        evaluator.eval(EgoLidarFlow(predicted, np.ones(len(points), bool)), package_frame(points, truth, category))
    return evaluator.compute_results(save_results=False, return_distance_threshold=square)


@pytest.mark.parametrize('square', [35, np.inf])
def test_the_package_of_the_field_says_the_same(judge, tmp_path, capsys, square):
    rng = np.random.default_rng(0)
    frames = [frame(rng), frame(rng, 500, categories=2), frame(rng, 60, categories=1)]
    ours = ResidualErrors(square)
    for one in frames:
        ours.add(*one, dt=-0.1)
    names = dict(enumerate(CATEGORIES))
    alone = {name: [name] for name in CATEGORIES}
    theirs = package_result(
        judge.BucketedEPEEvaluator(names, output_path=tmp_path, meta_class_lookup=alone), frames, square
    )
    found = ours.bucket_normalised()
    assert set(theirs) == set(found.by_category)
    for name, pair in theirs.items():
        assert found.by_category[name] == pytest.approx(pair, abs=1e-6, nan_ok=True)
    static, dynamic = np.array(list(theirs.values())).T
    assert (found.static, found.dynamic) == pytest.approx((np.nanmean(static), np.nanmean(dynamic)), abs=1e-6)

    both = {'BACKGROUND': [CATEGORIES[0]], 'FOREGROUND': list(CATEGORIES[1:])}
    theirs = package_result(judge.ThreeWayEPEEvaluator(names, both, output_path=tmp_path), frames, square)
    found = ours.three_way()
    parts = theirs['FOREGROUND'][1], theirs['FOREGROUND'][0], theirs['BACKGROUND'][0]
    assert found == pytest.approx((np.mean(parts), *parts), abs=1e-6)


def test_flownet3d_protocol_by_hand():
    truth = np.array([[1, 0, 0], [0, 0, 0], [4, 0, 0]], float)
    predicted = truth + [[0.04, 0, 0], [0.2, 0, 0], [0.35, 0, 0]]
    found = flow_errors(predicted, truth)
    assert found.epe3d == pytest.approx(0.59 / 3)
    assert (found.acc3ds, found.acc3dr, found.outliers, found.n) == pytest.approx((1 / 3, 2 / 3, 2 / 3, 3))
    assert np.isnan(flow_errors(truth[:0], truth[:0]).epe3d)
    with pytest.raises(ValueError, match='not finite'):
        flow_errors(truth * np.nan, truth)


def test_argoverse2_protocol_by_hand():
    points = np.zeros((5, 3))
    points[:, 0] = 5, 15, 25, 40, 5
    truth = np.zeros((5, 3))
    truth[:2, 0] = 1.0, 0.06
    predicted = np.zeros((5, 3))
    predicted[[0, 2, 3], 0] = 0.5, 0.03, 0.07
    category = np.array([CAR, PEDESTRIAN, BACKGROUND, UNKNOWN, -1])
    errors = ResidualErrors()
    errors.add(points, predicted, truth, category, dt=0.1)
    assert errors.n == 4
    assert errors.three_way() == pytest.approx((0.38 / 3, 0.28, 0.07, 0.03))
    assert errors.bucket_normalised().dynamic == pytest.approx((0.5 + 1.0) / 2)
    assert errors.bucket_normalised().static == pytest.approx((0.03 + 0.07) / 2)
    assert errors.dynamic_iou() == pytest.approx(1 / 3)
    assert errors.by_range.error()[[0, 1, 2, 3]] == pytest.approx([0.5, 0.06, 0.03, 0.07])
    assert errors.by_range.error(slice(1, 2))[[0, 1]] == pytest.approx([0.5, 0.06])
    assert errors.by_speed.error()[[0, 1, 4]] == pytest.approx([0.05, 0.06, np.nan], nan_ok=True)
    near = ResidualErrors(metrics.SQUARE)
    near.add(points, predicted, truth, category, dt=0.1)
    assert near.n == 3 and np.isnan(near.three_way().foreground_static)
    assert near.three_way().mean == pytest.approx((0.28 + 0.03) / 2)  # of the parts that there are


def test_other_rates_are_scaled_to_a_tenth_of_a_second():
    rng = np.random.default_rng(1)
    points, predicted, truth, category = frame(rng)
    at_10_hz, at_5_hz = ResidualErrors(), ResidualErrors()
    at_10_hz.add(points, predicted, truth, category, dt=0.1)
    at_5_hz.add(points, 2 * predicted, 2 * truth, category, dt=0.2)
    assert at_10_hz.three_way() == pytest.approx(at_5_hz.three_way())
    assert at_10_hz.bucket_normalised().dynamic == pytest.approx(at_5_hz.bucket_normalised().dynamic)


def test_a_frame_without_movers_adds_no_zero():
    rng = np.random.default_rng(2)
    one, still = frame(rng), frame(rng, categories=1)
    alone, together = ResidualErrors(), ResidualErrors()
    alone.add(*one, dt=0.1)
    for each in (one, still):
        together.add(*each, dt=0.1)
    assert together.three_way().foreground_dynamic == alone.three_way().foreground_dynamic
    assert together.bucket_normalised().dynamic == alone.bucket_normalised().dynamic
    assert np.isnan(ResidualErrors().three_way().mean) and np.isnan(ResidualErrors().dynamic_iou())


def test_zero_flow_has_one():
    points, _, truth, category = frame(np.random.default_rng(3))
    errors = ResidualErrors()
    errors.add(points, np.zeros_like(truth), truth, category, dt=0.1)
    assert errors.bucket_normalised().dynamic == pytest.approx(1.0)
    with pytest.raises(ValueError, match='not finite'):
        errors.add(points, truth * np.nan, truth, category, dt=0.1)


def test_masks():
    assert moving_iou(np.array([1, 1, 0], bool), np.array([0, 1, 1], bool)) == pytest.approx(1 / 3)
    assert np.isnan(moving_iou(np.zeros(3, bool), np.zeros(3, bool)))


def test_every_number_has_a_unit_and_a_protocol():
    named = {'epe3d', 'acc3ds', 'acc3dr', 'outliers', *metrics.ThreeWay._fields[1:]}
    assert named <= set(METRICS) and all(unit and protocol for unit, protocol in METRICS.values())
