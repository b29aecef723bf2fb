"""Stands in for `ros2 bag play`: plays clouds of two LiDARs with a clock, until it is interrupted."""

import signal
import sys
from threading import Event

import numpy as np
import rclpy
from live import make_cloud
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

TOPICS = {'/front/points': 'velodyne', '/rear/points': 'hesai'}
"""And the frames of their clouds."""


def main():
    ended = Event()
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    print('playing:', *sys.argv[1:], flush=True)
    rclpy.init(args=[])
    node = rclpy.create_node('player')
    clouds = {node.create_publisher(PointCloud2, topic, 5): frame for topic, frame in TOPICS.items()}
    clock, now = node.create_publisher(Clock, '/clock', 5), Clock()
    for tick in range(10**6):
        if ended.wait(0.1):
            break
        now.clock.sec, now.clock.nanosec = 100 + tick // 10, tick % 10 * 100_000_000
        clock.publish(now)
        for publisher, frame in clouds.items():
            publisher.publish(make_cloud(np.ones((5, 3)), 10**11 + tick * 10**8, frame))


if __name__ == '__main__':
    main()
