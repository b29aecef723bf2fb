"""The view in a real browser: served, and exported to a file that opens without Python."""

import dataclasses
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import Browser, find_browser
from flow_fields import make_flow

from ssrflow_ros.sweep import EgoMotion, SweepPair
from ssrflow_ros.view.history import History
from ssrflow_ros.view.page import ViewServer, export

pytest.importorskip('websockets')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason='needs chromium: apt install chromium'),
]
SWEEPS, SPEED = 12, 3.0


@pytest.fixture(scope='module')
def history():
    """Two cars of which the second goes ahead at SPEED m/s; the sensor drives at 1 m/s."""
    history = History(2000, 60)
    before = None
    for number in range(SWEEPS):
        flow = make_flow(objects=2, stamp_ns=10_000_000_000 + 100_000_000 * number)
        source = flow.pair.source
        ego = np.eye(4)
        ego[0, 3] = 0.1
        objects = tuple(
            dataclasses.replace(
                item,
                track_id=7 + item.id,
                centre=item.centre + [(SPEED - 1) * 0.1 * number * item.id + 6 * (1 - item.id), 0, 0],
                velocity=np.array([SPEED * item.id + 1, 0, 0]),
            )
            for item in flow.objects
        )
        pair = SweepPair(source, before or flow.pair.target)
        history.append(dataclasses.replace(flow, pair=pair, ego_motion=EgoMotion(ego, 'given'), objects=objects))
        before = source
    history.done = True
    return history


@pytest.fixture(params=['served', 'exported'])
def browser(request, history, tmp_path):
    """A browser that shows `history`, and has stopped at the last sweep."""
    server = ViewServer(history, 'two cars') if request.param == 'served' else None
    url = server.url if server else (tmp_path / 'two cars.html').as_uri()
    if not server:
        (tmp_path / 'two cars.html').write_text(export(history, 'two cars'))
    with Browser(tmp_path) as browser:
        browser.open(url)
        browser.wait(lambda: sweep(browser) == SWEEPS - 1 and 'play' in button(browser), 'it does not play to its end')
        yield browser
        loaded = browser.ask('performance.getEntriesByType("resource").map(one => one.name).join(" ")').split()
        assert all(urlsplit(name).hostname in (None, '', '127.0.0.1') for name in loaded), 'nothing from elsewhere'
        assert not browser.said, browser.said
    if server:
        server.close()


def sweep(browser):
    return int(browser.ask('document.body.dataset.sweep') or -1)


def button(browser):
    return browser.ask('document.getElementById("play").textContent')


def shows(browser, number):
    browser.wait(lambda: sweep(browser) == number, f'sweep {number} is not shown')


def test_the_page_shows_points_boxes_and_speeds_and_obeys(browser, tmp_path):
    picture = np.asarray(browser.picture(tmp_path / 'last.png')).astype(int)
    view = picture[:, : picture.shape[1] - 340]
    assert len(np.unique(view.reshape(-1, 3), axis=0)) > 50, 'not empty'
    colourful = (view.max(axis=2) - view.min(axis=2) > 90).sum()
    assert colourful > 500, 'what moves is coloured'
    text = browser.text()
    assert 'two cars' in text and f'sweep {SWEEPS} of {SWEEPS}' in text and '2 objects' in text
    assert 'sensor 1.0 m/s' in text

    browser.ask(
        '(slider => { slider.value = 3; slider.dispatchEvent(new Event("input")); })(document.getElementById("slider"))'
    )
    shows(browser, 3)
    assert 'sweep 4 of 12' in browser.text()
    moved = np.asarray(browser.picture(tmp_path / 'fourth.png')).astype(int)
    assert np.abs(moved - picture).max(axis=2).sum() > 10_000, 'another sweep is another picture'

    browser.press('ArrowRight')
    shows(browser, 4)
    browser.press('ArrowLeft')
    shows(browser, 3)
    browser.press('Home')
    shows(browser, 0)
    browser.press(' ', 'Space')
    assert button(browser) == 'stop'
    shows(browser, SWEEPS - 1)
    browser.wait(lambda: button(browser) == 'play', 'it does not stop at the end')


def test_an_object_that_is_clicked_tells_its_speed_over_time(browser, tmp_path):
    place = 'pixel(seen(frame(number).objects.find(one => one.track === 8).centre))'
    x, y = browser.ask(f'(([x, y]) => [x * innerWidth / width, y * innerHeight / height])({place})')
    assert browser.ask('document.getElementById("chart").clientHeight') == 0
    browser.click(x, y)
    browser.wait(lambda: browser.ask('document.getElementById("track").value') == '8', 'the object is not chosen')
    browser.wait(lambda: browser.ask('document.getElementById("chart").clientHeight') > 50, 'there is no chart')
    ink = browser.ask(
        '[...document.getElementById("chart").getContext("2d").getImageData(0, 0, 290, 130).data]'
        '.filter((value, i) => i % 4 === 3 && value > 100).length'
    )
    assert ink > 300, 'the chart is drawn'
    browser.press('Escape')
    browser.wait(lambda: browser.ask('document.getElementById("track").value') == '', 'it stays chosen')


def test_what_is_removed_from_the_static_cloud_is_a_layer(browser, tmp_path):
    def colourful(name):
        picture = np.asarray(browser.picture(tmp_path / name)).astype(int)[:, :-340]
        return (picture.max(axis=2) - picture.min(axis=2) > 90).sum()

    for layer in ('boxes', 'labels', 'arrows', 'trails'):
        browser.ask(f'document.querySelector("[name={layer}]").click()')
    browser.wait(lambda: not browser.ask('dirty'), 'it is not drawn')
    points = colourful('moving.png')
    browser.ask('document.querySelector("[name=moving]").click()')
    browser.wait(lambda: not browser.ask('dirty'), 'it is not drawn')
    assert points - colourful('static.png') > 300, 'only the sensor has a colour now'


def test_trails_are_where_the_object_was_in_a_world_that_stands(browser):
    # In 1.1 s: seen from the sensor, which goes at 1 m/s, the way of the object at SPEED.
    path = browser.ask('trail(8)')
    assert len(path) == SWEEPS - 1
    newest, oldest = np.array(path[0][0]), np.array(path[-1][1])
    np.testing.assert_allclose(newest - oldest, [SPEED * 0.1 * (SWEEPS - 1), 0, 0], atol=0.05)
