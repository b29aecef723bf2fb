"""Markers follow the objects' tracks, and are deleted only when surplus."""

import dataclasses

import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.formats.markers import (
    ADD,
    ARROW,
    BOXES,
    CUBE,
    DELETE,
    LINE_LIST,
    MAX_OBJECTS,
    OBJECTS,
    POINTS,
    TEXT_HEIGHT,
    TEXT_RANGE,
    TEXT_VIEW_FACING,
    Drawing,
    box_edges,
)


def _draw(flow, max_arrows=10):
    return Drawing().update(flow, max_arrows)


def _with_tracks(*tracks):
    """A flow field with an object for each of the `tracks`."""
    flow = make_flow(objects=len(tracks))
    objects = [dataclasses.replace(item, track_id=track) for item, track in zip(flow.objects, tracks)]
    return dataclasses.replace(flow, objects=tuple(objects))


def _ids(markers, action=ADD):
    return {marker.id for marker in markers if marker.ns == OBJECTS and marker.action == action}


def test_objects_get_box_arrow_and_speed():
    flow = make_flow(objects=1)
    box, arrow, text = [marker for marker in _draw(flow) if marker.ns == OBJECTS]
    item = flow.objects[0]
    assert (box.type, arrow.type, text.type) == (CUBE, ARROW, TEXT_VIEW_FACING)
    np.testing.assert_allclose(box.position, item.centre)
    np.testing.assert_allclose(arrow.points[1] - arrow.points[0], item.velocity, atol=1e-5)
    assert text.text == f'{item.speed:.1f} m/s'
    np.testing.assert_allclose(np.linalg.norm(box.orientation), 1)
    assert [marker.lifetime for marker in (box, arrow, text)] == pytest.approx([0.3] * 3)


def test_point_lines_are_velocity_in_one_second_and_capped():
    flow = make_flow()
    moving = np.flatnonzero(flow.moving)
    lines = _draw(flow, max_arrows=1000)[0]
    assert (lines.ns, lines.id, lines.type) == (POINTS, 0, LINE_LIST)
    np.testing.assert_allclose(lines.points[1::2] - lines.points[::2], flow.velocity[moving], atol=1e-4)
    assert len(lines.colours) == len(lines.points) == 2 * len(moving)
    assert len(_draw(flow, max_arrows=5)[0].points) == 10


def test_no_arrows_if_none_are_wanted():
    assert {marker.ns for marker in _draw(make_flow(objects=1), max_arrows=0)} == {OBJECTS, BOXES}


def test_a_track_keeps_its_ids_whatever_else_comes_and_goes():
    drawing = Drawing()
    first = _ids(drawing.update(_with_tracks(7), 10))
    second = drawing.update(_with_tracks(4, 9, 7), 10)
    assert first < _ids(second) and len(_ids(second)) == 9
    assert not _ids(second, DELETE)


def test_nothing_is_shown_that_the_sweep_does_not_hold():
    # At 10 m/s a marker that stays for two sweeps stands 2 m behind its points.
    drawing = Drawing()
    both = _ids(drawing.update(_with_tracks(7, 8), 10))
    second = drawing.update(_with_tracks(8), 10)
    assert _ids(second, DELETE) == both - _ids(second) and len(_ids(second)) == 3
    assert not _ids(drawing.update(_with_tracks(8), 10), DELETE), 'once'
    assert _ids(drawing.update(_with_tracks(7, 8), 10)) == both, 'back in its place'


def test_markers_stand_where_their_points_stand():
    flow = _with_tracks(7, 8)
    markers = _draw(flow, max_arrows=1000)
    lines = next(marker for marker in markers if marker.ns == POINTS)
    np.testing.assert_array_equal(lines.points[::2], flow.pair.source.points[flow.moving])
    edges = next(marker for marker in markers if marker.ns == BOXES).points.reshape(2, -1, 3)
    for item, corners in zip(sorted(flow.objects, key=lambda item: np.linalg.norm(item.centre)), edges):
        points = flow.pair.source.points[flow.object_ids == item.id]
        assert (points >= corners.min(axis=0) - 1e-4).all() and (points <= corners.max(axis=0) + 1e-4).all()


def test_box_has_twelve_edges_as_long_as_its_sides_and_turns_with_it():
    item = dataclasses.replace(make_flow(objects=1).objects[0], yaw=np.pi / 2)
    (edges,) = box_edges(item.centre[None], item.size[None], item.axes[None])
    lengths = np.sort(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1))
    np.testing.assert_allclose(lengths, np.sort(np.repeat(item.size, 4)), rtol=1e-5)
    np.testing.assert_allclose(np.ptp(edges.reshape(-1, 3), axis=0), item.size[[1, 0, 2]], rtol=1e-5)
    np.testing.assert_allclose(edges.reshape(-1, 3).mean(axis=0), item.centre, atol=1e-5)


def test_one_colour_a_track_whatever_it_does():
    flow = _with_tracks(7, 8)
    turned = dataclasses.replace(
        flow, objects=tuple(dataclasses.replace(item, velocity=-item.velocity) for item in flow.objects)
    )
    drawing = Drawing()
    colours = [
        {
            marker.id // 3: marker.colour[:3]
            for marker in drawing.update(its, 10)
            if marker.ns == OBJECTS and marker.type == kind
        }
        for its in (flow, turned)
        for kind in (CUBE, ARROW)
    ]
    assert colours[0] == colours[1] == colours[2] == colours[3]
    assert colours[0][7] != colours[0][8]


@pytest.mark.parametrize('range_m, height', [(10, TEXT_HEIGHT), (2 * TEXT_RANGE, 2 * TEXT_HEIGHT)])
def test_text_is_large_and_larger_where_the_object_is_far(range_m, height):
    flow = make_flow(objects=1)
    item = dataclasses.replace(flow.objects[0], centre=np.array([range_m, 0.0, 0.0]))
    text = next(m for m in _draw(dataclasses.replace(flow, objects=(item,))) if m.type == TEXT_VIEW_FACING)
    assert text.scale[2] == pytest.approx(height) and TEXT_HEIGHT == 1.4
    assert text.position[2] - height / 2 > item.centre[2] + item.size[2] / 2, 'not in the box'


def test_nothing_moves_then_lines_and_untracked_objects_are_deleted_at_once():
    drawing = Drawing()
    before = drawing.update(_with_tracks(-1, -1), 10)
    assert len(_ids(before)) == 6 and max(_ids(before)) < 0
    after = drawing.update(make_flow(objects=0), 10)
    assert {(marker.ns, marker.id) for marker in after} == {(marker.ns, marker.id) for marker in before}
    assert {marker.action for marker in after} == {DELETE}
    assert drawing.update(make_flow(objects=0), 10) == []


def test_lifetime_follows_the_slower_of_sensor_and_node():
    assert {marker.lifetime for marker in Drawing().update(make_flow(), 10, period=0.5)} == {1.5}


def test_of_many_objects_the_nearest_are_drawn():
    flow = _with_tracks(*range(MAX_OBJECTS + 20))
    ranges = {3 * item.track_id: np.linalg.norm(item.centre) for item in flow.objects}
    drawn = {marker.id for marker in _draw(flow) if marker.type == CUBE}
    assert len(drawn) == MAX_OBJECTS
    assert max(ranges[id] for id in drawn) <= min(value for id, value in ranges.items() if id not in drawn)
