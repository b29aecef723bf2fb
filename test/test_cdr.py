"""Messages written at once are those that a serializer writes, in every distribution."""

import dataclasses

import numpy as np
import pytest
from flow_fields import make_flow
from rosbags.typesys import Stores, get_typestore

from ssrflow_ros.formats import cdr
from ssrflow_ros.formats.bag_messages import to_header, to_marker_array, to_pointcloud2
from ssrflow_ros.formats.markers import Drawing
from ssrflow_ros.formats.pointcloud2 import encode, encode_points

STORES = [Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY, Stores.LATEST]


def serialized(store, message):
    return bytes(get_typestore(store).serialize_cdr(message, message.__msgtype__))


@pytest.mark.parametrize('store', STORES)
@pytest.mark.parametrize('frame', ['', 'lidar', 'lidar_top'])  # of lengths that ask for padding, or for none
def test_markers(store, frame):
    header, drawing = to_header(-1_500_000_000, frame), Drawing()
    shown = drawing.update(make_flow(objects=3), 10)
    gone = drawing.update(make_flow(objects=0), 10)
    for markers in (shown, gone, []):
        assert cdr.marker_array(markers, header) == serialized(store, to_marker_array(markers, header))


@pytest.mark.parametrize('store', STORES)
@pytest.mark.parametrize('frame', ['', 'lidar', 'lidar_top'])
def test_clouds(store, frame):
    flow, header = make_flow(objects=1), to_header(12_000_000_001, frame)
    source = to_pointcloud2(encode_points(flow.pair.source.points), header)
    every_second = dataclasses.replace(encode(flow, source), data=np.zeros(40, np.uint8)[::2], is_dense=False)
    for cloud in (encode(flow, source), encode_points(np.empty((0, 3), np.float32)), every_second):
        assert cdr.pointcloud2(cloud, header) == serialized(store, to_pointcloud2(cloud, header))


def test_rclpy_reads_what_it_would_have_written():
    serialization = pytest.importorskip('rclpy.serialization')
    from visualization_msgs.msg import MarkerArray

    markers, header = Drawing().update(make_flow(objects=2), 10), to_header(1, 'lidar')
    message = serialization.deserialize_message(cdr.marker_array(markers, header), MarkerArray)
    assert [marker.text for marker in message.markers] == [marker.text for marker in markers]
    assert [len(marker.points) for marker in message.markers] == [len(marker.points) for marker in markers]
    assert message.markers[-1].pose.position.x == markers[-1].position[0]
