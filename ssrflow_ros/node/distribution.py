"""Everything in which the ROS 2 distributions differ for us, Humble to Lyrical. No ROS.

| | Humble | Jazzy | Kilted and later |
|---|---|---|---|
| variable for the profile of Fast DDS | FASTRTPS_... | FASTRTPS_... | FASTDDS_... |
| keeping DDS to this machine | ROS_LOCALHOST_ONLY | ROS_AUTOMATIC_DISCOVERY_RANGE | the same |
| parameters are set in | one phase | two: check, then apply | two |
| Debian packages are called | ros-humble-... | ros-jazzy-... | ros-kilted-... |
| callbacks for QoS events are in | rclpy.qos_event | rclpy.event_handler | the same |

Messages, services and the lifecycle of the node are the same in all of them.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Callable, Mapping

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Each distribution looks at one of them and not at the other."""


def profile(environment: Mapping[str, str] = os.environ) -> str:
    """Path of the Fast DDS profile that is set; '' if none is."""
    return next(filter(None, (environment.get(name) for name in PROFILE_VARIABLES)), '')


def with_profile(path: str) -> dict[str, str]:
    """Variables that make Fast DDS take the profile at `path`."""
    return dict.fromkeys(PROFILE_VARIABLES, path)


def this_machine_only() -> dict[str, str]:
    """Variables that keep DDS to this machine; each distribution looks at one of them.

    Only Humble is given its own, since a newer one complains about it.
    """
    if os.environ.get('ROS_DISTRO') == 'humble':
        return {'ROS_LOCALHOST_ONLY': '1'}
    return {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def debian_package(name: str) -> str:
    """The Debian package that brings the ROS package `name`."""
    return f'ros-{os.environ.get("ROS_DISTRO", "<distribution>")}-{name.replace("_", "-")}'


def check_then_apply(node: Any, check: Callable[[list], Any], apply: Callable[[list], None]) -> None:
    """`check(parameters)` gives a SetParametersResult before a change, `apply(parameters)` follows a good one."""
    if hasattr(node, 'add_post_set_parameters_callback'):
        node.add_on_set_parameters_callback(check)
        node.add_post_set_parameters_callback(apply)
        return

    def check_and_apply(parameters: list) -> Any:
        # Nothing comes between the check and the setting.
        result = check(parameters)
        if result.successful:
            apply(parameters)
        return result

    node.add_on_set_parameters_callback(check_and_apply)


def event_callbacks() -> Any:
    """The module that has PublisherEventCallbacks and SubscriptionEventCallbacks."""
    try:
        return importlib.import_module('rclpy.event_handler')
    except ImportError:
        return importlib.import_module('rclpy.qos_event')
