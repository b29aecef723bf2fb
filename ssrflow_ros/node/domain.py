"""A network of our own: a ROS domain that nobody else on this machine uses. No ROS."""

from __future__ import annotations

import random
import socket
from contextlib import contextmanager
from typing import Iterator

from ..errors import InputError
from .distribution import this_machine_only, with_profile
from .share import share_file

_PARTICIPANTS = 60
"""More than there are in one domain: each is a process, or a part of one."""


@contextmanager
def private_network() -> Iterator[dict[str, str]]:
    """Variables that keep DDS to this machine and to a domain of our own, with room for large clouds."""
    with reserved_domain() as domain:
        yield {
            'ROS_DOMAIN_ID': str(domain),
            **this_machine_only(),
            **with_profile(str(share_file('config/fastdds.xml'))),
        }


@contextmanager
def reserved_domain() -> Iterator[int]:
    """A number for ROS_DOMAIN_ID, from 1 to 100, that nobody else on this machine draws until the block ends.

    Domain d owns the UDP ports from 7400 + 250 d on (DDS-RTPS 9.6.2.3). Its participants listen at the tenth, the
    twelfth and so on, and one that is left over keeps its port: where any is taken the domain is in use. None listens
    at the ninth: whoever holds that has reserved the domain, until it ends, however it ends. Above domain 100 Linux
    gives such ports to anybody.
    """
    for domain in random.SystemRandom().sample(range(1, 101), 100):
        reservation = _bound(7400 + 250 * domain + 9)
        if reservation is None:
            continue
        with reservation:
            if all(_is_free(7400 + 250 * domain + 10 + 2 * number) for number in range(_PARTICIPANTS)):
                yield domain
                return
    raise InputError('all ROS domains from 1 to 100 are in use on this machine: end some ROS processes')


def _is_free(port: int) -> bool:
    held = _bound(port)
    if held is not None:
        held.close()
    return held is not None


def _bound(port: int) -> socket.socket | None:
    """A UDP socket at `port`; None if somebody else has it."""
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        held.bind(('', port))
    except OSError:
        held.close()
        return None
    return held
