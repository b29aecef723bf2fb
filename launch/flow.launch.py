"""Starts the flow node on a live topic or on a recording, with RViz if you like.

    ros2 launch ssrflow_ros flow.launch.py points:=/my/topic rviz:=true
    ros2 launch ssrflow_ros flow.launch.py points:=/points bag:=/path/to/bag rviz:=true
    ros2 launch ssrflow_ros flow.launch.py points:='/front/points /rear/points' namespace:='front rear'
"""
import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from ssrflow_ros.node.distribution import profile, with_profile

TRUE_OR_FALSE = ['true', 'false']
# Name, default, description, choices. An empty default leaves it to params_file and the node's own default.
ARGUMENTS = (
    ('points', 'points',
     'Topic of the LiDAR (sensor_msgs/PointCloud2). Of several LiDARs: their topics, a space between them.', None),
    ('namespace', '', 'Namespace of the node. Of several LiDARs: one for each, a space between them.', None),
    ('odometry', 'odometry', 'Topic of the odometry (nav_msgs/Odometry), if ego_motion is odometry.', None),
    ('ego_motion', '', "Where the sensor's own motion comes from: scan_matching, odometry, tf or none.", None),
    ('fixed_frame', '', "Frame that stands still, to which tf leads from the clouds', if ego_motion is tf.", None),
    ('weights', '', 'Shipped weights by name, or the path of a .safetensors file.', None),
    ('device', '', 'Where the network runs: auto, cpu, cuda or cuda:N.', None),
    ('params_file', '', 'YAML with parameters, like config/ssrflow.yaml; arguments given here win.', None),
    ('rviz', 'false', 'Also start RViz, a window for each LiDAR.', TRUE_OR_FALSE),
    ('rviz_config', '', "RViz configuration; empty: the package's.", None),
    ('rviz_frame', 'lidar', "Fixed frame of RViz: the clouds', or one that tf connects with it.", None),
    ('bag', '', 'Recording to play (ros2 bag play); empty: a live topic.', None),
    ('bag_rate', '1.0', 'Speed at which the recording is played.', None),
    ('bag_loop', 'false', 'Play the recording again and again.', TRUE_OR_FALSE),
    ('use_sim_time', 'auto', 'Take the time from /clock; auto: with a bag, not with a live topic.',
     ['auto', *TRUE_OR_FALSE]),
    ('autostart', '', 'true: the node configures and activates itself; false: a lifecycle manager does.', None),
    ('log_level', 'info', 'Least severity that is logged.', ['debug', 'info', 'warn', 'error', 'fatal']),
    ('respawn', 'false', 'Start the node again when it ends.', TRUE_OR_FALSE),
)
# Arguments that are parameters of the node, and their types.
PARAMETERS = {'ego_motion': str, 'fixed_frame': str, 'weights': str, 'device': str,
              'autostart': bool}
NODE = 'ssrflow'
# Topics of the node that RViz draws.
OUTPUTS = ('flow', 'markers', 'objects', 'ground', 'ego_odometry')


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

    actions = []
    for points, namespace in _lidars(given['points'], given['namespace']):
        actions.append(_flow_node(points, namespace, given, sim_time, environment))
        if given['rviz'] == 'true':
            config = given['rviz_config'] or os.path.join(share, 'rviz', 'flow.rviz')
            actions.append(_rviz(points, namespace, config, given['rviz_frame'], sim_time, environment))
    if given['bag']:
        command = ['ros2', 'bag', 'play', given['bag'], '--clock', '--rate', given['bag_rate']]
        actions.append(ExecuteProcess(cmd=command + ['--loop'] * (given['bag_loop'] == 'true'),
                                      additional_env=environment, output='screen'))
    return actions


def _lidars(points, namespaces):
    """(topic, namespace) of each LiDAR."""
    topics, names = points.split(), namespaces.split()
    if len(topics) == 1 and not names:
        names = ['']
    if not topics or len(topics) != len(names) or len(set(names)) < len(names):
        raise RuntimeError(f"points:='{points}' with namespace:='{namespaces}': give a topic and a namespace of "
                           "its own for each LiDAR, such as points:='/a/points /b/points' namespace:='a b'")
    return list(zip(topics, names))


def _flow_node(points, namespace, given, sim_time, environment):
    # The last one wins, so that an argument goes before the file.
    # RViz draws the colours, which cost a field of the cloud; the file may still say no.
    parameters = [{'rgba': True}] if given['rviz'] == 'true' else []
    parameters += [given['params_file']] if given['params_file'] else []
    parameters.append({'use_sim_time': sim_time})
    parameters += [{name: ParameterValue(given[name], value_type=kind)}
                   for name, kind in PARAMETERS.items() if given[name]]
    return Node(
        package='ssrflow_ros', executable='flow_node', name=NODE, namespace=namespace,
        parameters=parameters, remappings=[('points', points), ('odometry', given['odometry'])],
        ros_arguments=['--log-level', given['log_level']],
        additional_env={**environment, 'GOMP_SPINCOUNT': os.environ.get('GOMP_SPINCOUNT', '0')},
        respawn=given['respawn'] == 'true', respawn_delay=2.0, output='screen', emulate_tty=True)


def _rviz(points, namespace, config, frame, sim_time, environment):
    # The configuration names absolute topics; relative ones follow the namespace.
    remappings = [(f'/{NODE}/{output}', f'{NODE}/{output}') for output in OUTPUTS] + [('/points', points)]
    return Node(
        package='rviz2', executable='rviz2', name='rviz', namespace=namespace,
        arguments=['-d', config, '-f', frame], parameters=[{'use_sim_time': sim_time}],
        remappings=remappings, additional_env=environment, output='screen')


def _environment(path):
    """Fast DDS' defaults lose large best-effort clouds; a profile that the user has set stays."""
    return {} if profile() else with_profile(path)
