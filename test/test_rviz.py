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
from ssrflow_ros.formats.colours import BACKGROUND, GROUND, STILL, contrast, pack_rgba  # noqa: E402
from ssrflow_ros.formats.markers import Drawing  # noqa: E402
from ssrflow_ros.node import qos  # noqa: E402

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
    coloured = pointcloud2.encode(flow, source, rgba=True)
    colours = pointcloud2.read_field(coloured, 'rgba')
    ground, still = pack_rgba(np.array([GROUND, STILL]))
    assert np.all(colours[flow.ground] == ground) and np.all(colours[~flow.moving & ~flow.ground] == still)
    assert not np.isin(colours[flow.moving], (ground, still)).any()
    assert 'rgba' not in [field.name for field in pointcloud2.encode(flow, source).fields]
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


def test_ground_is_seen_among_the_points_of_the_flow_cloud_when_it_is_switched_on(displays):
    ground, flow = displays['Ground'], next(one for name, one in displays.items() if name.startswith('Flow'))
    # The same points are in both: what is not larger is hidden.
    assert ground['Size (Pixels)'] > flow['Size (Pixels)']
    colour = np.array([int(value) for value in ground['Color'].split(';')]) / 255
    assert contrast(colour, np.array(BACKGROUND)) >= 3


def test_background_is_the_one_that_the_colours_are_made_for():
    manager = yaml.safe_load((ROOT / 'rviz/flow.rviz').read_text())['Visualization Manager']
    given = manager['Global Options']['Background Color'].split(';')
    np.testing.assert_allclose([int(value) / 255 for value in given], BACKGROUND)


def test_view_has_the_target_that_the_launch_file_replaces():
    # start_when writes the clouds' frame there where the fixed frame is another.
    assert (ROOT / 'rviz/flow.rviz').read_text().count('Target Frame: <Fixed Frame>') == 1
