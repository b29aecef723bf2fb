"""The one exception family: every message names the cause and the cure in one line."""
import difflib
from typing import Iterable


class SSRFlowError(Exception):
    """Something that the user can put right; `str(error)` is one line: cause, then cure."""


class InputError(SSRFlowError):
    """A file, message or array that cannot be read as a LiDAR sweep."""


class PairError(SSRFlowError):
    """Two sweeps that do not make a pair: equal stamps, too long a gap, another frame."""


class EgoMotionError(SSRFlowError):
    """The sensor's own motion between two sweeps could not be found; identity is never assumed."""


class WeightsError(SSRFlowError):
    """Weights that are missing, damaged, or made for another network."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about an unknown `name`: the nearest of the `known` ones, or `otherwise`."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise
