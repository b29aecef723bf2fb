"""The bird's-eye picture shows all there is, and says what it leaves out."""

import dataclasses

import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.formats import bag_messages, object_cloud, pointcloud2
from ssrflow_ros.formats.picture import draw_flow, label_place
from ssrflow_ros.formats.published import read_flow

PIL = pytest.importorskip('PIL.Image')


def _with(flow, *changes):
    """`flow` with copies of its first object, each changed."""
    return dataclasses.replace(
        flow, objects=tuple(dataclasses.replace(flow.objects[0], **change) for change in changes)
    )


def _white(path):
    """(H, W) bool: pixels of the view in the colour of arrows, boxes and numbers."""
    return (np.asarray(PIL.open(path).convert('RGB'))[114:, :1000] > 225).all(axis=2)


def test_arrow_of_a_fast_object_is_cut_off_at_the_edge_of_the_view(tmp_path):
    # Its tip lies 26 m beyond what is shown.
    flow = _with(make_flow(objects=1), {'centre': np.array([-4.0, 0.0, 0.0]), 'velocity': np.array([50.0, 0.0, 0.0])})
    draw_flow(tmp_path / 'fast.png', flow, extent=20)
    rows = np.flatnonzero(_white(tmp_path / 'fast.png').any(axis=1))
    assert rows[0] <= 5, 'up to the upper edge'
    title = np.asarray(PIL.open(tmp_path / 'fast.png').convert('RGB'))[102:112, :1000]
    assert (title < 60).all(), 'and not beyond it'


def test_objects_without_number_are_told_of(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    said = []
    text = Figure.text
    monkeypatch.setattr(
        Figure, 'text', lambda self, x, y, words, **rest: said.append(words) or text(self, x, y, words, **rest)
    )
    here, far = np.array([5.0, 5.0, 0.0]), np.array([60.0, 0.0, 0.0])
    flow = _with(make_flow(objects=1), *[{'centre': here}] * 7, {'centre': far})
    draw_flow(tmp_path / 'crowd.png', flow, extent=20)
    assert any('3 without number: no room.' in words and '1 out of view.' in words for words in said), said
    said.clear()
    draw_flow(tmp_path / 'one.png', _with(make_flow(objects=1), {'centre': here}), extent=20)
    assert not any('number' in words or 'view' in words for words in said)


def test_numbers_find_their_places_beside_their_objects_and_not_on_each_other():
    item, labels, room = make_flow(objects=1).objects[0], [], np.array([1.0, 2.0])
    places = [label_place(item, labels, room, (40, 40)) for _ in range(6)]
    assert sum(place is not None for place in places) == 4 == len(labels)
    for number, place in enumerate(labels):
        assert np.abs(place - item.centre[:2]).max() < 4
        assert all((np.abs(place - other) > room).any() for other in labels[:number])
    edge = dataclasses.replace(item, centre=np.array([39.0, 0.0, 0.0]), velocity=np.array([-5.0, 0.0, 0.0]))
    assert abs(label_place(edge, [], room, (40, 40))[0]) < 40, 'in view'


def test_a_published_flow_is_the_flow():
    flow = make_flow(objects=2)
    header = bag_messages.to_header(flow.pair.source.stamp_ns, 'lidar')
    cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(flow.pair.source.points), header)
    annotated = bag_messages.to_pointcloud2(pointcloud2.encode(flow, cloud), header)
    objects = object_cloud.read_objects(bag_messages.to_pointcloud2(object_cloud.encode_objects(flow.objects), header))
    read = read_flow(annotated, objects, lambda points: points[:, 2] < -1.6, flow.pair.dt)
    for name in ('velocity', 'moving', 'object_ids'):
        np.testing.assert_array_equal(getattr(read, name), getattr(flow, name))
    np.testing.assert_allclose(read.flow, flow.flow, atol=1e-5)
    assert read.pair.source.stamp_ns == flow.pair.source.stamp_ns and read.pair.dt == pytest.approx(flow.pair.dt)
    assert [item.speed for item in read.objects] == pytest.approx([item.speed for item in flow.objects])
