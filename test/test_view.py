"""The view without a browser: what it remembers, serves and writes. test_view_in_browser.py looks at it."""

import base64
import dataclasses
import json
import re
import struct
import urllib.error
import urllib.request
import zlib

import numpy as np
import pytest
from flow_fields import make_flow
from test_cli import assert_fails, ssrflow, stand_in, write_recording  # noqa: F401

from ssrflow_ros.errors import InputError, SSRFlowError
from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import EGO_ODOMETRY, FLOW, OBJECTS
from ssrflow_ros.formats.colours import GROUND, STILL, direction_colours
from ssrflow_ros.formats.object_cloud import encode_objects
from ssrflow_ros.objects.moving_points import MovingPoints
from ssrflow_ros.settings import Settings
from ssrflow_ros.sweep import EgoMotion, SweepPair
from ssrflow_ros.view.history import History, encode_points, palette, thinned
from ssrflow_ros.view.page import ViewServer, export
from ssrflow_ros.view.sources import Joined


def _flows(count, period=0.1, method='given'):
    """Neighbouring sweeps; the sensor goes 0.5 m ahead and turns left by 0.1 rad from one to the next."""
    before = None
    for number in range(count):
        flow = make_flow(objects=1, stamp_ns=10_000_000_000 + round(1e9 * period) * number)
        pair = flow.pair if before is None else SweepPair(flow.pair.source, before)
        cos, sin = np.cos(0.1), np.sin(0.1)
        motion = np.array([[cos, -sin, 0, 0.5], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        objects = tuple(dataclasses.replace(item, track_id=3) for item in flow.objects)
        yield dataclasses.replace(flow, pair=pair, ego_motion=EgoMotion(motion, method), objects=objects)
        before = flow.pair.source


def _decode(data):
    """Points (N, 3) m and codes (N,)."""
    (count,) = struct.unpack('<I', data[:4])
    assert len(data) == 4 + 7 * count
    places = np.frombuffer(data, '<i2', 3 * count, 4).reshape(-1, 3) / 100
    return places, np.frombuffer(data, np.uint8, count, 4 + 6 * count)


def test_points_reach_the_page_with_their_places_and_colours():
    flow = make_flow(objects=2)
    removed = flow.moving.copy()
    removed[-3:], flow.moving[-3:] = True, False
    places, codes = _decode(encode_points(flow, np.arange(len(flow.pair.source)), removed))
    np.testing.assert_allclose(places, flow.pair.source.points, atol=0.006)
    colours = np.array(palette())[codes] / 255
    np.testing.assert_allclose(colours[flow.moving], direction_colours(flow.velocity[flow.moving]), atol=0.03)
    np.testing.assert_allclose(colours[flow.ground], np.tile(GROUND, (flow.ground.sum(), 1)), atol=0.003)
    np.testing.assert_array_equal(codes > 1, removed)
    assert len(np.unique(codes[-3:])) == 1 and not np.isin(codes[flow.moving], codes[-1]).any()
    standing = ~flow.ground & ~removed
    np.testing.assert_allclose(colours[standing], np.tile(STILL, (standing.sum(), 1)), atol=0.003)
    far = dataclasses.replace(flow.pair.source, points=np.float32([[1e4, -1e4, 5]] * len(flow.moving)))
    far = dataclasses.replace(flow, pair=SweepPair(far, flow.pair.target))
    assert np.abs(_decode(encode_points(far, np.array([0]), flow.moving))[0]).max() == 327


def test_all_that_moves_is_drawn_and_of_the_rest_evenly_many():
    moving = np.zeros(1000, bool)
    moving[[3, 500, 999]] = True
    rows = thinned(moving, 103)
    assert len(rows) == 103 == len(set(rows.tolist())) and set(rows[-3:].tolist()) == {3, 500, 999}
    assert np.diff(rows[:-3]).max() < 13
    assert len(thinned(moving, 5000)) == 1000 and len(thinned(~moving, 10)) == 10 and len(thinned(moving, 2)) == 2


def test_the_sensor_goes_on_in_the_world_and_begins_anew_where_a_motion_is_missing():
    flows = list(_flows(5))
    history = History(100, 60)
    for flow in [*flows[:3], flows[4]]:
        history.append(flow)
    _, frames = history.after(0)
    assert [frame.about['chain'] for frame in frames] == [1, 1, 1, 2]
    pose = np.array(frames[2].about['pose']).reshape(3, 4)
    np.testing.assert_allclose(pose[:, 3], [0.5 + 0.5 * np.cos(0.1), 0.5 * np.sin(0.1), 0], atol=1e-4)
    np.testing.assert_allclose(np.arctan2(pose[1, 0], pose[0, 0]), 0.2, atol=1e-4)
    assert frames[1].about['speed'] == 5.0 and frames[1].about['t'] == 0.1
    unknown = History(100, 60)
    for flow in _flows(2, method='none'):
        unknown.append(flow)
    assert [frame.about['speed'] for frame in unknown.after(0)[1]] == [None, None]


def test_what_is_old_is_forgotten_and_a_recording_that_begins_anew_too():
    history = History(100, 0.35)
    flows = list(_flows(8))
    for flow in flows:
        history.append(flow)
    assert (len(history), history.dropped) == (4, 4)
    assert history.frame(3) is None and history.frame(4).about['t'] == 0.4 and history.frame(8) is None
    assert history.after(0)[0] == 4 and history.after(6)[0] == 6 and len(history.after(6)[1]) == 2
    history.append(flows[0])
    assert (len(history), history.dropped) == (1, 8)


@pytest.fixture
def served():
    history = History(500, 60)
    for flow in _flows(3):
        history.append(flow)
    history.done = True
    server = ViewServer(history, '<drive> & "more"')
    yield server, history
    server.close()


def _get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read()


def test_the_server_gives_page_sweeps_and_points(served):
    server, history = served
    assert server.url.startswith('http://127.0.0.1:')
    page = _get(server.url).decode()
    assert '<title>&lt;drive&gt; &amp; &quot;more&quot;</title>' in page and 'src=' not in page, 'all in one'
    told = json.loads(_get(f'{server.url}frames/1'))
    assert (told['start'], len(told['frames']), told['done']) == (1, 2, True)
    assert told['frames'][0]['objects'][0]['track'] == 3 and told['frames'][0]['drawn'] == 500
    assert _get(f'{server.url}points/2') == history.frame(2).points


@pytest.mark.parametrize(
    'path', ['points/3', 'points/-1', 'points/' + '9' * 40, 'frames/x', 'frames/', '../setup.py', 'etc']
)
def test_nothing_else_is_given(served, path):
    with pytest.raises(urllib.error.HTTPError, match='404'):
        _get(served[0].url + path)


def test_only_this_machine_may_look(served):
    server, _ = served
    with pytest.raises(urllib.error.HTTPError, match='403'):
        _get(server.url, Host='evil.example:80')  # whose name leads here
    assert _get(server.url, Host=f'localhost:{server.url.split(":")[-1][:-1]}')
    port = int(server.url.split(':')[-1][:-1])
    with pytest.raises(SSRFlowError, match=f'--port {port}: Address already in use: give another --port'):
        ViewServer(History(1, 1), 'other', port=port)
    with pytest.raises(SSRFlowError, match='--host no.such.host.invalid'):
        ViewServer(History(1, 1), 'other', 'no.such.host.invalid')


def _exported(text):
    """What the page bears: setup and data."""
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))
    return json.loads(re.search(r'const setup = (.*);\n', text).group(1)), data


