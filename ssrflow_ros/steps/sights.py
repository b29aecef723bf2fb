"""Sights: what the sweeps saw where a proposal stands, where it was by its registration, and where before that."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .evidence import View
from .tiles import shares

_ASKED = 4000            # points, of which it is asked whether the other sweep looked their way


class Sights(NamedTuple):
    """Of K proposals, shares of their points.

    left     (K,) whose places in the other sweep this one sees through.
    pair     (K, 5) that stand where something nearer hid them from the other sweep, and whose places in the other
             sweep something nearer hides now; of these places, which that sweep saw past something nearer; and that
             stand, or stood, at a return of the sweep that they are not of.
    past     (K, 5) by what the sensor had seen half a second before, 0 where it is not known: that stand where it saw
             through, and surely so, or where there was a return; and that would have stood, had they moved so all the
             time, where it saw through, or where there was one.
    overlap  share of all points in whose direction the other sweep saw anything: low where a sensor does not scan the
             same lines each time, and other parts of what stands seem to be the same, moved.
    """

    left: np.ndarray
    pair: np.ndarray
    past: np.ndarray
    overlap: float


def sights(views: tuple[View, View, View], points: np.ndarray, few: np.ndarray, places: np.ndarray,
           earlier: np.ndarray, counts: np.ndarray) -> Sights:
    """views of a prepared pair, all its points (n, 3); `few` (m, 3) of the proposals', `counts` (K,) of each, their
    places (m, 3) in the other sweep and those (m, 3) half a second before, all m and in the source's frame."""
    view, other, past = views
    here, now, then = other.at(few), view.at(places), other.at(places)
    past_here, past_then = past.at(few), past.at(earlier)

    def told(*answers: np.ndarray) -> np.ndarray:
        return np.column_stack([shares(answer, counts) for answer in answers])

    return Sights(
        shares(now.is_free(), counts),
        told(here.is_hidden(), now.is_hidden(), then.is_framed(), here.is_taken(), now.is_taken()),
        told(past_here.is_free(), past_here.is_free(about=True), past_here.is_taken(), past_then.is_free(),
             past_then.is_taken()),
        float(other.at(points[::1 + len(points) // _ASKED]).is_known().mean()))
