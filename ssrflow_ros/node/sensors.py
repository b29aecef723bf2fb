"""What is known of common sensors and their drivers: a params file for each in config/sensors. No ROS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, did_you_mean
from .share import share_file

_ANY = 'config/sensors/ouster.yaml'  # by which the folder is found


class Sensor(NamedTuple):
    """params_file: of the node, lowest in rank; points: the topic on which its driver publishes."""

    params_file: Path
    points: str


def sensor_names() -> list[str]:
    """What can be asked for."""
    return sorted(file.stem for file in share_file(_ANY).parent.glob('*.yaml'))


def sensor(name: str) -> Sensor:
    """The sensor of that name; InputError with the nearest known one."""
    names = sensor_names()
    if name not in names:
        raise InputError(f'sensor:={name} is not known: ' + did_you_mean(name, names, f'known are {", ".join(names)}'))
    file = share_file(f'config/sensors/{name}.yaml')
    topic = re.search(r'^# points: (\S+)$', file.read_text(), re.MULTILINE)
    return Sensor(file, topic[1] if topic else 'points')