def test_an_exported_page_bears_everything(served):
    _, history = served
    text = export(history, 'a </script><!-- name', 'made by me')
    setup, data = _exported(text)
    assert setup['title'] == 'a </script><!-- name' and len(setup['palette']) == 256
    assert len(data['frames']) == len(data['points']) == 3
    assert zlib.decompress(base64.b64decode(data['points'][1])) == history.frame(1).points
    assert text.endswith('<!-- made by me -->\n')
    assert text.count('<script') == text.count('</script>') == 2
    assert not re.search(r'(?:src|href)="(?!data:)', text) and '@import' not in text, 'nothing from elsewhere'


def test_a_recording_and_its_annotation_look_the_same(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    assert ssrflow('bag', tmp_path / 'in', '-o', tmp_path / 'out')[0] == 0
    pages = []
    for name in ('in', 'out'):
        code, out, _ = ssrflow('view', tmp_path / name, '--export', tmp_path / f'{name}.html')
        assert code == 0 and f'{name}.html (2 sweeps' in out
        pages.append(_exported((tmp_path / f'{name}.html').read_text())[1])
    for one, other in zip(pages[0]['frames'], pages[1]['frames']):
        assert one['objects'] == other['objects'] and one['points'] == other['points'] == 79
        np.testing.assert_allclose(one['pose'], other['pose'], atol=1e-6)
    assert pages[0]['note'] == pages[1]['note'] == ''
    assert len(pages[0]['frames']) == 2


def test_the_seconds_that_are_shown_are_chosen_and_told(ssrflow, stand_in, tmp_path):  # noqa: F811
    write_recording(tmp_path / 'in', [1.0 + 0.1 * number for number in range(8)])  # one a second, by the recorder
    line = ('view', tmp_path / 'in', '--export', tmp_path / 'page.html')
    code, out, _ = ssrflow(*line, '--start', '2', '--seconds', '3', '--points', '20')
    assert code == 0 and 'more with --start' in out
    _, data = _exported((tmp_path / 'page.html').read_text())
    assert len(data['frames']) == 3 and all(frame['drawn'] == 20 for frame in data['frames'])
    assert '--start' in data['note']
    assert_fails(ssrflow(*line), 'page.html exists already', '--overwrite')
    assert ssrflow(*line, '--overwrite')[0] == 0


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], ['either a recording or --live']),
        (['in', '--live'], ['either a recording or --live']),
        (['--live', '--export', 'x.html'], ['--export', 'record']),
        (['in', '--export', 'x.png'], ['x.png', '.html']),
        (['in', '--points', '-3'], ['--points', 'above 0']),
        (['in', '--seconds', '0'], ['--seconds', 'above 0']),
        (['nowhere', '--port', '0'], ['nowhere does not exist']),
        (['in', '--export', 'x.html', '--start', '1000'], ['nothing to show']),
    ],
)
def test_what_cannot_be_shown_is_one_line(ssrflow, stand_in, tmp_path, monkeypatch, arguments, words):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / 'in', [1.0, 1.1])
    assert_fails(ssrflow('view', *arguments), *words)
    assert not (tmp_path / 'x.html').exists()


