"""Colours for a dark page: what stands still recedes, what moves is bright, and its hue tells where it goes."""

from __future__ import annotations

import numpy as np

from ..sweep import FlowField

BACKGROUND = 25 / 255, 25 / 255, 30 / 255
"""Of RViz and of the pictures, red, green, blue in [0, 1]."""

STILL = (0.29, 0.29, 0.29)
GROUND = (0.25, 0.2, 0.15)

SATURATION = 0.6
"""Of whatever moves, however slow. More would make red too dark beside STILL: the contrast is to be 3:1."""

_FIRST_HUE, _HUES = 285.0, 295.0
"""Degrees. The blues between 220 and 285 are left out, as they are dark at any saturation that one sees."""

_GOLDEN = 0.618034


def direction_colours(velocity: np.ndarray) -> np.ndarray:
    """(N, 3) float32 red, green, blue in [0, 1] for velocities (N, 2+) m/s: hue is the direction in the x-y plane.

    Forward (+x) orange, left (+y) green, backward cyan, right pink; the hues begin and end at backward right.
    """
    velocity = np.asarray(velocity, dtype=np.float32)
    return _bright((np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi) + 0.375) % 1.0)


def track_colours(track_ids: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in [0, 1] for numbers (N,) of tracks: one colour a track, neighbouring numbers far apart."""
    return _bright(np.asarray(track_ids) * _GOLDEN % 1.0)


def flow_colours(flow: FlowField) -> np.ndarray:
    """(N, 3) float32 in [0, 1] for the points of `flow`: by direction where they move, else ground or still."""
    return point_colours(flow.velocity, flow.moving, flow.ground)


def point_colours(velocity: np.ndarray, moving: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in [0, 1] for velocity (N, 3) m/s, moving and ground (N,) bool."""
    colours = np.where(ground[:, None], np.array(GROUND, np.float32), np.array(STILL, np.float32))
    colours[moving] = direction_colours(velocity[moving])
    return colours


def pack_rgba(colours: np.ndarray) -> np.ndarray:
    """(N,) uint32 0xAARRGGBB, opaque, for colours (N, 3) in [0, 1]: what RViz and PCL call `rgba`."""
    red, green, blue = np.round(255 * colours).astype(np.uint32).T
    return np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue


def contrast(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Ratio in [1, 21] of the luminances of two sRGB colours (..., 3) in [0, 1], as WCAG 2 defines it."""
    one, other = _luminance(one) + 0.05, _luminance(other) + 0.05
    return np.maximum(one, other) / np.minimum(one, other)


def _luminance(colours: np.ndarray) -> np.ndarray:
    colours = np.asarray(colours, float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def _bright(share: np.ndarray) -> np.ndarray:
    """Colours (N, 3) at a `share` (N,) in [0, 1) of the way round the hues."""
    hue = (_FIRST_HUE + _HUES * share) % 360 / 60
    # HSV to RGB at full value; 5, 3 and 1 are the sextants where red, green and blue begin to fade.
    sextant = (np.array([5, 3, 1], np.float32) + hue[:, None]) % 6
    fading = np.clip(np.minimum(sextant, 4 - sextant), 0.0, 1.0)
    return (1 - SATURATION * fading).astype(np.float32)
