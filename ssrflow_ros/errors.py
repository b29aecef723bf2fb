"""The one exception family: every message names the cause and the cure in one line."""

import difflib
import re
from typing import Iterable

LONGEST = 2000
"""Characters of a message; of a longer one the middle is left out."""
CAUSES = 3
"""Kinds of messages with the same reason that are told; further ones are only counted."""


class SSRFlowError(Exception):
    """Something that the user can put right; `str(error)` is one line: cause, then cure.

    Names out of files and messages of strangers are shown as they are, but never break the line or steer a terminal.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > LONGEST:
            text = f'{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}'
        return (
            text if text.isprintable() else ''.join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
        )


class InputError(SSRFlowError):
    """A file, message or array that cannot be read as a LiDAR sweep."""


class PairError(SSRFlowError):
    """Two sweeps that do not make a pair: equal stamps, too long a gap, another frame."""


class EgoMotionError(SSRFlowError):
    """The sensor's own motion between two sweeps could not be found; identity is never assumed."""


class WeightsError(SSRFlowError):
    """Weights that are missing, damaged, or made for another network."""


def in_short(error: BaseException) -> str:
    """What an error of others says first, or its type: a part of a line of ours."""
    return (str(error).strip().splitlines() or [''])[0].rstrip('.')[:120] or type(error).__name__


def kind_of(message: object) -> str:
    """What `message` has in common with those that differ in their numbers alone: of one cause each has its own."""
    return re.sub(r'\d+', '#', str(message))


def did_you_mean(name: str, known: Iterable[str], otherwise: str, where: str = '') -> str:
    """The end of a message about an unknown `name`: the nearest of the `known` ones, after `where`, or `otherwise`."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{where}{near[0]}'?" if near else otherwise
