"""The layout for Foxglove has the form of an exported one, and names topics and fields that there are."""

import json
import re
from pathlib import Path

import pytest
from flow_fields import make_flow

from ssrflow_ros.formats import bag_messages, bags, pointcloud2
from ssrflow_ros.formats.colours import BACKGROUND
from ssrflow_ros.formats.markers import Drawing

jsonschema = pytest.importorskip('jsonschema')

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = json.loads((ROOT / 'foxglove/ssrflow.json').read_text())

COLOUR = {'type': 'string', 'pattern': '^#[0-9a-f]{6}([0-9a-f]{2})?$'}
TOPIC = {
    'type': 'object',
    'required': ['visible'],
    'additionalProperties': False,
    'properties': {
        'visible': {'type': 'boolean'},
        'colorMode': {'enum': ['flat', 'gradient', 'colormap', 'rgb', 'rgba', 'rgba-fields']},
        'colorField': {'type': 'string'},
        'colorMap': {'enum': ['turbo', 'rainbow']},
        'flatColor': COLOUR,
        'gradient': {'type': 'array', 'items': COLOUR, 'minItems': 2, 'maxItems': 2},
        'minValue': {'type': 'number'},
        'maxValue': {'type': 'number'},
        'pointSize': {'type': 'number', 'exclusiveMinimum': 0},
        'pointShape': {'enum': ['circle', 'square']},
        'decayTime': {'const': 0},
        'namespaces': {'type': 'object'},
    },
}
PATHS = {
    'type': 'array',
    'items': {'type': 'object', 'required': ['value', 'enabled', 'timestampMethod']},
    'minItems': 1,
}
SCHEMA = {
    'type': 'object',
    'required': ['configById', 'globalVariables', 'userNodes', 'playbackConfig', 'layout'],
    'additionalProperties': False,
    'properties': {
        'configById': {
            'type': 'object',
            'additionalProperties': False,
            'patternProperties': {
                r'^3D!\w+$': {
                    'properties': {'topics': {'additionalProperties': TOPIC}},
                    'required': ['topics', 'cameraState'],
                },
                r'^Plot!\w+$': {'properties': {'paths': PATHS}, 'required': ['paths']},
                r'^DiagnosticSummary!\w+$': {'required': ['topicToRender']},
            },
        },
        'globalVariables': {'type': 'object'},
        'userNodes': {'type': 'object'},
        'playbackConfig': {'required': ['speed']},
        'layout': {'$ref': '#/$defs/mosaic'},
    },
    '$defs': {
        'mosaic': {
            'anyOf': [
                {'type': 'string'},
                {
                    'type': 'object',
                    'required': ['direction', 'first', 'second'],
                    'additionalProperties': False,
                    'properties': {
                        'direction': {'enum': ['row', 'column']},
                        'first': {'$ref': '#/$defs/mosaic'},
                        'second': {'$ref': '#/$defs/mosaic'},
                        'splitPercentage': {'type': 'number', 'exclusiveMinimum': 0, 'exclusiveMaximum': 100},
                    },
                },
            ]
        }
    },
}


def _panels(mosaic):
    return [mosaic] if isinstance(mosaic, str) else _panels(mosaic['first']) + _panels(mosaic['second'])


def _message(topic):
    """What is published there."""
    flow = make_flow(objects=1)
    header = bag_messages.to_header(flow.pair.source.stamp_ns, 'lidar')
    cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(flow.pair.source.points), header)
    return {
        bags.FLOW: lambda: bag_messages.to_pointcloud2(pointcloud2.encode(flow, cloud), header),
        bags.EGO_ODOMETRY: lambda: bag_messages.to_ego_odometry(flow, header),
    }.get(topic, lambda: cloud)()


def test_the_file_has_the_form_of_a_layout():
    jsonschema.validate(LAYOUT, SCHEMA)
    assert sorted(_panels(LAYOUT['layout'])) == sorted(LAYOUT['configById'])


def test_topics_and_what_is_read_of_them_are_there():
    published = set(re.findall(r"'~/(\w+)'", (ROOT / 'ssrflow_ros/node/publishing.py').read_text()))
    topics = LAYOUT['configById']['3D!ssrflow']['topics']
    assert set(topics) == {'/points', *(f'/ssrflow/{name}' for name in published)}
    assert {bags.FLOW, bags.OBJECTS, bags.MARKERS, bags.EGO_ODOMETRY} <= set(topics), 'those of ssrflow bag'
    for topic, shown in topics.items():
        assert 'colorField' not in shown or shown['colorField'] in pointcloud2.field_names(_message(topic))
    for panel in LAYOUT['configById'].values():
        for path in panel.get('paths', ()):
            topic, *fields = path['value'].split('.')
            value = _message(topic)
            for field in fields:
                value = getattr(value, field)
            assert isinstance(value, (int, float)), path


def test_the_3d_panel_looks_as_rviz_does():
    panel = LAYOUT['configById']['3D!ssrflow']
    assert panel['scene']['backgroundColor'] == '#' + ''.join(f'{round(255 * value):02x}' for value in BACKGROUND)
    namespaces = panel['topics'][bags.MARKERS]['namespaces']
    assert {marker.ns for marker in Drawing().update(make_flow(objects=2), 10)} == set(namespaces)
    assert all(shown['visible'] for shown in namespaces.values())
