#!/bin/sh
# Arguments are those of the launch file: points:=/my/topic device:=cuda ...
. "/opt/ros/$ROS_DISTRO/setup.sh"
. /ws/install/setup.sh
exec ros2 launch ssrflow_ros flow.launch.py "$@"
