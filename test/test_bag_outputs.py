"""What `ssrflow bag` gives beside the annotated clouds: other topics, a part of it, tables, tracks, a summary."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip('rosbags')

from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from test_cli import one_transform, some_points, ssrflow, stand_in, write_recording  # noqa: F401

from ssrflow_ros.cli.bag_summary import Summary
from ssrflow_ros.errors import EgoMotionError
from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import _LATCHED, ODOMETRY, POINTCLOUD2, TRACKS, BagReader
from ssrflow_ros.formats.object_cloud import read_objects
from ssrflow_ros.formats.object_table import COLUMNS
from ssrflow_ros.settings import Settings
from ssrflow_ros.steps.own_body import OwnBody
from ssrflow_ros.sweep import Sweep

STAMPS = [1.0 + 0.1 * number for number in range(6)]


def write_with_others(path):
    """Clouds once a second, a latched static tf at the beginning, odometry, and a type that nobody else knows."""
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg('float32 charge', 'acme_msgs/msg/Battery'))
    with Writer(path, version=8) as writer:
        add = writer.add_connection
        tf = add('/tf_static', 'tf2_msgs/msg/TFMessage', typestore=types, offered_qos_profiles=[_LATCHED])
        clouds, odometry = add('/points', POINTCLOUD2, typestore=types), add('/odom', ODOMETRY, typestore=types)
        battery = add('/battery', 'acme_msgs/msg/Battery', typestore=types)
        old = add('/ssrflow/flow', POINTCLOUD2, typestore=types)
        writer.write(tf, 10**9 * 100, types.serialize_cdr(one_transform('base', 'lidar', 1.0), tf.msgtype))
        for number, seconds in enumerate(STAMPS):
            header = bag_messages.to_header(round(seconds * 1e9), 'lidar')
            cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(some_points()), header)
            raw = types.serialize_cdr(cloud, POINTCLOUD2)
            pose = bag_messages.to_odometry(np.eye(4), round(seconds * 1e9), 'odom', 'lidar')
            time_ns = 10**9 * (100 + number)
            writer.write(clouds, time_ns, raw)
            writer.write(old, time_ns, raw)
            writer.write(odometry, time_ns + 1, types.serialize_cdr(pose, ODOMETRY))
            charge = types.types[battery.msgtype](charge=float(number))
            writer.write(battery, time_ns + 2, types.serialize_cdr(charge, battery.msgtype))


def times(path, topic):
    with BagReader(path) as bag:
        return [message.time_ns // 10**9 - 100 for message in bag.read([topic])]


def raws(path, topic):
    with BagReader(path) as bag:
        return [message.raw for message in bag.read([topic])]


def test_other_topics_are_kept_as_they_are(ssrflow, stand_in, tmp_path):  # noqa: F811
    source, out = tmp_path / 'in', tmp_path / 'out'
    write_with_others(source)
    assert ssrflow('bag', source, '-o', out, '--topic', '/points', '--keep-topics')[0] == 0
    with BagReader(source) as before, BagReader(out) as bag:
        assert bag.topics['/ssrflow/flow'][1] == len(STAMPS) - 1, 'answers of before are not kept'
        assert bag.topics['/battery'] == ('acme_msgs/msg/Battery', len(STAMPS))
        assert bag.described['/battery'].definition == before.described['/battery'].definition != ''
        assert bag.described['/tf_static'].qos[0].durability == QosDurability.TRANSIENT_LOCAL
    for topic in ('/points', '/odom', '/battery', '/tf_static'):
        assert raws(out, topic) == raws(source, topic)
    assert ssrflow('bag', source, '-o', tmp_path / 'bare', '--topic', '/points')[0] == 0
    with BagReader(tmp_path / 'bare') as bag:
        assert '/odom' not in bag.topics


def test_a_part_of_the_recording(ssrflow, stand_in, tmp_path):  # noqa: F811
    source, out = tmp_path / 'in', tmp_path / 'out'
    write_with_others(source)
    options = ('--topic', '/points', '--keep-topics', '--start', '1.5', '--duration', '3')
    assert ssrflow('bag', source, '-o', out, *options)[0] == 0
    assert times(out, '/points') == times(out, '/odom') == [2, 3, 4]
    assert raws(out, '/tf_static') == raws(source, '/tf_static'), 'who comes late needs it, too'
    assert times(out, '/tf_static') == [2]
    for wrong in (('--start', '60'), ('--start', '-1'), ('--duration', '0')):
        code, _, err = ssrflow('bag', source, '-o', tmp_path / 'no', '--topic', '/points', *wrong)
        assert code == 2 and 'lasts 5.0 s' in err and not (tmp_path / 'no').exists()


def test_odometry_of_before_the_part_counts(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2, 1.3], odometry=(0.9, 1.2, 1.5))
    code, out, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--odometry', '/odom', '--start', '99.9')
    assert code == 0 and '2 in' in out, err


@pytest.mark.parametrize('suffix', ['csv', 'jsonl'])
def test_objects_and_tracks_as_a_table(ssrflow, stand_in, tmp_path, suffix):  # noqa: F811
    pytest.importorskip('filterpy')
    write_recording(tmp_path / 'in', STAMPS)
    table, out = tmp_path / f'objects.{suffix}', tmp_path / 'out'
    assert ssrflow('bag', tmp_path / 'in', '-o', out, '--objects', table, '--tracks')[0] == 0
    text = table.read_text()
    rows = list(csv.DictReader(text.splitlines())) if suffix == 'csv' else [*map(json.loads, text.splitlines())]
    assert list(rows[0])[:-1] == list(COLUMNS)
    objects, tracks = ([row for row in rows if row['kind'] == kind] for kind in ('object', 'track'))
    assert [int(row['stamp_ns']) for row in objects] == [round(seconds * 1e9) for seconds in STAMPS[1:]]
    assert {float(row['vy_mps']) for row in objects} == {float(row['speed_mps']) for row in objects} == {2.0}
    assert {row['frame_id'] for row in rows} == {'lidar'} and float(objects[0]['x_m']) == 12.0
    assert objects[0]['cov_x_x_m2'] in ('', None) and objects[0]['basis'] in ('', None), 'unknown'
    assert {int(row['track_id']) for row in tracks} == {0} and len(tracks) == len(STAMPS) - 1
    with BagReader(out) as bag:
        found = [read_objects(message.read()) for message in bag.read([TRACKS])]
    assert [one['track_id'].tolist() for one in found] == [[0]] * (len(STAMPS) - 1)
    np.testing.assert_allclose(found[-1]['centre'][0], [12, 0, 0], atol=0.01)

    code, _, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'o2', '--objects', table)
    assert code == 2 and '--overwrite' in err
    assert ssrflow('bag', tmp_path / 'in', '-o', out, '--objects', table, '--overwrite')[0] == 0
    assert 'track,' not in table.read_text()
    (tmp_path / 'mine.csv').write_text('mine')
    code, _, err = ssrflow('bag', tmp_path / 'in', '-o', out, '--objects', tmp_path / 'mine.csv', '--overwrite')
    assert code == 2 and 'did not write it' in err and (tmp_path / 'mine.csv').read_text() == 'mine'


def test_a_table_of_another_form_is_refused(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'in', STAMPS)
    code, _, err = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--objects', tmp_path / 'objects.xlsx')
    assert code == 2 and '.csv or .jsonl' in err and not (tmp_path / 'out').exists()


def test_the_summary_for_programs(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'in', STAMPS)
    code, out, _ = ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--json', '--hindsight')
    told = json.loads(out)
    assert code == 0 and told['sweeps'] == 6 and told['annotated'] == 5 and told['topic'] == '/points'
    assert told['without_flow'] == {'first sweep': 1} and told['recording_s'] == pytest.approx(0.5)
    assert told['objects'] == 5 and told['steps_ms']['network'] == {'p50': 30.0, 'p95': 30.0}
    assert told['hindsight']['untold'] == 5 and told['findings'] == []


def test_each_kind_of_failure_is_told_of_once_and_a_frame_without_a_name(capsys):
    summary = Summary(Settings(), Counter(), OwnBody(), (), hindsight=False)
    for error in ('a sweep has 120 points', 'a sweep has 3 points', 'explains 40%', 'explains 9%', 'c', 'd'):
        summary.drop('no ego-motion', EgoMotionError(error))
    told = capsys.readouterr().err
    assert [line.split(': ')[3] for line in told.splitlines()] == [
        f'{error} (further ones are only counted)' for error in ('a sweep has 120 points', 'explains 40%', 'c')
    ]
    assert summary.drops['no ego-motion'] == 6 and summary.cure() == 'a sweep has 120 points'

    assert not list(summary.findings())
    for frame, findings in ('lidar', []), ('', ['frame']):
        summary.note(Sweep.from_points(some_points(), 1, frame))
        assert [finding.about for finding in summary.findings()] == findings
