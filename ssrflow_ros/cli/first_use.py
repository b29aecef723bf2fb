"""What a command does before this machine's first use of the method."""

from __future__ import annotations

import sys


def compile_if_cold() -> None:
    """Compile the loops where they have yet to be, and say so on stderr, with a bar where that is a terminal.

    To be called before anything is simulated or read, so that whoever waits is told at once.
    """
    from tqdm import tqdm

    from ..compilation import ColdKernels

    cold = ColdKernels()
    if cold.message:
        print(f'ssrflow: {cold.message}', file=sys.stderr, flush=True)
    for _ in tqdm(cold, 'compiling', unit=' files', disable=None if len(cold) else True):
        pass
