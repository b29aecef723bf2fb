"""A film has a frame for each sweep, and each is shown until the next one came."""

import dataclasses
import os

import numpy as np
import pytest
from flow_fields import make_flow
from PIL import Image, ImageSequence

from ssrflow_ros.atomic_write import signature
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats import video
from ssrflow_ros.formats.markers import Drawing
from ssrflow_ros.formats.video import check_film, film, reach

SIZE = 240, 136
SECONDS = (0.0, 0.1, 0.2, 0.5, 0.6)
"""Of the sweeps: two are missing."""


def _film(path, seconds=SECONDS, **options):
    with film(path, 'bag', size=SIZE, **options) as frames:
        drawing = Drawing()
        for number, second in enumerate(seconds):
            flow = make_flow(objects=1, stamp_ns=round(1e9 * (10 + second)))
            moved = dataclasses.replace(flow.objects[0], centre=flow.objects[0].centre + [2.0 * number, 0, 0])
            flow = dataclasses.replace(flow, objects=(moved,))
            frames.add(flow, drawing.update(flow, 10))
    return path


@pytest.mark.parametrize('ending', ['.gif', '.webp'])
def test_an_animation_is_as_fast_as_life(tmp_path, ending):
    path = _film(tmp_path / f'drive{ending}')
    with Image.open(path) as image:
        frames = [(frame.copy(), frame.info['duration']) for frame in ImageSequence.Iterator(image)]
        assert image.size == SIZE and image.info['loop'] == 0
    assert [duration for _, duration in frames] == [100, 100, 300, 100, 100]
    arrays = [np.asarray(frame.convert('L'), float) for frame, _ in frames]
    assert all(array.std() > 5 for array in arrays), 'not empty'
    assert all(np.abs(one - other).max() > 50 for one, other in zip(arrays, arrays[1:])), 'something moves'
    assert signature('bag').encode() in path.read_bytes(), '--overwrite knows it again'


def test_an_mp4_shows_a_sweep_on_where_the_next_is_missing(tmp_path):
    ffmpeg = pytest.importorskip('imageio_ffmpeg')
    path = _film(tmp_path / 'drive.mp4')
    reader = ffmpeg.read_frames(str(path))
    about = next(reader)
    frames = [np.frombuffer(frame, np.uint8).astype(float) for frame in reader]
    assert about['fps'] == 10 and about['source_size'] == SIZE
    assert len(frames) == 7, '0.7 s'
    change = [np.abs(one - other).mean() for one, other in zip(frames, frames[1:])]
    assert max(change[2:4]) < 0.3 * min(change[:2] + change[4:])
    assert signature('bag').encode() in path.read_bytes()
    assert len(list(ffmpeg.read_frames(str(_film(tmp_path / 'one.mp4', [0.0]))))) == 2, 'what it is about, and a frame'


def test_what_cannot_be_written_is_refused_before_anything_is_read(monkeypatch):
    with pytest.raises(InputError, match='drive.avi.*.mp4, .gif, .webp'):
        check_film('drive.avi', 10)
    with pytest.raises(InputError, match='5000 sweeps.*end it in .mp4'):
        check_film('drive.gif', 5000)
    check_film('drive.gif', 100)
    monkeypatch.setitem(__import__('sys').modules, 'imageio_ffmpeg', None)
    with pytest.raises(InputError, match='imageio-ffmpeg.*pip install'):
        check_film('drive.mp4', 10)


def test_nothing_is_left_of_a_film_that_was_not_finished(tmp_path):
    for ending in video.ENDINGS if pytest.importorskip('imageio_ffmpeg') else ():
        with pytest.raises(KeyboardInterrupt):
            with film(tmp_path / f'half{ending}', size=SIZE) as frames:
                flow = make_flow(objects=1)
                frames.add(flow, [])
                raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_reach_follows_the_points():
    rng = np.random.default_rng(0)
    assert reach(rng.uniform(-5, 5, (100, 3))) == 20
    assert reach(rng.uniform(-33, 33, (5000, 3))) == 35
    assert reach(rng.uniform(-200, 200, (100, 3))) == 45
    assert reach(np.empty((0, 3))) == 20
