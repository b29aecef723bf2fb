"""The page of a recording says what was seen, and which of it is doubtful."""

import dataclasses
import re

import numpy as np
import pytest
from flow_fields import make_flow
from test_cli import assert_fails, ssrflow, stand_in, write_recording  # noqa: F401

from ssrflow_ros.settings import Settings
from ssrflow_ros.sweep import EgoMotion, SweepPair
from ssrflow_ros.view.report import SUSPECTS, DriveReport

GOES, STAYS, SHORT = 1, 2, 3
SWEEPS = 8


def _report(breaks=()):
    """Of a sensor that goes 1 m ahead from sweep to sweep: a track that goes, one that only says so, one of a sweep."""
    report, before = DriveReport(), None
    for number in range(SWEEPS):
        flow = make_flow(objects=1, stamp_ns=10_000_000_000 + 100_000_000 * number)
        item, ego = flow.objects[0], np.eye(4)
        ego[0, 3] = 1.0
        here = np.array([12.0 - number, 5.0, 0.0])  # a place in the world, seen from the sensor
        objects = [
            dataclasses.replace(
                item, track_id=GOES, centre=here + [0, 0.8 * number, 0], velocity=np.array([0, 8.0, 0])
            ),
            dataclasses.replace(item, track_id=STAYS, centre=here - [4, 9, 0], velocity=np.array([0, 3.0, 0])),
        ]
        if number == 4:
            objects.append(dataclasses.replace(item, track_id=SHORT, centre=here))
        pair = flow.pair if before is None else SweepPair(flow.pair.source, before)
        if number in breaks:  # its partner is a sweep that had no flow
            other = dataclasses.replace(before, stamp_ns=before.stamp_ns + 1)
            pair = SweepPair(flow.pair.source, other)
        report.add(dataclasses.replace(flow, pair=pair, ego_motion=EgoMotion(ego, 'given'), objects=tuple(objects)))
        before = flow.pair.source
    return report


def _html(report, settings=None):
    return report.html(
        'drive <1>',
        [('sweeps in', 8)],
        {'gap': 2},
        [('network', '12.0 30.0')],
        settings or Settings(),
        ['WARN: <x>'],
        'me',
    )


def test_the_page_is_one_file_and_says_all():
    page = _html(_report(), Settings(ground='none'))
    assert page.startswith('<!doctype html>') and page.rstrip().endswith('<!-- me -->')
    assert '<h1>drive &lt;1&gt;</h1>' in page and 'WARN: &lt;x&gt;' in page
    for words in (
        'Map and tracks',
        'Speeds over time',
        'Doubtful tracks',
        'without flow',
        'Times',
        'Settings',
        '12.0 30.0',
    ):
        assert words in page
    assert '<tr class=changed><td>ground</td><td>none</td><td>(polar_grid)</td></tr>' in page
    assert page.count('class=changed') == 1
    pictures = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert pictures and all(one.startswith('data:') for one in pictures), 'nothing from elsewhere'
    assert '@media print' in page and '<script' not in page
    assert not re.search(r'TITLE|BODY|MARK', page)


def test_what_stays_though_it_has_a_speed_is_doubtful_and_what_is_seen_once_too():
    page = _html(_report())
    assert 'Doubtful tracks: 2' in page
    captions = re.findall(r'<figcaption>(.*?)</figcaption>', page)
    assert captions[0].startswith('#2, ') and 'says 3.0 m/s for 0.7 s, but went 0.0 m' in captions[0]
    assert captions[1].startswith('#3, 0.4 s: seen in 1 sweep only') and len(captions) == 2
    assert page.count('<svg') == 2 and '#1,' not in page


def test_many_doubtful_tracks_are_counted_and_the_largest_drawn():
    report = DriveReport()
    flow = make_flow(objects=1)
    items = [dataclasses.replace(flow.objects[0], track_id=number, n_points=10 + number) for number in range(30)]
    report.add(dataclasses.replace(flow, objects=tuple(items)))
    page = _html(report)
    assert 'Doubtful tracks: 30' in page and page.count('<svg') == SUSPECTS
    assert re.findall(r'<figcaption>#(\d+),', page) == [str(number) for number in range(29, 17, -1)]


def test_the_map_is_that_of_the_longest_piece_and_says_so():
    assert 'pieces' not in _html(_report())
    assert '2 pieces, between which the motion is not known; the longest one is drawn, 6 sweeps' in _html(
        _report(breaks=[2])
    )
    assert 'Doubtful tracks: 0' in _html(DriveReport()), 'a recording without objects, or without anything'


def test_bag_writes_it(ssrflow, stand_in, tmp_path):  # noqa: F811
    pytest.importorskip('matplotlib')
    write_recording(tmp_path / 'in', [1.0, 1.1, 1.2])
    line = ('bag', tmp_path / 'in', '-o', tmp_path / 'out', '--report', tmp_path / 'drive.html')
    code, out, _ = ssrflow(*line)
    assert code == 0 and 'drive.html' in out
    page = (tmp_path / 'drive.html').read_text()
    assert '3 in 0.2 s of recording' in page and '<td>first sweep</td><td>1</td>' in page and 'all steps' in page
    assert_fails(ssrflow(*line[:3], tmp_path / 'other', *line[4:]), 'drive.html exists already', '--overwrite')
    assert ssrflow(*line, '--overwrite')[0] == 0
    assert_fails(ssrflow(*line[:3], tmp_path / 'other', '--report', tmp_path / 'drive.pdf'), 'drive.pdf', '.html')
    assert not (tmp_path / 'other').exists()
