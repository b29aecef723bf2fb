"""The RViz configuration is held to what the node publishes: topics, types, quality of service, fields."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from flow_fields import make_flow

yaml = pytest.importorskip('yaml')
pytest.importorskip('rclpy')

from ssrflow_ros.formats import bag_messages, pointcloud2  # noqa: E402
from ssrflow_ros.formats.markers import Drawing  # noqa: E402
from ssrflow_ros.node import qos  # noqa: E402
from ssrflow_ros.node.messages import flow_cloud  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
KINDS = {'PointCloud2': 'PointCloud2', 'MarkerArray': 'MarkerArray', 'Odometry': 'Odometry'}
"""Which display draws which message."""


@pytest.fixture(scope='module')
def displays():
    """By name."""
    manager = yaml.safe_load((ROOT / 'rviz/flow.rviz').read_text())['Visualization Manager']
    return {display['Name']: display for display in manager['Displays']}


@pytest.fixture(scope='module')
def published():
    """Type by topic, as the node publishes with its default parameters."""
    text = (ROOT / 'ssrflow_ros/node/publishing.py').read_text()
    return {f'/ssrflow/{name}': kind for kind, name in re.findall(r"_publisher\((\w+), '~/(\w+)'", text)}


def test_every_output_has_a_display_and_every_display_a_topic(displays, published):
    drawn = {
        display['Topic']['Value']: KINDS[display['Class'].split('/')[1]]
        for display in displays.values()
        if 'Topic' in display
    }
    assert drawn == {'/points': 'PointCloud2', **published}


def test_what_the_issue_asks_for_is_seen(displays):
    classes = {display['Class'].split('/')[1] for display in displays.values() if display['Enabled']}
    assert {'PointCloud2', 'MarkerArray', 'TF', 'Grid'} <= classes
    for display in displays.values():
        assert display['Class'].startswith('rviz_default_plugins/') and display['Value'] == display['Enabled']


def test_quality_of_service_fits(displays):
    publishers = {'/points': None}  # a driver's may be anything: best effort hears all
    for display in displays.values():
        if 'Topic' not in display:
            continue
        asked = display['Topic']
        assert (asked['History Policy'], asked['Durability Policy']) == ('Keep Last', 'Volatile')
        offered = publishers.get(asked['Value'], qos.OUTPUT)
        reliable = asked['Reliability Policy'] == 'Reliable'
        assert not reliable or offered is not None and offered.reliability.name == 'RELIABLE', asked


def test_flow_is_drawn_in_colours_that_are_there(displays):
    display = next(one for one in displays.values() if one.get('Topic', {}).get('Value') == '/ssrflow/flow')
    assert display['Color Transformer'] == 'RGB8'
    flow = make_flow(objects=1)
    source = bag_messages.to_pointcloud2(
        pointcloud2.encode_points(flow.pair.source.points), bag_messages.to_header(1, 'lidar')
    )
    from std_msgs.msg import Header

    source.header = Header()
    coloured = flow_cloud(flow, source, rgba=True)
    colours = pointcloud2.read_field(coloured, 'rgba')
    assert np.all(colours[np.linalg.norm(flow.velocity, axis=1) == 0] == 0xFFFFFFFF), 'what stands still is white'
    assert 'rgba' not in [field.name for field in flow_cloud(flow, source).fields]
    assert "{'rgba': True}" in (ROOT / 'launch/flow.launch.py').read_text(), 'the launch file asks for them'


def test_namespaces_of_markers_are_all_shown(displays):
    markers = next(one for one in displays.values() if one['Class'].endswith('MarkerArray'))
    drawn = {marker.ns for marker in Drawing().update(make_flow(objects=2), 100)}
    assert drawn == {name for name, shown in markers['Namespaces'].items() if shown}


def test_launch_file_moves_every_topic_into_the_namespace(displays):
    tree = ast.parse((ROOT / 'launch/flow.launch.py').read_text())
    constants = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    outputs = {f'/ssrflow/{name}' for name in ast.literal_eval(constants['OUTPUTS'])}
    drawn = {display['Topic']['Value'] for display in displays.values() if 'Topic' in display}
    assert drawn == outputs | {'/points'}