def _published(flow):
    """Messages by topic."""
    header = bag_messages.to_header(flow.pair.source.stamp_ns, 'lidar')
    cloud = bag_messages.to_pointcloud2(pointcloud2.encode_points(flow.pair.source.points), header)
    return {
        FLOW: bag_messages.to_pointcloud2(pointcloud2.encode(flow, cloud), header),
        OBJECTS: bag_messages.to_pointcloud2(encode_objects(flow.objects), header),
        EGO_ODOMETRY: bag_messages.to_ego_odometry(flow, header),
    }


def _joined(messages):
    joined = Joined(Settings())
    return [flow for topic, message in messages for flow in joined.push(topic, message)] + list(joined.rest())


def test_what_belongs_together_is_put_together_in_whatever_order_it_comes():
    flows = list(_flows(4))
    messages = [item for flow in flows for item in _published(flow).items()]
    order = [1, 0, 4, 2, 3, 5, 8, 7, 11, 6, 10, 9]  # a topic may overtake another by a sweep
    for found in (_joined(messages), _joined([messages[place] for place in order])):
        assert [flow.pair.source.stamp_ns for flow in found] == [flow.pair.source.stamp_ns for flow in flows]
        assert all(len(flow.objects) == 1 and flow.ego_motion.method == 'odometry' for flow in found)
        assert [flow.pair.dt for flow in found[1:]] == pytest.approx([-0.1] * 3)
        np.testing.assert_allclose(found[1].ego_motion.target_from_source, flows[1].ego_motion.target_from_source)


def test_a_sweep_of_which_something_is_lost_is_shown_without_it():
    flows = list(_flows(3))
    messages = [item for flow in flows for item in _published(flow).items()]
    found = _joined([item for place, item in enumerate(messages) if place not in (1, 2)])
    assert [len(flow.objects) for flow in found] == [0, 1, 1] and found[0].ego_motion.method == 'none'
    found = _joined([item for place, item in enumerate(messages) if place != 3])
    assert [flow.pair.source.stamp_ns for flow in found] == [
        flows[0].pair.source.stamp_ns,
        flows[2].pair.source.stamp_ns,
    ]
    again = _joined(messages + messages)
    assert [flow.pair.source.stamp_ns for flow in again] == 2 * [flow.pair.source.stamp_ns for flow in flows], 'a loop'


def test_what_is_removed_is_what_the_static_cloud_leaves_out():
    history, movers = History(5000, 60), MovingPoints()
    for flow in _flows(2):
        history.append(flow)
        movers.note(flow)
    removed = movers.answered(flow, Settings().static_margin)
    codes = _decode(history.frame(1).points)[1]
    assert (codes > 1).sum() == removed.sum() == history.frame(1).about['removed'] >= flow.moving.sum()


def test_objects_of_another_frame_are_refused_with_the_cure():
    flow = next(_flows(1))
    messages, header = _published(flow), bag_messages.to_header(flow.pair.source.stamp_ns, 'odom')
    messages[OBJECTS] = bag_messages.to_pointcloud2(encode_objects(flow.objects), header)
    with pytest.raises(InputError, match="objects are in 'odom', the clouds in 'lidar'.*objects_frame"):
        _joined(list(messages.items()))
