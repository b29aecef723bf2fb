"""Starts the flow node on a live topic or on a recording, with RViz if you like.

    ros2 launch ssrflow_ros flow.launch.py points:=/my/topic rviz:=true
    ros2 launch ssrflow_ros flow.launch.py points:=/points bag:=/path/to/bag rviz:=true
"""
import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

TRUE_OR_FALSE = ['true', 'false']
# Name, default, description, choices. An empty default leaves it to params_file and the node's own default.
ARGUMENTS = (
    ('points', 'points', 'Topic of the LiDAR (sensor_msgs/PointCloud2).', None),
    ('odometry', 'odometry',
     "Topic of the sensor's odometry (nav_msgs/Odometry), if ego_motion is odometry.", None),
    ('ego_motion', '', "Where the sensor's own motion comes from: scan_matching, odometry or none.", None),
    ('weights', '', 'Shipped weights by name, or the path of a .safetensors file.', None),
    ('device', '', 'Where the network runs: auto, cpu, cuda or cuda:N.', None),
    ('params_file', '', 'YAML with parameters, like config/ssrflow.yaml; arguments given here win.', None),
    ('namespace', '', 'Namespace of the node: one for each LiDAR.', None),
    ('rviz', 'false', 'Also start RViz.', TRUE_OR_FALSE),
    ('rviz_config', '', "RViz configuration; empty: the package's.", None),
    ('rviz_frame', 'lidar', "Fixed frame of RViz: the clouds', or one that tf connects with it.", None),
    ('bag', '', 'Recording to play (ros2 bag play); empty: a live topic.', None),
    ('bag_rate', '1.0', 'Speed at which the recording is played.', None),
    ('bag_loop', 'false', 'Play the recording again and again.', TRUE_OR_FALSE),
    ('use_sim_time', 'auto', 'Take the time from /clock; auto: with a bag, not with a live topic.',
     ['auto', *TRUE_OR_FALSE]),
    ('log_level', 'info', 'Least severity that is logged.', ['debug', 'info', 'warn', 'error', 'fatal']),
    ('respawn', 'false', 'Start the node again when it ends.', TRUE_OR_FALSE),
)
# Arguments that are parameters of the node.
PARAMETERS = ('ego_motion', 'weights', 'device')


def generate_launch_description():
    """Declare every argument, then start what they ask for."""
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description, choices=choices)
          for name, default, description, choices in ARGUMENTS),
        OpaqueFunction(function=_start),
    ])


def _start(context):
    given = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    share = get_package_share_directory('ssrflow_ros')
    environment = _environment(os.path.join(share, 'config', 'fastdds.xml'))
    sim_time = given['use_sim_time'] == 'true' or given['use_sim_time'] == 'auto' and bool(given['bag'])
    # The last one wins, so that an argument goes before the file.
    parameters = [given['params_file']] if given['params_file'] else []
    parameters.append({'use_sim_time': sim_time, **{name: given[name] for name in PARAMETERS if given[name]}})

    actions = [Node(
        package='ssrflow_ros', executable='flow_node', name='ssrflow', namespace=given['namespace'],
        parameters=parameters, remappings=[('points', given['points']), ('odometry', given['odometry'])],
        ros_arguments=['--log-level', given['log_level']],
        additional_env={**environment, 'GOMP_SPINCOUNT': os.environ.get('GOMP_SPINCOUNT', '0')},
        respawn=given['respawn'] == 'true', respawn_delay=2.0, output='screen', emulate_tty=True)]
    if given['bag']:
        command = ['ros2', 'bag', 'play', given['bag'], '--clock', '--rate', given['bag_rate']]
        actions.append(ExecuteProcess(cmd=command + ['--loop'] * (given['bag_loop'] == 'true'),
                                      additional_env=environment, output='screen'))
    if given['rviz'] == 'true':
        config = given['rviz_config'] or os.path.join(share, 'rviz', 'flow.rviz')
        actions.append(Node(
            package='rviz2', executable='rviz2', name='rviz', namespace=given['namespace'],
            arguments=['-d', config, '-f', given['rviz_frame']], parameters=[{'use_sim_time': sim_time}],
            # The configuration names absolute topics; relative ones follow the namespace.
            remappings=[('/ssrflow/flow', 'ssrflow/flow'), ('/ssrflow/markers', 'ssrflow/markers'),
                        ('/points', given['points'])],
            additional_env=environment, output='screen'))
    return actions


def _environment(profile):
    """Fast DDS' defaults lose large best-effort clouds; a profile that the user has set stays."""
    names = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
    return {} if any(os.environ.get(name) for name in names) else dict.fromkeys(names, profile)
