"""Colours of motion: hue tells the direction, saturation the speed."""

from __future__ import annotations

import numpy as np

FULL_SPEED = 10.0
"""m/s from which on a colour is fully saturated."""


def colour_wheel(velocity: np.ndarray) -> np.ndarray:
    """(N, 3) float32 red, green, blue in [0, 1] for velocities (N, 2+) m/s.

    Hue is the direction in the x-y plane: forward (+x) red, left (+y) yellow-green, backward cyan,
    right violet. Standing points are white.
    """
    velocity = np.asarray(velocity, dtype=np.float32)
    hue = np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi) % 1.0
    saturation = np.clip(np.hypot(velocity[:, 0], velocity[:, 1]) / FULL_SPEED, 0.0, 1.0)
    # HSV to RGB at full value; 5, 3 and 1 are the sextants where red, green and blue begin to fade.
    sextant = (np.array([5, 3, 1], np.float32) + 6 * hue[:, None]) % 6
    fading = np.clip(np.minimum(sextant, 4 - sextant), 0.0, 1.0)
    return (1 - saturation[:, None] * fading).astype(np.float32)


def pack_rgba(colours: np.ndarray) -> np.ndarray:
    """(N,) uint32 0xAARRGGBB, opaque, for colours (N, 3) in [0, 1]: what RViz and PCL call `rgba`."""
    red, green, blue = np.round(255 * colours).astype(np.uint32).T
    return np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue
