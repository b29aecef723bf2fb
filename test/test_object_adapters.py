"""Objects as messages of Autoware, of vision_msgs and of Nav2, held to the definitions of these messages."""

import dataclasses
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy')

from flow_fields import make_flow  # noqa: E402
from message_stand_ins import HASHES, message_module, serialized, stand_ins, type_hash  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from test_object_cloud import make_object  # noqa: E402

from ssrflow_ros.errors import InputError  # noqa: E402
from ssrflow_ros.node.object_adapters import adapters  # noqa: E402
from ssrflow_ros.sweep import MovingObject  # noqa: E402

AUTOWARE, VISION, NAV2 = 'autoware_perception_msgs', 'vision_msgs', 'nav2_dynamic_msgs'
CHOICES = {AUTOWARE: 'autoware', VISION: 'vision', NAV2: 'nav2'}


def _car(yaw=2.0, speed=8.0, **changes):
    """Drives along `yaw`, 0.1 m/s unsure along it and 0.5 m/s across."""
    along = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    axes = Rotation.from_euler('z', yaw).as_matrix()
    car = MovingObject(
        3,
        np.array([10.0, -4.0, 0.5]),
        np.array([4.4, 1.8, 1.5]),
        yaw,
        speed * along,
        60,
        track_id=17,
        age=4,
        probability=0.75,
        yaw_rate=0.2,
        position_covariance=np.diag([0.04, 0.09, 0.01]),
        velocity_covariance=axes @ np.diag([0.01, 0.25, 0.04]) @ axes.T,
        yaw_rate_variance=0.01,
    )
    return dataclasses.replace(car, **changes)


@pytest.fixture
def publish(monkeypatch):
    """publish(package, objects): the message that the adapter makes, through CDR by the package's definition."""

    def made(package, objects):
        monkeypatch.setitem(sys.modules, package, sys)
        monkeypatch.setitem(sys.modules, f'{package}.msg', message_module(package))
        (adapter,) = adapters(CHOICES[package])
        flow = dataclasses.replace(make_flow(objects=0), objects=tuple(objects))
        source = PointCloud2()
        source.header.frame_id, source.header.stamp.sec = 'lidar', 12
        message = adapter.make(flow.objects, source.header)
        assert isinstance(message, adapter.type) and message.header == source.header
        return serialized(package, adapter.type.__name__, message)

    return made


def test_detected_object_has_its_twist_in_its_own_frame(publish):
    car = _car()
    message = publish(AUTOWARE, [car])
    assert (message.header.frame_id, message.header.stamp.sec) == ('lidar', 12)
    (item,) = message.objects
    kinematics, shape = item.kinematics, item.shape
    twist = kinematics.twist_with_covariance.twist
    assert (twist.linear.x, twist.linear.y, twist.linear.z) == pytest.approx((8.0, 0.0, 0.0), abs=1e-9)
    assert (twist.angular.x, twist.angular.y, twist.angular.z) == (0.0, 0.0, 0.2)
    covariance = kinematics.twist_with_covariance.covariance.reshape(6, 6)
    np.testing.assert_allclose(covariance, np.diag([0.01, 0.25, 0.04, 0, 0, 0.01]), atol=1e-12)
    assert kinematics.has_twist and kinematics.has_twist_covariance and kinematics.has_position_covariance
    pose = kinematics.pose_with_covariance.pose
    assert (pose.position.x, pose.position.y, pose.position.z) == tuple(car.centre)
    turn = Rotation.from_quat([pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w])
    np.testing.assert_allclose(turn.as_rotvec(), [0, 0, car.yaw], atol=1e-12)
    covariance = kinematics.pose_with_covariance.covariance.reshape(6, 6)
    np.testing.assert_allclose(covariance[:3, :3], car.position_covariance)
    assert covariance[5, 5] == pytest.approx(0.25 / 8.0**2), 'rad², from the velocity across'
    assert (shape.dimensions.x, shape.dimensions.y, shape.dimensions.z) == tuple(car.size)
    assert (shape.type, item.classification[0].label, item.existence_probability) == (0, 0, 0.75)


@pytest.mark.parametrize(
    'car, facing',
    [
        (_car(), 2),  # AVAILABLE: it surely goes forward
        (_car(speed=0.1), 1),  # SIGN_UNKNOWN: slower than twice its deviation
        (_car(velocity=np.array([0.0, 8.0, 0.0])), 1),  # it goes across its length
        (_car(velocity_covariance=np.full((3, 3), np.nan)), 1),
    ],
)
def test_facing_is_claimed_only_where_the_motion_tells_it(publish, car, facing):
    (item,) = publish(AUTOWARE, [car]).objects
    assert item.kinematics.orientation_availability == facing
    yaw_variance = item.kinematics.pose_with_covariance.covariance[35]
    assert (yaw_variance < 0.01) == (facing == 2) and yaw_variance <= np.pi**2 / 12


