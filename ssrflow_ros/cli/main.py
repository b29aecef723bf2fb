"""`ssrflow COMMAND ...`: finds the command, turns every failure into one line and an exit code.

A command is a module of this folder with two functions: `add_arguments(parser)` and `run(args)`,
which returns None or an exit code. It is imported only when it is called, so `--help` stays fast.

Exit codes: 0 done, 1 unexpected, 2 something that the user can put right, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SSRFlowError, did_you_mean
from ..process_memory import bound_memory, run_on_jemalloc
from .ending import Ending

COMMANDS = {
    'flow': 'flow between two files: .npy, .npz, .bin, .pcd or .ply in, .npz out',
    'bag': 'annotate a recording: rosbag2 in, rosbag2 with flow and markers out',
    'view': 'look at a recording, or at a live node, in the browser',
    'pack': 'make a recording of point cloud files',
    'simulate': 'make a labelled recording with the LiDAR simulator',
    'demo': 'play a recording through the live node and draw what it sees (needs ROS 2)',
    'bench': 'where the time goes on this machine: stages, blocks, alternatives, scaling',
    'doctor': 'look at a live system or a recording: what is wrong, and the cure',
    'train': 'train the network on simulated sweeps',
    'evaluate': 'score the method on labelled sweeps of any layout',
    'export': 'the network as an ONNX file, for onnxruntime and TensorRT',
    'adapt': 'adapt the network to a recording of your own, without labels',
    'ablate': 'train variants of the network on equal budgets and compare them',
}
_ESTIMATING = {'flow', 'bag', 'view', 'bench', 'evaluate'}  # work for long with large arrays, as the node does


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of the whole usage; no name may be empty, but a setting of text may.

    An empty name is a variable of a shell that is not set; as a path it would be the working folder.
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.register('type', None, _named)
        self.register('type', Path, lambda text: Path(_named(text)))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: error: {message} (see {self.prog} --help)\n')


def _named(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError('it is empty: give a name, or leave it out')
    return text


def main(argv: list[str] | None = None) -> int:
    """Run `ssrflow` with `argv` (default: the process's own); returns the exit code."""
    ending, its_own = Ending(), argv is None
    argv = sys.argv[1:] if argv is None else argv
    # Idle OpenMP threads that spin steal the core from others; read when torch is loaded.
    os.environ.setdefault('GOMP_SPINCOUNT', '0')
    _open_streams()
    try:
        if its_own and _ESTIMATING.intersection(argv[:1]) and not {'-h', '--help'}.intersection(argv):
            run_on_jemalloc()
        bound_memory(layers=256)  # a step of training asks for 130
        try:
            return _run(argv[0], argv[1:]) if argv and not argv[0].startswith('-') else _without_command(argv)
        finally:
            sys.stdout.flush()
    except BaseException as error:
        # Whatever an ending that was asked for has become on its way, it was the cause.
        if isinstance(error, KeyboardInterrupt) or ending.code is not None:
            return _fail(*ending.told, argv)
        return _failed(error, argv)
    finally:
        ending.over(for_good=its_own)


def _open_streams() -> None:
    """Let everything be printed, wherever it goes: to nobody, where a stream was closed, lest a file take its number;
    in signs that it knows, where it does not know all."""
    for name in 'stdout', 'stderr':
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, 'w'))
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == 'strict':
            stream.reconfigure(errors='backslashreplace')


def _failed(error: BaseException, argv: list[str]) -> int:
    if isinstance(error, SSRFlowError):
        return _fail(2, str(error), argv)
    if isinstance(error, OSError) and error.filename is not None:
        return _fail(2, f'{error.filename}: {error.strerror}: check the name, the space and the rights there', argv)
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has enough; keep Python from complaining once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, Exception):
        return _fail(
            1, f'unexpected {type(error).__name__}: {error}: please report it with the output of --traceback', argv
        )
    raise error


def _run(name: str, argv: list[str]) -> int:
    if name not in COMMANDS:
        raise SSRFlowError(
            f"there is no command '{name}': " + did_you_mean(name, COMMANDS, f'known are {", ".join(COMMANDS)}')
        )
    command = importlib.import_module(f'.{name}', __package__)
    parser = _Parser(
        prog=f'ssrflow {name}', description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    parser.add_argument('--traceback', action='store_true', help='on failure, show where it happened')
    return command.run(parser.parse_args(argv)) or 0


def _without_command(argv: list[str]) -> int:
    from .. import __version__

    listing = '\n'.join(f'  {name:10} {what}' for name, what in COMMANDS.items())
    parser = _Parser(
        prog='ssrflow',
        usage='ssrflow [-h] [--version] COMMAND ...',
        description='LiDAR scene flow: what moves, where to, how fast.',
        epilog=f'commands:\n{listing}\n\n"ssrflow COMMAND --help" tells more.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'ssrflow {__version__}')
    parser.parse_args(argv)
    parser.print_help()
    return 0 if argv else 2


def _fail(code: int, message: str, argv: list[str]) -> int:
    if '--traceback' in argv:
        traceback.print_exc()
    print(f'ssrflow: error: {" ".join(message.split())}', file=sys.stderr)
    return code
