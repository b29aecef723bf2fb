#!/bin/sh
# Inside an image with ROS 2 and torch: the rest that the flow node needs, then the build. Sources in /ws/src/ssrflow_ros.
set -e
cd /ws
apt-get update
apt-get install -y --no-install-recommends libjemalloc2  # rosdep has no key for it; the node's memory stays flat on it
rosdep update --rosdistro "$ROS_DISTRO"
# torch is there already, for CUDA; RViz runs on another machine or on the host.
rosdep install --from-paths src -y --ignore-src --dependency-types=exec --skip-keys rviz2
rm -rf /var/lib/apt/lists/*
pip install numba safetensors small_gicp rosbags mcap
. "/opt/ros/$ROS_DISTRO/setup.sh"
colcon build
