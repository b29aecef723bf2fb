"""Starts the flow node on a live topic or on a recording, with RViz if you like.

    ros2 launch ssrflow_ros flow.launch.py points:=/my/topic rviz:=true
    ros2 launch ssrflow_ros flow.launch.py points:=/points bag:=/path/to/bag rviz:=true
    ros2 launch ssrflow_ros flow.launch.py points:='/front/points /rear/points' namespace:='front rear'

RViz waits for the first cloud, whose frame it takes or, in another fixed frame, follows; a recording waits until the
node is active. If the node ends, everything ends, with exit code 1 if the node failed. A file that includes this one
goes on.
"""

import os
import shlex
import sys

from ament_index_python import has_resource
from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription
from ssrflow_ros.node.distribution import profile, with_profile
from ssrflow_ros.node.launch_arguments import ARGUMENTS, read_arguments, refuse_unknown

PACKAGE = 'ssrflow_ros'
NODE = 'ssrflow'
# Topics of the node that RViz draws.
OUTPUTS = ('flow', 'markers', 'objects', 'tracks', 'ground', 'static', 'moving', 'ego_odometry')


def generate_launch_description():
    """Declare every argument, then start what they ask for."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(argument.name, default_value=argument.default, description=argument.help)
                for argument in ARGUMENTS
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context):
    if _is_started_by(sys.argv):
        refuse_unknown(context.argv)
    request = read_arguments(context.launch_configurations, lambda package: bool(has_resource('packages', package)))
    share = get_package_share_directory(PACKAGE)
    environment = _environment(os.path.join(share, 'config', 'fastdds.xml'))
    config = request.rviz_config or os.path.join(share, 'rviz', 'flow.rviz')

    nodes = [_flow_node(points, namespace, request, environment) for points, namespace in request.lidars]
    actions = list(nodes)
    if request.rviz:
        actions += [_rviz(points, namespace, config, request, environment) for points, namespace in request.lidars]
    if request.play:
        actions.append(OpaqueFunction(function=_bag, args=[nodes, request, environment]))
    return actions


def _is_started_by(argv):
    """Whether the command line `argv` is this file's; that of a file that includes it has arguments of its own."""
    by_path = os.path.realpath(__file__) in map(os.path.realpath, argv)
    return by_path or (PACKAGE, os.path.basename(__file__)) in zip(argv, argv[1:])


def _flow_node(points, namespace, request, environment):
    # The last one wins, so that an argument goes before the file.
    # RViz draws the colours, which cost a field of the cloud; the file may still say no.
    parameters = [{'rgba': True}] if request.rviz else []
    parameters += [request.sensor_file] if request.sensor_file else []
    parameters += [request.params_file] if request.params_file else []
    parameters.append({'use_sim_time': request.sim_time})
    parameters += [{name: ParameterValue(value, value_type=type(value))} for name, value in request.parameters.items()]
    return Node(
        package=PACKAGE,
        executable='flow_node',
        name=NODE,
        namespace=namespace,
        parameters=parameters,
        remappings=[('points', points), ('odometry', request.odometry)],
        ros_arguments=['--log-level', request.log_level],
        additional_env={**environment, 'GOMP_SPINCOUNT': os.environ.get('GOMP_SPINCOUNT', '0')},
        respawn=request.respawn,
        respawn_delay=2.0,
        on_exit=None if request.respawn else _end_everything,
        output='screen',
        emulate_tty=True,
    )


def _rviz(points, namespace, config, request, environment):
    # In the clouds' own frame the view stands still with the robot; in another it has to follow it.
    follows = bool(request.rviz_frame) and not request.rviz_config
    # The configuration names absolute topics; relative ones follow the namespace.
    remappings = [(f'/{NODE}/{output}', f'{NODE}/{output}') for output in OUTPUTS] + [('/points', points)]
    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=namespace,
        exec_name='rviz2',
        prefix=_when('cloud', *([config] if follows else [])),
        arguments=[
            *('-d', '{config}' if follows else config),
            *('-f', request.rviz_frame or '{frame}'),
            *('-t', f'{" ".join(filter(None, [namespace, points]))} - RViz'),
        ],
        # RViz removes a cloud when its clock has gone on. The clock of a recording stops at its end, and what comes
        # after that, which is the node's last sweeps, would pile up.
        parameters=[{'use_sim_time': request.sim_time and (not request.play or '--loop' in request.play)}],
        remappings=remappings,
        additional_env=environment,
        output='screen',
    )


def _bag(context, nodes, request, environment):
    # The nodes run, so they know their whole names, also where a file that includes this one pushes a namespace.
    return [
        ExecuteProcess(
            cmd=list(request.play),
            name='ros2_bag_play',
            prefix=_when('active', *(node.node_name for node in nodes)),
            additional_env=environment,
            on_exit=_end_after_failure,
            output='screen',
        )
    ]


def _when(*event):
    """The words before a command that has to wait."""
    return shlex.join([sys.executable, '-m', 'ssrflow_ros.node.start_when', *event, '--'])


def _end_after_failure(event, context):
    # An exception is what makes launch end everything else and give exit code 1.
    if event.returncode and _may_end_everything(context):
        raise RuntimeError(f'{event.process_name} ended with code {event.returncode}: its last lines say why')


def _end_everything(event, context):
    _end_after_failure(event, context)
    return Shutdown(reason=f'{event.process_name} ended') if _may_end_everything(context) else None


def _may_end_everything(context):
    # A file that includes this one may have started a whole robot.
    return not context.is_shutdown and _is_started_by(sys.argv)


def _environment(path):
    """Fast DDS' defaults lose large best-effort clouds; a profile that the user has set stays."""
    return {} if profile() else with_profile(path)
