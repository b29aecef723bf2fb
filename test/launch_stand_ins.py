"""As much of launch and launch_ros as the launch file needs: actions that keep what they were made with.

The real ones, which PyPI lacks, tell neither the parameters of a node nor its remappings; with them the launch file
runs in test_ros2_launch.py.
"""

import importlib.util
import sys
import types
from pathlib import Path

PATH = Path(__file__).resolve().parents[1] / 'launch' / 'flow.launch.py'
SHARE = '/share/ssrflow_ros'


class Action:
    def __init__(self, *positional, **named):
        self.positional = positional
        self.__dict__.update(named)


class Node(Action):
    @property
    def node_name(self):
        return '/' + '/'.join(filter(None, [self.namespace, self.name]))


def kind(name, base=Action):
    return type(name, (base,), {})


def launch_file(monkeypatch, installed=('rviz2', 'ros2bag')):
    """The launch file as a module, on a machine with the `installed` packages."""
    modules = {
        'launch': {'LaunchDescription': list},
        'launch.actions': {
            name: kind(name) for name in ('DeclareLaunchArgument', 'ExecuteProcess', 'OpaqueFunction', 'Shutdown')
        },
        'launch_ros': {},
        'launch_ros.actions': {'Node': Node},
        'launch_ros.parameter_descriptions': {'ParameterValue': lambda value, value_type: value_type(value)},
        'ament_index_python': {'has_resource': lambda what, name: name in installed},
        'ament_index_python.packages': {'get_package_share_directory': lambda name: SHARE},
    }
    for name, members in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location('flow_launch', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_launch_file(module, command_line=(), **given):
    """The actions that the launch file ends with, for the arguments `given`, in their order."""
    *declared, start = module.generate_launch_description()
    configurations = {action.positional[0]: action.default_value for action in declared}
    context = types.SimpleNamespace(launch_configurations={**configurations, **given}, argv=list(command_line))
    return list(_visit(start, context))


def _visit(action, context):
    if type(action).__name__ != 'OpaqueFunction':
        yield action
        return
    for result in action.function(context, *getattr(action, 'args', ())):
        yield from _visit(result, context)