def test_unknown_covariances_are_flagged_and_never_nan(publish):
    bare = MovingObject(0, np.ones(3), np.ones(3), 0.0, np.ones(3), 9)
    kinematics = publish(AUTOWARE, [bare]).objects[0].kinematics
    assert not kinematics.has_position_covariance and not kinematics.has_twist_covariance and kinematics.has_twist
    assert not np.any(kinematics.twist_with_covariance.covariance)
    pose = publish(VISION, [bare]).detections[0].results[0].pose
    assert np.isfinite(pose.covariance).all()


def test_detections_are_boxes_with_track_ids(publish):
    message = publish(VISION, [_car(), make_object(1), _car(track_id=-1)])
    assert [detection.id for detection in message.detections] == ['17', '1001', '']
    car = message.detections[0]
    assert car.header == message.header
    assert (car.bbox.size.x, car.bbox.size.y, car.bbox.size.z) == (4.4, 1.8, 1.5)
    assert (car.bbox.center.position.x, car.bbox.center.position.y, car.bbox.center.position.z) == (10.0, -4.0, 0.5)
    (result,) = car.results
    assert result.pose.pose == car.bbox.center
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('moving', 0.75)


def test_obstacles_are_boxes_along_the_axes_with_velocity_and_covariances(publish):
    car = _car()
    message = publish(NAV2, [car, make_object(1), _car(track_id=-1), _car(track_id=-1)])
    first, other, *lost = message.obstacles
    assert (first.position.x, first.position.y, first.position.z) == tuple(car.centre)
    assert (first.velocity.x, first.velocity.y, first.velocity.z) == tuple(car.velocity)
    corners = Rotation.from_euler('z', car.yaw).apply(np.array([[2.2, 0.9, 0.75], [2.2, -0.9, 0.75]]))
    np.testing.assert_allclose(
        [first.size.x, first.size.y, first.size.z], 2 * np.abs(corners).max(axis=0), err_msg='it holds every corner'
    )
    assert first.score == 0.75
    np.testing.assert_array_equal(first.position_covariance.reshape(3, 3), car.position_covariance)
    np.testing.assert_allclose(first.velocity_covariance.reshape(3, 3), car.velocity_covariance)
    again = publish(NAV2, [_car(speed=3.0)]).obstacles[0]
    assert bytes(again.uuid.uuid) == bytes(first.uuid.uuid), 'a track keeps its id'
    assert len({bytes(item.uuid.uuid) for item in (first, other, *lost)}) == 4


def test_obstacles_bear_no_nan(publish):
    bare = MovingObject(0, np.ones(3), np.ones(3), 0.0, np.ones(3), 9)
    (item,) = publish(NAV2, [bare]).obstacles
    assert not item.position_covariance.any() and not item.velocity_covariance.any()


@pytest.mark.parametrize('package, field', [(AUTOWARE, 'objects'), (VISION, 'detections'), (NAV2, 'obstacles')])
def test_no_object_is_an_empty_list(publish, package, field):
    assert len(getattr(publish(package, []), field)) == 0


@pytest.mark.parametrize('name', HASHES)
def test_stand_ins_have_the_type_hash_of_the_real_messages(name):
    assert type_hash(name) == f'RIHS01_{HASHES[name]}'


def test_stand_ins_are_strict():
    messages = stand_ins(VISION)
    with pytest.raises(AttributeError, match='no field velocity'):
        messages.Detection3D(velocity=1.0)
    for values in ({'id': 3}, {'results': (1,)}, {'bbox': messages.Detection3D()}):
        with pytest.raises(TypeError):
            messages.Detection3D(**values)


def test_a_package_that_is_missing_is_named_with_its_cure(monkeypatch):
    for package in (AUTOWARE, VISION, NAV2):
        monkeypatch.setitem(sys.modules, f'{package}.msg', None)
    assert adapters('none') == []
    with pytest.raises(InputError, match='nav2_dynamic_msgs, which is not installed: clone https://github.com/ros-nav'):
        adapters('nav2')
    for chosen in ('vision', 'both', 'autoware'):
        with pytest.raises(InputError, match='not installed: sudo apt install ros-'):
            adapters(chosen)


def test_both_are_chosen_together(monkeypatch):
    for package in (AUTOWARE, VISION):
        monkeypatch.setitem(sys.modules, package, sys)
        monkeypatch.setitem(sys.modules, f'{package}.msg', message_module(package))
    assert [adapter.topic for adapter in adapters('both')] == ['~/detected_objects', '~/detections']
