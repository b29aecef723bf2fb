"""A network of our own: a ROS domain that nobody else on this machine uses. No ROS."""
from __future__ import annotations

import random
import socket

from ..errors import InputError
from .distribution import this_machine_only, with_profile
from .share import share_file


def private_network() -> dict[str, str]:
    """Variables that keep DDS to this machine and to a domain of our own, with room for large clouds."""
    return {'ROS_DOMAIN_ID': str(free_domain()), **this_machine_only(),
            **with_profile(str(share_file('config/fastdds.xml')))}


def free_domain() -> int:
    """A number for ROS_DOMAIN_ID, drawn from 1 to 100 until its ports are free.

    The first participant of domain d listens at UDP port 7400 + 250 d + 10 (DDS-RTPS 9.6.2.3); above
    domain 100 Linux gives such ports to anybody.
    """
    for domain in random.SystemRandom().sample(range(1, 101), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', 7400 + 250 * domain + 10))
            except OSError:
                continue
            return domain
    raise InputError('all ROS domains from 1 to 100 are in use on this machine: end some ROS processes')
