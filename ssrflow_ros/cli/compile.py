"""`ssrflow compile`: make the network quicker on this machine's CPU, once.

    ssrflow compile                           # for the number of points that the node takes
    ssrflow compile --network-points 2048     # one that you set

Takes some minutes of one core and a C++ compiler. The node and all other commands then take what was made, on this
machine, for this number of points and threads, with any weights of this shape; --no-compiled, or the parameter
compiled: false, does without. It is to be made anew after an update of this package or of torch.
"""

from __future__ import annotations

import argparse
import os
import shutil

from ..errors import InputError
from ..settings import Settings
from .options import add_settings, settings_from

_SETTINGS = 'weights', 'network_points', 'threads'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, without={row.name for row in Settings.table()}.difference(_SETTINGS))


def run(args: argparse.Namespace) -> None:
    # torch says so too, after a minute of tracing.
    if not any(map(shutil.which, (os.environ.get('CXX', 'g++'), 'clang++'))):
        raise InputError('there is no C++ compiler: sudo apt install g++, or name one in the environment variable CXX')
    from ..inference.compiled import compile_network
    from ..scene_flow import SceneFlow

    settings = settings_from(args, device='cpu', compiled=False)
    method = SceneFlow(settings)
    print(f'compiling the network of {settings.network_points} points ...', flush=True)
    made = compile_network(method.inference.network, settings.network_points)
    print(
        f'written: {made.path} ({made.path.stat().st_size / 1e6:.0f} MB)\n'
        f'the network takes {made.after_ms:.0f} ms instead of {made.before_ms:.0f}; '
        f'its flow differs by at most {made.difference:.1e} m'
    )
