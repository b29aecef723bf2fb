"""The arguments of the launch file, and what they ask for. What cannot be is refused before anything starts. No ROS."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping

from ..errors import InputError, did_you_mean
from ..settings import Settings
from .distribution import debian_package
from .sensors import sensor

_POINTS = 'points'
BOOLEAN = ('true', 'false')


@dataclass(frozen=True)
class Argument:
    """One `name:=value` of the launch file; launch knows only text."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The description, and the choices where there are some."""
        return self.description + (f' One of {", ".join(self.choices)}.' if self.choices else '')

    def check(self, value: str) -> str:
        """`value`, a choice in lower case; raises InputError for none of the choices."""
        if not self.choices or value == self.default:
            return value
        if value.lower() not in self.choices:
            raise InputError(f'{self.name}:={value}: choose from {", ".join(self.choices)}')
        return value.lower()


_TABLE = {row.name: row for row in Settings.table()}


def _parameter(name: str, description: str) -> Argument:
    # Empty by default, which leaves it to params_file and the node's own default.
    row = _TABLE[name]
    return Argument(name, '', description, BOOLEAN if row.type is bool else row.choices)


PARAMETERS = (
    _parameter('ego_motion', "Where the sensor's own motion comes from."),
    _parameter('fixed_frame', "Frame that stands still, to which tf leads from the clouds', if ego_motion is tf."),
    _parameter('weights', 'Shipped weights by name, or the path of a .safetensors file.'),
    _parameter('device', 'Where the network runs: auto, cpu, cuda or cuda:N.'),
    _parameter(
        'rgba',
        'Give every point of ~/flow the colour of its direction and speed, which RViz draws; empty: with rviz:=true.',
    ),
    _parameter('autostart', 'true: the node configures and activates itself; false: a lifecycle manager does.'),
)
"""Arguments that are parameters of the node."""

ARGUMENTS = (
    Argument(
        'points',
        _POINTS,
        'Topic of the LiDAR (sensor_msgs/PointCloud2). Of several LiDARs: their topics, a space between them.',
    ),
    Argument(
        'sensor',
        '',
        'Sensor and driver, by the name of a file in config/sensors: its topic and what is known of its clouds; what '
        'is given besides wins.',
    ),
    Argument('namespace', '', 'Namespace of the node. Of several LiDARs: one for each, a space between them.'),
    Argument('odometry', 'odometry', 'Topic of the odometry (nav_msgs/Odometry), if ego_motion is odometry.'),
    *PARAMETERS,
    Argument('params_file', '', 'YAML with parameters, like config/ssrflow.yaml; arguments given here win.'),
    Argument('rviz', 'false', 'Also start RViz when the first cloud comes, a window for each LiDAR.', BOOLEAN),
    Argument('rviz_config', '', "RViz configuration; empty: the package's."),
    Argument('rviz_frame', '', "Fixed frame of RViz: one that tf connects with the clouds'; empty: the clouds' own."),
    Argument('bag', '', 'Recording to play (ros2 bag play) once the node is active; empty: a live topic.'),
    Argument('bag_rate', '1.0', 'Speed at which the recording is played.'),
    Argument('bag_loop', 'false', 'Play the recording again and again.', BOOLEAN),
    Argument(
        'use_sim_time',
        'auto',
        'Take the time from /clock; auto: with a bag, not with a live topic.',
        ('auto', *BOOLEAN),
    ),
    Argument('log_level', 'info', 'Least severity that is logged.', ('debug', 'info', 'warn', 'error', 'fatal')),
    Argument('respawn', 'false', 'Start the node again when it ends; without, everything ends with it.', BOOLEAN),
)

_OF_LAUNCH = (
    'launch-prefix',
    'launch-prefix-filter',
    'emulate_tty',
    'sigterm_timeout',
    'sigkill_timeout',
    'ros_namespace',
)
"""Arguments that launch and launch_ros take by themselves."""


@dataclass(frozen=True)
class Request:
    """What is to be started."""

    lidars: tuple[tuple[str, str], ...]
    """(topic, namespace) of each."""
    odometry: str
    parameters: dict[str, Any]
    """Of the node, as far as they were given."""
    sensor_file: str
    """Parameters of the sensor, which all others override."""
    params_file: str
    sim_time: bool
    log_level: str
    respawn: bool
    rviz: bool
    rviz_config: str
    rviz_frame: str
    play: tuple[str, ...]
    """The command that plays the recording; empty: none is played."""


