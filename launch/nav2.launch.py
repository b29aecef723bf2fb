"""Starts the flow node for Nav2: obstacles that move on ~/obstacles, in odom, and the cloud without them on ~/static.

    ros2 launch ssrflow_ros nav2.launch.py points:=/my/topic
    ros2 launch ssrflow_ros nav2.launch.py points:=/my/topic ego_motion:=odometry odometry:=/odom

It is flow.launch.py with config/nav2.yaml in place of its params_file, and takes all of its arguments. The costmaps are
configured in Nav2's own parameters: config/nav2_costmaps.yaml holds what they need, docs/nav2.md says how.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription


def generate_launch_description():
    """An argument that is declared here first keeps this default in the file that is included."""
    share = get_package_share_directory('ssrflow_ros')
    flow = os.path.join(share, 'launch', 'flow.launch.py')
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'params_file',
                default_value=os.path.join(share, 'config', 'nav2.yaml'),
                description='Parameters of the node; one of your own needs the two lines of config/nav2.yaml, too.',
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(flow)),
        ]
    )
