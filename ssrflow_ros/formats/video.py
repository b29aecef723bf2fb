"""A recording as a film, from above: .mp4, or an animated .gif or .webp, as fast as life."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generator, Iterator, Sequence

import numpy as np

from ..atomic_write import atomic_write, signature
from ..errors import InputError
from ..sweep import FlowField
from .birds_eye import birds_eye
from .colours import flow_colours
from .markers import POINTS, Marker

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = ('.mp4', '.gif', '.webp')

MAX_ANIMATED = 900
"""Frames of a .gif or .webp, which are all in memory, 1.5 MB each, until they are written."""

SIZE = 960, 540
_LONGEST, _USUAL = 2.0, 0.1  # s for which a frame is shown at most, and where there is no other
_CURE_FFMPEG = "pip install '.[video]' in the sources, or pip install imageio-ffmpeg; .gif and .webp need nothing"


class Film:
    """Frames, one a flow field; made by `film`."""

    def __init__(self, frames: Any, size: tuple[int, int]):
        self._frames, self._size = frames, size
        self._begun_ns: int | None = None
        self._reach = 0.0

    def add(self, flow: FlowField, markers: Sequence[Marker]) -> None:
        """The next frame: points and `markers` of `flow`, but for the velocity lines of points."""
        stamp_ns = flow.pair.source.stamp_ns
        if self._begun_ns is None:
            self._begun_ns, self._reach = stamp_ns, reach(flow.pair.source.points)
        title = f'{(stamp_ns - self._begun_ns) * 1e-9:.1f} s'
        if flow.ego_motion.method != 'none':
            title += f'   sensor {flow.ego_motion.travelled / abs(flow.pair.dt):.1f} m/s'
        title += f'   moving objects: {len(flow.objects)}'
        # Ground first and what moves last, so that it is not covered.
        order = np.argsort(2 * flow.moving - 1 * flow.ground, kind='stable')
        image = birds_eye(
            flow.pair.source.points[order],
            flow_colours(flow)[order],
            [marker for marker in markers if marker.ns != POINTS],
            title,
            self._reach,
            self._size,
        )
        self._frames.add(image, stamp_ns)


def check_film(path: str | Path, sweeps: int) -> None:
    """Raise InputError unless a film of `sweeps` can be written as `path`."""
    ending = Path(path).suffix
    if ending not in ENDINGS:
        raise InputError(f'--video {path}: a film ends in {", ".join(ENDINGS)}: give it one of these endings')
    if ending == '.mp4':
        _ffmpeg()
    elif sweeps > MAX_ANIMATED:
        raise InputError(
            f'--video {path}: {sweeps} sweeps are too many for a {ending} (at most {MAX_ANIMATED}): end it in .mp4'
        )


@contextmanager
def film(
    path: str | Path, command: str = 'film', overwrite: bool = False, size: tuple[int, int] = SIZE, quality: int = 60
) -> Iterator[Film]:
    """A new film of `size` (width, height) pixels, there only if the block ends without error: see `atomic_write`.

    quality  of a .webp, 0 to 100.
    """
    with atomic_write(path, command, overwrite) as unfinished:
        mp4 = Path(path).suffix == '.mp4'
        frames = _Encoded(unfinished, size, command) if mp4 else _Animated(unfinished, command, quality)
        try:
            yield Film(frames, size)
            frames.finish()
        finally:
            frames.close()


def reach(points: np.ndarray) -> float:
    """Metres to each side that show most of points (N, 3) m: a multiple of 5, from 20 to 45."""
    if not len(points):
        return 20.0
    return float(np.clip(5 * np.ceil(np.percentile(np.abs(points[:, 0]), 95) / 5), 20, 45))


class _Animated:
    """A .gif or .webp by Pillow: each frame for as long as until the next sweep."""

    def __init__(self, path: Path, command: str, quality: int):
        self._path, self._command, self._quality = path, command, quality
        self._frames: list[Image.Image] = []
        self._stamps: list[int] = []

    def add(self, image: Image.Image, stamp_ns: int) -> None:
        self._frames.append(image)
        self._stamps.append(stamp_ns)

    def finish(self) -> None:
        if not self._frames:
            return
        seconds = np.clip(np.diff(self._stamps) * 1e-9, 0.02, _LONGEST)
        last = float(np.median(seconds)) if len(seconds) else _USUAL
        durations = [round(1e3 * duration) for duration in (*seconds, last)]
        options: dict[str, Any] = {
            'save_all': True,
            'append_images': self._frames[1:],
            'duration': durations,
            'loop': 0,
        }
        mark = signature(self._command)
        if self._path.suffix == '.webp':
            self._frames[0].save(self._path, 'WEBP', quality=self._quality, method=4, xmp=mark.encode(), **options)
        else:
            from PIL import Image

            # One palette, or the page would flicker.
            palette = self._frames[len(self._frames) // 2].quantize(128, dither=Image.Dither.NONE)
            frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames]
            frames[0].save(self._path, 'GIF', comment=mark.encode(), **{**options, 'append_images': frames[1:]})

    def close(self) -> None:
        self._frames.clear()


class _Encoded:
    """An .mp4 by ffmpeg, frame by frame; where a sweep is missing, the frame before is shown on."""

    def __init__(self, path: Path, size: tuple[int, int], command: str):
        self._path, self._size, self._command = path, size, command
        self._first: tuple[bytes, int] | None = None
        self._last = b''
        self._stamp_ns, self._period = 0, 0.0
        self._pipe: Generator[None, bytes, None] | None = None

    def add(self, image: Image.Image, stamp_ns: int) -> None:
        frame = image.convert('RGB').tobytes()
        if self._pipe is None and self._first is None:
            self._first = frame, stamp_ns  # the rate is known with the second one
        elif self._pipe is None:
            assert self._first is not None
            self._period = float(np.clip((stamp_ns - self._first[1]) * 1e-9, 0.02, _LONGEST))
            self._open()
            self._send(self._first[0])
        else:
            seconds = min((stamp_ns - self._stamp_ns) * 1e-9, _LONGEST)
            for _ in range(round(seconds / self._period) - 1):
                self._send(self._last)
        if self._pipe is not None:
            self._send(frame)
        self._last, self._stamp_ns = frame, stamp_ns

    def finish(self) -> None:
        if self._pipe is None and self._first is not None:
            self._period = _USUAL
            self._open()
            self._send(self._first[0])
        self.close()

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        self._pipe = None

    def _open(self) -> None:
        self._pipe = _ffmpeg().write_frames(
            str(self._path),
            self._size,
            fps=1 / self._period,
            codec='libx264',
            quality=7,
            macro_block_size=2,
            output_params=['-metadata', f'comment={signature(self._command)}'],
            ffmpeg_log_level='error',
        )
        assert self._pipe is not None
        self._pipe.send(None)  # type: ignore[arg-type]

    def _send(self, frame: bytes) -> None:
        assert self._pipe is not None
        self._pipe.send(frame)


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise InputError(f'.mp4 needs imageio-ffmpeg: {_CURE_FFMPEG}') from None
    return imageio_ffmpeg
