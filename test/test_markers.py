"""Markers follow the objects' tracks, and are deleted only when surplus."""

import dataclasses

import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.formats.markers import (
    ADD,
    ARROW,
    CUBE,
    DELETE,
    LINE_LIST,
    MAX_OBJECTS,
    OBJECTS,
    POINTS,
    TEXT_VIEW_FACING,
    Drawing,
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
    assert all(marker.ns == OBJECTS for marker in _draw(make_flow(objects=1), max_arrows=0))


def test_a_track_keeps_its_ids_whatever_else_comes_and_goes():
    drawing = Drawing()
    first = _ids(drawing.update(_with_tracks(7), 10))
    second = drawing.update(_with_tracks(4, 9, 7), 10)
    assert first < _ids(second) and len(_ids(second)) == 9
    assert not _ids(second, DELETE)


def test_a_track_that_misses_a_sweep_stays_and_is_deleted_when_it_is_gone():
    drawing = Drawing()
    shown = _ids(drawing.update(_with_tracks(7, 8), 10))
    gone = shown - _ids(drawing.update(_with_tracks(8), 10))
    assert not _ids(drawing.update(_with_tracks(8), 10), DELETE)
    assert not _ids(drawing.update(_with_tracks(7), 10), DELETE), 'back after two missed sweeps'
    deleted = [_ids(drawing.update(_with_tracks(8), 10), DELETE) for _ in range(5)]
    assert deleted == [set(), set(), gone, set(), set()], 'once, in the third sweep'


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
