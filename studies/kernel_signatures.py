"""What a stream calls its kernels with, for `kernels/signatures.py`: `python -m studies.kernel_signatures`.

Writes that file anew. A first start compiles what it lists side by side; what it lacks is compiled when it is called.
Uses are the warm-up of the node, and `ssrflow bag` on short simulated recordings of several sensors and settings.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from numba import types

import ssrflow_ros.kernels as kernels
from ssrflow_ros.cli.main import main as ssrflow
from ssrflow_ros.kernels.signatures import SIGNATURES
from ssrflow_ros.node.warm_up import warm_up
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings

FILE = Path(kernels.__file__).with_name('signatures.py')
_APART = ('compiled', 'signatures', 'ray_casting')  # no kernels, and those of the simulator
_USES = (('os1_64', ('--static', '--moving')), ('vlp16', ()), ('mid360', ('--ego-motion=none',)))
_HEAD = '''# ruff: noqa: E501
"""What each kernel is called with in a stream: what a first start compiles. By `python -m studies.kernel_signatures`.

File, kernel, and numba's types of its arguments, of which there may be several sets: `float32[:, ::1]` is an array of
two axes, row after row in memory; a tuple is one argument.
"""

SIGNATURES: dict[str, dict[str, list[str]]] = {
'''


def play() -> None:
    """Use the method in every way that a stream may, every kernel compiled as it is called."""
    SIGNATURES.clear()  # what it lists may be of kernels that are no more
    settings = Settings()
    warm_up(SceneFlow(settings), settings)
    with tempfile.TemporaryDirectory() as folder:
        for number, (sensor, options) in enumerate(_USES):
            recording, out = f'{folder}/{number}', f'{folder}/{number}_out'
            made = ssrflow(['simulate', '-o', recording, '--sweeps', '5', '--seed', str(number), '--sensor', sensor])
            done = made or ssrflow(['bag', recording, '-o', out, *options])
            if done:
                sys.exit(f'{sensor} {options}: ended with {done}')


def signatures() -> dict[str, dict[str, list[str]]]:
    """Of every kernel that this process has called, or compiled, sorted by name."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted(FILE.parent.glob('*.py')):
        module = importlib.import_module(f'{kernels.__name__}.{file.stem}')
        for name, function in sorted(vars(module).items()):
            if file.stem not in _APART and getattr(function, 'signatures', ()):
                own = sorted(', '.join(map(_written, types)) for types in function.signatures)
                found.setdefault(file.stem, {})[name] = own
    return found


def _written(kind: Any) -> str:
    """A type of numba's as `kernels/compiled.py` reads it."""
    if isinstance(kind, types.Array):
        axes = [':'] * kind.ndim
        if kind.layout in 'CF':
            axes[-1 if kind.layout == 'C' else 0] = '::1'
        return f'{_written(kind.dtype)}[{", ".join(axes)}]' if kind.mutable else f'read_only({kind})'
    if isinstance(kind, types.BaseTuple):
        name = getattr(kind, 'instance_class', tuple).__name__.replace('tuple', '')
        return f'{name}({", ".join(map(_written, kind))}{"" if name else ","})'
    return str(kind)


def main() -> None:
    if '--play' in sys.argv:
        play()
        print(signatures())
        return
    # Only what was called is loaded in the second process; the first one has compiled what those call, too.
    for _ in range(2):
        told = subprocess.run(
            [sys.executable, '-m', 'studies.kernel_signatures', '--play'], check=True, stdout=subprocess.PIPE, text=True
        )
    lines = []
    for file, own in eval(told.stdout.splitlines()[-1]).items():
        lines += [f'    {file!r}: {{']
        for name, listed in own.items():
            lines += [f'        {name!r}: [', *(f'            {one!r},' for one in listed), '        ],']
        lines += ['    },']
    FILE.write_text(_HEAD + '\n'.join(lines) + '\n}\n')
    subprocess.run(['ruff', 'format', '-q', FILE], check=True)


if __name__ == '__main__':
    main()
