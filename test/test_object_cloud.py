"""Objects as a cloud: every field arrives, in a layout that others can read, and nothing is NaN."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from flow_fields import make_flow

from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.formats.bags import typestore
from ssrflow_ros.formats.object_cloud import FIELDS, OBJECT, encode_objects, read_objects
from ssrflow_ros.formats.pointcloud2 import encode_points, read_field
from ssrflow_ros.sweep import MovingObject

TOPIC = (Path(__file__).resolve().parents[1] / 'docs' / 'objects_topic.md').read_text()


def _covariance(rng):
    half = rng.normal(size=(3, 3))
    return half @ half.T


def make_object(seed=0):
    """An object with a value of its own in every field."""
    rng = np.random.default_rng(seed)
    return MovingObject(
        id=seed,
        centre=rng.normal(size=3),
        size=rng.uniform(1, 5, 3),
        yaw=0.3,
        velocity=rng.normal(size=3),
        n_points=40 + seed,
        track_id=1000 + seed,
        age=7,
        yaw_rate=-0.4,
        position_covariance=_covariance(rng),
        velocity_covariance=_covariance(rng),
        yaw_rate_variance=0.09,
        probability=0.9 - 0.1 * seed,
        basis=2 - seed,
    )


def _message(objects):
    return to_pointcloud2(encode_objects(objects), to_header(5, 'lidar'))


def test_every_field_of_every_object_arrives():
    told = {field.name for field in dataclasses.fields(MovingObject)} - {'tilted_axes', 'hidden', 'taken'}
    assert told == set(FIELDS) == set(OBJECT.names)
    objects = [make_object(seed) for seed in range(3)]
    store = typestore()
    raw = store.serialize_cdr(_message(objects), 'sensor_msgs/msg/PointCloud2')
    read = read_objects(store.deserialize_cdr(raw, 'sensor_msgs/msg/PointCloud2'))
    assert len(read) == 3
    for row, item in zip(read, objects, strict=True):
        for name in OBJECT.names:
            np.testing.assert_allclose(row[name], getattr(item, name), rtol=1e-6, err_msg=name)


def test_the_layout_begins_with_x_y_z_and_is_aligned():
    cloud = encode_objects([make_object()])
    names = [field.name for field in cloud.fields]
    assert names[:6] == ['x', 'y', 'z', 'vx', 'vy', 'vz']
    assert all(field.offset % 4 == 0 and field.count == 1 for field in cloud.fields)
    assert cloud.point_step == 4 * len(names) == len(cloud.data)


def test_the_docs_list_every_field_in_its_order():
    listed = [
        name
        for line in TOPIC.splitlines()
        if line.startswith('| `')
        for name in line.split('|')[1].replace('`', '').split()
    ]
    assert listed == [field.name for field in encode_objects([]).fields]


def test_what_is_unknown_is_said_without_nan():
    unknown = MovingObject(0, np.zeros(3), np.ones(3), 0.0, np.ones(3), 9)
    message = _message([unknown, make_object(2)])
    for field in message.fields:
        assert np.isfinite(read_field(message, field.name)).all(), field.name
    assert read_field(message, 'cov_vy_vy')[0] == -1 and read_field(message, 'cov_vx_vy')[0] == 0
    read = read_objects(message)
    for name in ('position_covariance', 'velocity_covariance', 'yaw_rate_variance'):
        assert np.isnan(read[name][0]).all() and np.isfinite(read[name][1]).all()


def test_no_object_is_an_empty_cloud_with_all_fields():
    message = _message([])
    assert message.width == 0 and len(message.fields) == len(encode_objects([make_object()]).fields)
    assert read_objects(message).shape == (0,)


@pytest.mark.parametrize('name, read', [('probability', 1.0), ('basis', -1)])
def test_objects_recorded_without_a_later_field_are_read(name, read):
    message = _message([make_object(1)])
    message.fields = [field for field in message.fields if field.name != name]
    assert read_objects(message)[name].tolist() == [read]


def test_another_cloud_is_refused_with_the_field_that_it_lacks():
    with pytest.raises(InputError, match="no field 'vx'"):
        read_objects(to_pointcloud2(encode_points(np.ones((2, 3))), to_header(0, 'lidar')))


def test_objects_of_a_flow_field_keep_their_label():
    flow = make_flow(objects=3)
    read = read_objects(_message(flow.objects))
    for row in read:
        np.testing.assert_allclose(row['velocity'], flow.velocity[flow.object_ids == row['id']][0], rtol=1e-6)
