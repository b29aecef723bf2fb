"""What RViz shows, from above, as an image: the coloured cloud and the markers. Quick enough for every sweep."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Iterable

import numpy as np

from .colours import BACKGROUND, direction_colours
from .markers import ADD, ARROW, CUBE, LINE_LIST, TEXT_ID, TEXT_VIEW_FACING, Marker

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    RGBA = tuple[int, int, int, int]

_SCALE = 2
"""Drawn so much larger and then reduced: smooth lines."""
_RING = 64, 68, 78, 255
_RING_STEP = 10  # m
_INK, _SOFT, _ROBOT = (243, 246, 249, 255), (150, 163, 176, 255), (255, 95, 162, 255)
_BACKGROUND = tuple(round(255 * value) for value in BACKGROUND)


def birds_eye(
    points: np.ndarray,
    colours: np.ndarray,
    markers: Iterable[Marker] = (),
    title: str = '',
    reach: float = 40.0,
    size: tuple[int, int] = (960, 540),
) -> Image.Image:
    """An image of `size` (width, height) pixels of points (N, 3) m in `colours` (N, 3) in [0, 1], under `markers`.

    The sensor is in the middle, forward (+x) is to the right, left (+y) up; `reach` metres to each side are shown.
    What is nearer to the end of the points covers what comes before; text is drawn with the colour of its marker.
    """
    from PIL import Image, ImageDraw

    width, height = _SCALE * size[0], _SCALE * size[1]
    per_metre = width / (2 * reach)
    middle = np.array([width / 2, height / 2])
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = _BACKGROUND
    image = Image.fromarray(canvas)
    _draw_rings(ImageDraw.Draw(image), middle, per_metre, reach)
    canvas = np.array(image)
    _splat(canvas, _place(points, middle, per_metre), np.round(255 * colours).astype(np.uint8))
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image, 'RGBA')
    _draw_robot(draw, middle, per_metre)
    markers = list(markers)
    texts = []
    for marker in sorted(markers, key=lambda marker: _ORDER.get(marker.type, 0)):  # keeps the order of equal ones
        if marker.action == ADD and marker.type == TEXT_VIEW_FACING:
            texts.append(marker)
        elif marker.action == ADD:
            _draw_marker(draw, marker, middle, per_metre)
    boxes = {marker.id: marker for marker in markers if marker.type == CUBE}
    _draw_texts(draw, [(text, _half_extent(boxes.get(text.id - TEXT_ID))) for text in texts], middle, per_metre)
    _draw_wheel(draw, width, height)
    draw.text((0.012 * width, 0.02 * height), title, _INK, _font(round(0.019 * width)))
    return image.resize(size, Image.Resampling.BOX)


_ORDER = {LINE_LIST: 0, CUBE: 1, ARROW: 2}


def _place(points: np.ndarray, middle: np.ndarray, per_metre: float) -> np.ndarray:
    """Pixels (..., 2), right and down, of points (..., 3) m."""
    return middle + per_metre * np.asarray(points, float)[..., :2] * [1, -1]


def _splat(canvas: np.ndarray, places: np.ndarray, colours: np.ndarray) -> None:
    """Each point a square of _SCALE + 1 pixels."""
    height, width, _ = canvas.shape
    places = places.astype(np.int32)
    inside = ((places >= 0) & (places < [width - _SCALE, height - _SCALE])).all(axis=1)
    (x, y), colours = places[inside].T, colours[inside]
    for down in range(_SCALE + 1):
        for right in range(_SCALE + 1):
            canvas[y + down, x + right] = colours


def _draw_rings(draw: ImageDraw.ImageDraw, middle: np.ndarray, per_metre: float, reach: float) -> None:
    font = _font(round(10 * _SCALE))
    for radius in range(_RING_STEP, int(1.3 * reach), _RING_STEP):
        ring = per_metre * radius
        draw.ellipse((*(middle - ring), *(middle + ring)), outline=_RING, width=_SCALE)
        draw.text(tuple(middle + [0, ring]), f'{radius} m', _SOFT, font, anchor='mb')


def _draw_robot(draw: ImageDraw.ImageDraw, middle: np.ndarray, per_metre: float) -> None:
    shape = np.array([[1.4, 0], [-1.0, 0.8], [-0.5, 0], [-1.0, -0.8]]) * max(per_metre, 6 * _SCALE)
    draw.polygon([tuple(corner) for corner in middle + shape], _ROBOT)


def _draw_marker(draw: ImageDraw.ImageDraw, marker: Marker, middle: np.ndarray, per_metre: float) -> None:
    colour = _rgba(marker.colour)
    line = max(_SCALE, round(marker.scale[0] * per_metre))
    if marker.type == LINE_LIST:
        ends = _place(marker.points, middle, per_metre).reshape(-1, 4)
        for end, its_colour in zip(ends, marker.colours[::2]):
            draw.line(tuple(end), _rgba(its_colour), line)
    elif marker.type == CUBE:
        half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * marker.scale[:2] / 2
        corners = half @ marker.axes[:2, :2].T + marker.position[:2]
        draw.polygon([tuple(corner) for corner in _place(corners, middle, per_metre)], colour)
    elif marker.type == ARROW:
        tail, tip = _place(marker.points, middle, per_metre)
        along = (tip - tail) / max(float(np.linalg.norm(tip - tail)), 1e-9)
        across, length = np.array([-along[1], along[0]]), 0.9 * per_metre
        neck = tip - length * along
        draw.line((*tail, *neck), colour, max(_SCALE, round(0.2 * per_metre)))
        draw.polygon([tuple(tip), tuple(neck + 0.45 * length * across), tuple(neck - 0.45 * length * across)], colour)


def _half_extent(box: Marker | None) -> np.ndarray:
    """(2,) m from the middle of `box` to its ends in x and y."""
    if box is None:
        return np.zeros(2)
    return np.abs(box.axes[:2, :2]) @ box.scale[:2] / 2


def _draw_texts(
    draw: ImageDraw.ImageDraw, texts: Iterable[tuple[Marker, np.ndarray]], middle: np.ndarray, per_metre: float
) -> None:
    """Each beside its object, whose half extent (2,) m is given, where there is room, the nearest objects first; where
    there is none in the image, not at all."""
    taken: list[tuple[float, float, float, float]] = []
    for marker, half in texts:
        font = _font(max(11 * _SCALE, round(0.8 * marker.scale[2] * per_metre)))
        place, (right, up) = _place(np.array(marker.position), middle, per_metre), per_metre * (half + 0.5)
        for anchor, shift in (('mb', (0, -up)), ('mt', (0, up)), ('lm', (right, 0)), ('rm', (-right, 0))):
            at = tuple(place + shift)
            box = draw.textbbox(at, marker.text, font, anchor)
            inside = min(box[:2]) >= 0 and box[2] <= 2 * middle[0] and box[3] <= 2 * middle[1]
            if inside and all(box[2] < o[0] or o[2] < box[0] or box[3] < o[1] or o[3] < box[1] for o in taken):
                taken.append(box)
                # A rim keeps it readable upon points.
                draw.text(
                    at,
                    marker.text,
                    _rgba(marker.colour),
                    font,
                    anchor=anchor,
                    stroke_width=_SCALE + 1,
                    stroke_fill=(*_BACKGROUND, 255),
                )
                break


def _draw_wheel(draw: ImageDraw.ImageDraw, width: int, height: int) -> None:
    """Which colour is which direction, in the lower right corner."""
    radius = 0.055 * height
    middle = np.array([width - 1.7 * radius, height - 1.7 * radius])
    box = (*(middle - radius), *(middle + radius))
    for start in range(0, 360, 6):
        angle = np.radians(start + 3)
        colour = _rgba([*direction_colours(np.array([[np.cos(angle), np.sin(angle)]]))[0], 1.0])
        draw.pieslice(box, -start - 6, -start, colour)  # Pillow counts clockwise
    hole = 0.55 * radius
    draw.ellipse((*(middle - hole), *(middle + hole)), (*_BACKGROUND, 255))
    draw.text((middle[0] - 1.4 * radius, middle[1]), 'points move to', _SOFT, _font(round(11 * _SCALE)), anchor='rm')


def _rgba(colour: Iterable[float]) -> RGBA:
    red, green, blue, alpha = (round(255 * float(value)) for value in colour)
    return red, green, blue, alpha


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The bold font that matplotlib brings."""
    from pathlib import Path

    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / 'fonts/ttf/DejaVuSans-Bold.ttf'), size)
