"""What a command tells before this machine's first use of the method."""

from __future__ import annotations

import sys


def tell_if_cold() -> None:
    """Say on stderr that the first pair waits for the loops, where they have yet to be compiled.

    To be called before anything is simulated: the ray caster is compiled by itself, and would hide that they are not.
    """
    from ..kernels import interpolation  # noqa: F401  of every pair, whatever the settings
    from ..kernels.compiled import COMPILING, are_cold

    if are_cold():
        print(f'ssrflow: {COMPILING}', file=sys.stderr, flush=True)