def read_arguments(given: Mapping[str, str], is_installed: Callable[[str], bool]) -> Request:
    """What the arguments ask for.

    given         value of every argument by name; others are ignored.
    is_installed  whether there is a ROS package of that name.

    Raises InputError for whatever could not be started.
    """
    values = {argument.name: argument.check(given[argument.name]) for argument in ARGUMENTS}
    is_on = {name: value == 'true' for name, value in values.items()}
    bag = _existing(values, 'bag', 'give the folder or the file of a rosbag2 recording')
    _need(is_on['rviz'], 'rviz:=true', 'rviz2', is_installed)
    _need(bool(bag), f'bag:={values["bag"]}', 'ros2bag', is_installed)
    known = sensor(values['sensor']) if values['sensor'] else None
    points = known.points if known and values['points'] == _POINTS else values['points']
    return Request(
        lidars=_lidars(points, values['namespace']),
        odometry=values['odometry'],
        parameters={
            row.name: _TABLE[row.name].check(is_on[row.name] if row.choices == BOOLEAN else values[row.name])
            for row in PARAMETERS
            if values[row.name]
        },
        sensor_file=str(known.params_file) if known else '',
        params_file=_existing(values, 'params_file', 'give a YAML file like config/ssrflow.yaml', os.path.isfile),
        sim_time=is_on['use_sim_time'] or values['use_sim_time'] == 'auto' and bool(bag),
        log_level=values['log_level'],
        respawn=is_on['respawn'],
        rviz=is_on['rviz'],
        rviz_config=_existing(values, 'rviz_config', 'give a .rviz file', os.path.isfile),
        rviz_frame=values['rviz_frame'],
        play=_play(bag, _rate(values['bag_rate']), is_on['bag_loop']),
    )


def refuse_unknown(words: Iterable[str]) -> None:
    """Raise InputError if one of the `words` (`name:=value`) is no argument; launch would ignore it in silence."""
    known = [argument.name for argument in ARGUMENTS]
    for name in (word.split(':=')[0] for word in words):
        if name not in known and name not in _OF_LAUNCH:
            # topic:= is near to no name, but is what points:= is about.
            described = [argument.name for argument in ARGUMENTS if name.lower() in argument.description.lower()]
            raise InputError(
                f"there is no argument '{name}': "
                + did_you_mean(
                    name, known, f"did you mean '{described[0]}'?" if described else '--show-args lists them all'
                )
            )


def _lidars(points: str, namespaces: str) -> tuple[tuple[str, str], ...]:
    topics, names = points.split(), namespaces.split()
    if len(topics) == 1 and not names:
        names = ['']
    if not topics or len(topics) != len(names) or len(set(names)) < len(names):
        raise InputError(
            f"points:='{points}' with namespace:='{namespaces}': give a topic and a namespace of "
            "its own for each LiDAR, such as points:='/a/points /b/points' namespace:='a b'"
        )
    return tuple(zip(topics, names))


def _existing(values: Mapping[str, str], name: str, cure: str, exists: Callable[[str], bool] = os.path.exists) -> str:
    # The shell expands no ~ behind a :=.
    path = os.path.expanduser(values[name])
    if path and not exists(path):
        raise InputError(f'{name}:={values[name]}: there is no such file: {cure}')
    return path


def _rate(value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise InputError(f'bag_rate:={value}: give a number above 0, such as 0.5 for half the speed')
    return rate


def _need(wanted: bool, why: str, package: str, is_installed: Callable[[str], bool]) -> None:
    if wanted and not is_installed(package):
        raise InputError(f'{why}: {package} is not installed: sudo apt install {debian_package(package)}')


def _play(bag: str, rate: float, loop: bool) -> tuple[str, ...]:
    if not bag:
        return ()
    # In the first second the player's publishers and the node find each other. A loop would wait every time, and
    # what it loses comes again.
    return ('ros2', 'bag', 'play', bag, '--clock', '--rate', str(rate), *(('--loop',) if loop else ('--delay', '1.0')))
