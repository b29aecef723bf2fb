"""`ssrflow view --live` over DDS: what a node publishes is served."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from flow_fields import make_flow

pytest.importorskip('rclpy')

import rclpy  # noqa: E402
from live import PATIENCE, own_network  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.context import Context  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from ssrflow_ros.formats.object_cloud import encode_objects  # noqa: E402
from ssrflow_ros.formats.pointcloud2 import encode, encode_points  # noqa: E402
from ssrflow_ros.node import qos  # noqa: E402
from ssrflow_ros.node.messages import ego_odometry, to_pointcloud2  # noqa: E402


def test_what_a_node_publishes_is_served(tmp_path, monkeypatch):
    with own_network(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        context = Context()
        rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
        node = rclpy.create_node('ssrflow', namespace='/front', context=context)
        publishers = [
            node.create_publisher(kind, f'~/{name}', qos.OUTPUT)
            for name, kind in (('flow', PointCloud2), ('objects', PointCloud2), ('ego_odometry', Odometry))
        ]
        view = subprocess.Popen(
            [sys.executable, '-m', 'ssrflow_ros', 'view', '--live', '/front/ssrflow', '--port', '0'],
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            line = view.stdout.readline()
            assert line.startswith('view: http://127.0.0.1:'), line + view.stdout.read()
            told, number, deadline = {'frames': []}, 0, time.monotonic() + PATIENCE
            whole = []  # any message may be lost, so not each frame has its objects
            while not whole:
                assert time.monotonic() < deadline and view.poll() is None, 'nothing is served'
                number += 1
                flow = make_flow(objects=2, stamp_ns=10_000_000_000 + 100_000_000 * number)
                header = Header(frame_id='lidar')
                header.stamp.sec, header.stamp.nanosec = divmod(flow.pair.source.stamp_ns, 1_000_000_000)
                cloud = to_pointcloud2(encode_points(flow.pair.source.points), header)
                made = (
                    to_pointcloud2(encode(flow, cloud), header),
                    to_pointcloud2(encode_objects(flow.objects), header),
                    ego_odometry(flow, cloud),
                )
                for publisher, message in zip(publishers, made):
                    publisher.publish(message)
                time.sleep(0.1)
                with urllib.request.urlopen(line.split()[1] + 'frames/0') as answer:
                    told = json.load(answer)
                whole = [frame for frame in told['frames'][:-1] if frame['objects']]
            assert not told['done'] and whole[0]['points'] == len(flow.pair.source) and len(whole[0]['objects']) == 2
            view.send_signal(signal.SIGINT)
            assert view.wait(PATIENCE) == 0 and 'Traceback' not in view.stdout.read()
        finally:
            view.kill()
            view.wait()
            view.stdout.close()
            node.destroy_node()
            context.try_shutdown()
