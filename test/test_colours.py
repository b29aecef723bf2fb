"""What RViz is told to draw reads at a glance: measured in an image of it."""

import dataclasses

import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.formats.birds_eye import birds_eye
from ssrflow_ros.formats.colours import (
    GROUND,
    STILL,
    contrast,
    direction_colours,
    flow_colours,
    pack_rgba,
    track_colours,
)
from ssrflow_ros.formats.markers import OBJECTS, TEXT_VIEW_FACING, Drawing, Marker

ROUND = np.linspace(-np.pi, np.pi, 720, endpoint=False)
DIRECTIONS = np.column_stack([np.cos(ROUND), np.sin(ROUND)])


def _saturation(colours):
    return 1 - colours.min(axis=1) / colours.max(axis=1)


def test_hue_is_the_direction_and_slow_is_as_colourful_as_fast():
    forward, left, backward, right = direction_colours(np.array([[20, 0, 0], [0, 20, 0], [-20, 0, 0], [0, -20, 0]]))
    assert forward[0] == 1 and forward[2] == min(forward), 'orange'
    assert left[1] == 1 and left[2] == min(left), 'green'
    assert backward[2] == 1 and backward[0] == min(backward), 'cyan'
    assert right[0] == 1 and right[1] == min(right), 'pink'
    np.testing.assert_allclose(direction_colours(0.01 * DIRECTIONS), direction_colours(30 * DIRECTIONS), atol=1e-3)


@pytest.mark.parametrize('colours', [direction_colours(DIRECTIONS), track_colours(np.arange(1000))])
def test_what_moves_is_saturated_and_stands_out_of_what_stands(colours):
    assert _saturation(colours).min() >= 0.6 - 1e-6
    for standing in (STILL, GROUND):
        assert contrast(colours, np.array(standing)).min() >= 3


def test_contrast_is_that_of_wcag():
    assert contrast(np.ones(3), np.zeros(3)) == pytest.approx(21)
    assert contrast(np.full(3, 0x77 / 255), np.ones(3)) == pytest.approx(4.48, abs=0.01)  # the example of its authors


def test_neighbouring_tracks_differ_and_a_track_keeps_its_colour():
    colours = track_colours(np.arange(50))
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 0.2
    np.testing.assert_array_equal(track_colours(np.array([7])), colours[7:8])


def test_packed_colours_are_those_that_rviz_unpacks():
    assert pack_rgba(np.array([[1, 0.2, 0]])) == [0xFFFF3300]


def _pixels(image, points, reach=40.0):
    """(N, 3) in [0, 1] at the places of `points`, sensor in the middle, forward to the right."""
    array = np.asarray(image) / 255
    height, width, _ = array.shape
    per_metre = width / (2 * reach)
    x, y = width / 2 + per_metre * points[:, 0], height / 2 - per_metre * points[:, 1]
    return array[np.round(y).astype(int), np.round(x).astype(int)]


def test_in_the_image_moving_points_have_three_times_the_contrast_of_standing_ones():
    flow = make_flow(objects=2)
    points, colours = flow.pair.source.points, flow_colours(flow)
    seen = np.abs(points[:, 1]) < 20
    # Each kind in an image of its own, where no other point lies on it.
    moving, standing = (
        _pixels(birds_eye(points[which], colours[which]), points[which])
        for which in (flow.moving & seen, ~flow.moving & ~flow.ground & seen)
    )
    assert contrast(np.median(moving, axis=0), np.median(standing, axis=0)) >= 3
    assert contrast(np.median(moving, axis=0), np.array(STILL)) >= 3


def test_in_the_image_text_is_readable_upon_the_ground():
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-39, 39, 300_000), rng.uniform(-20, 20, 300_000), np.full(300_000, -1.7)])
    colours = np.tile(np.float32(GROUND), (len(ground), 1))
    text = Marker(OBJECTS, 2, TEXT_VIEW_FACING, position=(-15.0, 8.0, 1.0), scale=(0, 0, 1.4), text='8.0 m/s')
    without, image = (np.asarray(birds_eye(ground, colours, drawn)) / 255 for drawn in ([], [text]))
    written = np.abs(image - without).max(axis=2) > 0.5
    assert written.sum() > 100, 'the text is there'
    assert contrast(np.median(image[written], axis=0), np.median(without[written], axis=0)) >= 4.5


def test_in_the_image_boxes_lie_on_the_velocity_lines_of_points():
    flow = make_flow(objects=1)
    item = dataclasses.replace(flow.objects[0], track_id=3)
    flow = dataclasses.replace(flow, objects=(item,))
    image = birds_eye(flow.pair.source.points, flow_colours(flow), Drawing().update(flow, 1000))
    edge = np.array([[item.centre[0] + x, item.centre[1] + item.size[1] / 2, 0] for x in (-1.5, -0.7, 0.4)])
    np.testing.assert_allclose(_pixels(image, edge), np.repeat(track_colours(np.array([3])), 3, axis=0), atol=0.3)
