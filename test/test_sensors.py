"""The configurations of common sensors: what they say exists, and the launch file takes it."""

from pathlib import Path

import pytest
from test_launch import read

from ssrflow_ros import Settings
from ssrflow_ros.errors import InputError
from ssrflow_ros.formats.point_times import NAMES
from ssrflow_ros.node.sensors import sensor, sensor_names

FOLDER = Path(__file__).resolve().parents[1] / 'config' / 'sensors'


@pytest.mark.parametrize('name', sensor_names())
def test_each_is_a_params_file_that_says_all(name):
    text = (FOLDER / f'{name}.yaml').read_text()
    known = dict(line[2:].split(': ', 1) for line in text.splitlines()[1:] if line.startswith('# '))
    assert set(known) == {'points', 'time', 'rings', 'own body'}
    yaml = pytest.importorskip('yaml')
    settings = Settings(**yaml.safe_load(text)['/**']['ros__parameters'])
    field = known['time'].split(',')[0]
    assert settings.deskew == (field != 'none') and field in (*NAMES, 'none')
    assert sensor(name).points == known['points'] and known['points'].startswith('/')


def test_they_are_many_and_of_all_makers():
    assert len(sensor_names()) >= 10
    for maker in ('velodyne', 'ouster', 'livox', 'hesai', 'robosense'):
        assert any(name.startswith(maker) for name in sensor_names())


def test_the_launch_file_takes_topic_and_parameters():
    request = read(sensor='ouster')
    assert request.lidars == (('/ouster/points', ''),) and request.sensor_file.endswith('config/sensors/ouster.yaml')
    assert read(sensor='ouster', points='/front').lidars == (('/front', ''),)
    assert read().sensor_file == '' and read().lidars == (('points', ''),)
    with pytest.raises(InputError, match="'ouster'"):
        read(sensor='oster')


def test_what_is_given_besides_wins(monkeypatch, tmp_path):
    from launch_stand_ins import launch_file

    module = launch_file(monkeypatch)
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**:\n  ros__parameters:\n    min_range: 2.0\n')
    request = read(sensor='ouster', params_file=str(mine), ego_motion='tf')
    node = module._flow_node('/points', '', request, {})
    files = [str(one) for one in node.parameters if isinstance(one, str)]
    assert files == [request.sensor_file, str(mine)]
