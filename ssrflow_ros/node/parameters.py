"""The rows of the settings table as ROS parameters: declared, checked, and changed while running."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from ..errors import InputError, did_you_mean
from ..settings import Parameter, Settings, current_names
from .distribution import check_then_apply

_ROS_TYPES = {
    str: ParameterType.PARAMETER_STRING,
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
}
# Parameters of rclpy's own, which need not be declared when we look for misspelt ones.
_OF_RCLPY = ('use_sim_time', 'start_type_description_service')


def files_first(arguments: list[str]) -> list[str]:
    """A process's `arguments` with every `--params-file FILE` moved to the front of its ROS arguments.

    rcl lets the last one win; single parameters on the command line shall.
    """
    if '--ros-args' not in arguments:
        return arguments
    begin = arguments.index('--ros-args') + 1
    files: list[str] = []
    others: list[str] = []
    rest = iter(arguments[begin:])
    for word in rest:
        (files if word == '--params-file' else others).append(word)
        if word == '--params-file':
            files += itertools.islice(rest, 1)
    return [*arguments[:begin], *files, *others]


def declare_settings(node: Node) -> Settings:
    """Declare every row of the table on `node`; returns the Settings that the overrides ask for.

    Raises InputError with the rule that an override breaks. An override in a double's place may be
    an integer; one by a parameter's former name is taken with a warning, one of a parameter that is gone ignored with a
    warning. One that fits no parameter is warned about, since rclpy would ignore it in silence.
    """
    # rclpy has no public way to see overrides that nobody declared.
    overrides = current_names(
        {name: parameter.value for name, parameter in node._parameter_overrides.items()}, node.get_logger().warning
    )
    values = {row.name: row.check(overrides.get(row.name, row.default)) for row in Settings.table()}
    for row in Settings.table():
        node.declare_parameter(row.name, values[row.name], _descriptor(row), ignore_override=True)
    _warn_of_misspelt(node, overrides)
    return Settings(**values)


def follow_changes(node: Node, apply: Callable[[Settings], None], is_active: Callable[[], bool]) -> None:
    """From now on check each change of a parameter, and hand the new Settings to `apply`.

    A change that breaks a rule is refused with the rule as the reason; so is one of what is not `live` while the node
    `is_active`.
    """
    table = {row.name: row for row in Settings.table()}

    def settings_with(parameters: list[RosParameter]) -> Settings:
        values = {name: node.get_parameter(name).value for name in table}
        return Settings(**{**values, **{p.name: p.value for p in parameters if p.name in table}})

    def check(parameters: list[RosParameter]) -> SetParametersResult:
        for name in (p.name for p in parameters if p.name in table):
            if not table[name].live and is_active():
                return SetParametersResult(
                    successful=False,
                    reason=(
                        f'{name}: not while the node is active: '
                        f'ros2 lifecycle set {node.get_fully_qualified_name()} deactivate'
                    ),
                )
        try:
            settings_with(parameters)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    check_then_apply(node, check, lambda parameters: apply(settings_with(parameters)))


def check_settable(node: Node, parameters: list[RosParameter]) -> None:
    """InputError, with the cure, if one of them cannot be set while `node` runs, or not to that value.

    To be asked before rclpy is, whose own words name no cure, and of a parameter that does not exist not even the name.
    """
    table = {row.name: row for row in Settings.table()}
    for name, value in ((parameter.name, parameter.value) for parameter in parameters):
        row = table.get(name)
        if row is not None and not (row.live or row.idle):
            raise InputError(f'{name}: read-only while the node runs: start it anew with -p {name}:=VALUE')
        if row is not None:
            row.check(value)
        elif not node.has_parameter(name):
            raise InputError(f"there is no parameter '{name}': " + did_you_mean(name, table, 'see docs/parameters.md'))


def _descriptor(row: Parameter) -> ParameterDescriptor:
    # A double that is typed dynamically also takes an integer; our own check keeps the type.
    descriptor = ParameterDescriptor(
        name=row.name,
        type=_ROS_TYPES[row.type],
        description=row.description,
        read_only=not (row.live or row.idle),
        dynamic_typing=row.type is float,
    )
    rules = [f'[{row.unit}]' if row.unit else '', f'one of {", ".join(row.choices)}' if row.choices else '']
    descriptor.additional_constraints = ' '.join(filter(None, rules))
    if row.low is not None and row.type is int:
        descriptor.integer_range = [IntegerRange(from_value=row.low, to_value=row.high, step=0)]
    elif row.low is not None and row.high is not None:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(row.low), to_value=float(row.high), step=0.0)
        ]
    return descriptor


def warn_of_silent_files(node: Node, arguments: list[str]) -> None:
    """Warn of each `--params-file` in a process's `arguments` that has nothing for `node`; rcl says nothing."""
    import yaml

    for word, file in zip(arguments, arguments[1:]):
        if word == '--params-file':
            with open(file) as text:
                names = set(_names(yaml.safe_load(text)))
            if not any(name.split('.')[0] in names for name in node._parameter_overrides):
                sections = 'it is empty' if not names else 'its sections name other nodes'
                node.get_logger().warning(
                    f'{file} says nothing to {node.get_fully_qualified_name()} ({sections}): write lines of '
                    "'name: value' under '/**:' and 'ros__parameters:', as config/ssrflow.yaml shows"
                )


def _names(found: Any) -> Iterator[str]:
    """First words of the names of all parameters in what a params file holds."""
    for key, value in found.items() if isinstance(found, dict) else ():
        if key == 'ros__parameters':
            yield from (name.split('.')[0] for name in value or {})
        else:
            yield from _names(value)


def _warn_of_misspelt(node: Node, overrides: dict[str, Any]) -> None:
    known = [row.name for row in Settings.table()]
    for name in overrides:
        if name in known or name in _OF_RCLPY or name.startswith('qos_overrides.'):
            continue
        node.get_logger().warning(
            f"there is no parameter '{name}', so it changes nothing: "
            + did_you_mean(name, known, 'see docs/parameters.md')
        )
