"""Markers keep their ids, follow the objects and are deleted only when surplus."""
import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.formats.markers import (ADD, ARROW, CUBE, DELETE, LINE_LIST, OBJECTS, POINTS,
                                         TEXT_VIEW_FACING, make_markers, shown_ids)


def test_objects_get_box_arrow_and_speed():
    flow = make_flow(objects=1)
    box, arrow, text = [marker for marker in make_markers(flow, 10) if marker.ns == OBJECTS]
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
    lines = make_markers(flow, max_arrows=1000)[0]
    assert (lines.ns, lines.id, lines.type) == (POINTS, 0, LINE_LIST)
    np.testing.assert_allclose(lines.points[1::2] - lines.points[::2], flow.velocity[moving], atol=1e-4)
    assert len(lines.colours) == len(lines.points) == 2 * len(moving)
    assert len(make_markers(flow, max_arrows=5)[0].points) == 10


def test_nothing_moves_then_nothing_is_drawn_and_the_old_is_deleted():
    before = make_markers(make_flow(objects=1), 10)
    still = make_flow(objects=0)
    after = make_markers(still, 10, shown_ids(before))
    assert {(marker.ns, marker.id) for marker in after} == shown_ids(before)
    assert {marker.action for marker in after} == {DELETE}
    assert make_markers(still, 10) == []


def test_only_surplus_ids_are_deleted():
    three = make_markers(make_flow(objects=3), 10)
    two = make_markers(make_flow(objects=2), 10, shown_ids(three))
    assert [(marker.ns, marker.id) for marker in two if marker.action == DELETE] == [
        (OBJECTS, 6), (OBJECTS, 7), (OBJECTS, 8)]
    assert shown_ids(two) < shown_ids(three)
    assert all(marker.action == ADD for marker in make_markers(make_flow(objects=3), 10, shown_ids(two)))


def test_no_arrows_if_none_are_wanted():
    assert all(marker.ns == OBJECTS for marker in make_markers(make_flow(objects=1), max_arrows=0))
