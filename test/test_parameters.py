"""One table of parameters; the documents, the YAML and its schema are held to it."""

import argparse
import json
from pathlib import Path

import pytest

from ssrflow_ros.cli.options import add_settings, settings_from
from ssrflow_ros.errors import InputError
from ssrflow_ros.node import parameter_docs
from ssrflow_ros.settings import GONE, Settings
from ssrflow_ros.steps import ego_motion, ground

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize('path', parameter_docs.ARTEFACTS)
def test_what_is_written_is_what_the_table_says(path):
    assert (ROOT / path).read_text() == parameter_docs.ARTEFACTS[path](), 'run "make docs"'


@pytest.mark.parametrize('name, table', [('ground', ground.METHODS), ('ego_motion', ego_motion.SOURCES)])
def test_every_choice_is_a_row_of_its_table(name, table):
    """A method that nobody can choose, or a choice that nobody answers, is a row forgotten."""
    row = next(row for row in Settings.table() if row.name == name)
    assert set(row.choices) == set(table)


def test_yaml_reads_back_as_the_defaults():
    yaml = pytest.importorskip('yaml')
    values = yaml.safe_load(parameter_docs.yaml())['/**']['ros__parameters']
    assert values == {row.name: row.default for row in Settings.table()}
    assert [type(value) for value in values.values()] == [row.type for row in Settings.table()]


def _complaints(parameters, section='/**'):
    """Paths of what the schema finds wrong in a params_file."""
    jsonschema = pytest.importorskip('jsonschema')
    schema = json.loads(parameter_docs.schema())
    jsonschema.Draft7Validator.check_schema(schema)
    errors = jsonschema.Draft7Validator(schema).iter_errors({section: {'ros__parameters': parameters}})
    return [error.message for error in errors]


def test_schema_takes_the_defaults_and_what_rclpy_adds():
    yaml = pytest.importorskip('yaml')
    assert not _complaints(yaml.safe_load(parameter_docs.yaml())['/**']['ros__parameters'])
    assert not _complaints({'use_sim_time': True, 'qos_overrides./points.subscription.depth': 5, 'max_range': 50})
    assert not _complaints({'frequency': 10}, section='/another_node'), 'others are none of ours'


@pytest.mark.parametrize('section', ['/**', 'ssrflow', '/front/ssrflow'])
@pytest.mark.parametrize('wrong', [{'moving_sped': 1.0}, {'lazy': 1}, {'ground': 'grass'}, {'threads': 1.5}])
def test_schema_refuses(section, wrong):
    assert len(_complaints(wrong, section)) == 1


def test_schema_allows_what_the_check_allows():
    for row in Settings.table():
        if row.low is not None:
            for value in (row.low, row.high):
                assert not _complaints({row.name: value}) and row.check(value) == value
            for value in (row.low - 1, row.high + 1):
                assert _complaints({row.name: value})
                with pytest.raises(InputError, match=row.name):
                    row.check(value)


def test_every_row_is_whole():
    for row in Settings.table():
        assert row.description.endswith('.'), row.name
        assert (row.low is None) == (row.high is None) == (row.type not in (int, float)), row.name
        assert row.check(row.default) == row.default


ALIASES = [row for row in Settings.table() if row.alias]


def test_a_former_name_is_no_name_of_today():
    names = [row.name for row in Settings.table()]
    assert [row.alias for row in ALIASES] == ['belief'] and not {row.alias for row in ALIASES} & set(names)
    assert [row.name for row in GONE] == ['compiled'] and not {row.name for row in GONE} & set(names)


@pytest.mark.parametrize('row', ALIASES, ids=lambda row: row.alias)
def test_a_former_name_is_taken_with_one_line_that_says_so(row, caplog):
    for make in (Settings, Settings().replace):
        caplog.clear()
        assert getattr(make(**{row.alias: row.high}), row.name) == row.high
        (record,) = caplog.records
        assert record.levelname == 'WARNING' and row.alias in record.message and row.name in record.message
        with pytest.raises(InputError, match=row.name):
            make(**{row.alias: row.high + 1})
        for both in ({row.alias: row.low, row.name: row.low}, {row.name: row.low, row.alias: row.low}):
            with pytest.raises(InputError, match='both'):
                make(**both)
    caplog.clear()
    assert getattr(Settings(**{row.name: row.high}), row.name) == row.high and not caplog.records


@pytest.mark.parametrize('row', ALIASES, ids=lambda row: row.alias)
def test_the_command_line_takes_a_former_name_and_does_not_show_it(row, caplog):
    parser = argparse.ArgumentParser()
    add_settings(parser)
    settings = settings_from(parser.parse_args([f'--{row.alias}', str(row.high)]))
    assert getattr(settings, row.name) == row.high and len(caplog.records) == 1
    assert f'--{row.alias}' not in parser.format_help()
    assert not _complaints({row.alias: row.high}) and _complaints({row.alias: row.high + 1})


def _told(name, caplog):
    """Whether one warning was logged, which names the parameter."""
    return [record.levelname for record in caplog.records if name in record.message] == ['WARNING']


@pytest.mark.parametrize('row', GONE, ids=lambda row: row.name)
def test_a_parameter_that_is_gone_is_ignored_with_one_line_that_says_so(row, caplog):
    for make in (Settings, Settings().replace):
        caplog.clear()
        assert make(**{row.name: row.default}, threads=1) == Settings(threads=1) and _told(row.name, caplog)
    assert not hasattr(Settings(), row.name)


@pytest.mark.parametrize('row', GONE, ids=lambda row: row.name)
@pytest.mark.parametrize('no', ['', 'no-'])
def test_the_command_line_takes_an_option_that_is_gone_and_does_not_show_it(row, no, caplog):
    parser = argparse.ArgumentParser()
    parser.add_argument('input')
    add_settings(parser)
    args = parser.parse_args([f'--{no}{row.name}', 'recording'])
    assert settings_from(args) == Settings() and args.input == 'recording' and _told(row.name, caplog)
    assert row.name not in parser.format_help()
    assert not _complaints({row.name: False})


@pytest.fixture
def declared(tmp_path, monkeypatch, capfd):
    """Declares the parameters on a node with ROS arguments: its settings, names, and what it said of `word`."""
    rclpy = pytest.importorskip('rclpy')
    from rclpy.context import Context

    from ssrflow_ros.node.parameters import declare_settings

    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path))

    def declare(arguments, word):
        context = Context()
        rclpy.init(args=['--ros-args', *arguments], context=context)
        node = rclpy.create_node('ssrflow', context=context)
        try:
            settings = declare_settings(node)
            values = {row.name: node.get_parameter(row.name).value for row in Settings.table()}
            assert values == {name: getattr(settings, name) for name in values}
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)
        return settings, [line for line in ''.join(capfd.readouterr()).splitlines() if word in line]

    return declare


@pytest.mark.parametrize('row', ALIASES, ids=lambda row: row.alias)
def test_the_node_takes_a_former_name(row, declared):
    settings, lines = declared(['-p', f'{row.alias}:={row.high}'], row.alias)
    assert getattr(settings, row.name) == row.high
    assert len(lines) == 1 and 'WARN' in lines[0] and row.name in lines[0]


@pytest.mark.parametrize('row', GONE, ids=lambda row: row.name)
def test_the_node_ignores_a_parameter_that_is_gone(row, declared, tmp_path):
    file = tmp_path / 'of_before.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    {row.name}: false\n    threads: 1\n')
    settings, lines = declared(['--params-file', str(file)], row.name)
    assert settings == Settings(threads=1)
    assert len(lines) == 1 and 'WARN' in lines[0] and row.description in lines[0]


@pytest.mark.parametrize('file_first', [True, False])
def test_command_line_wins_over_yaml_and_yaml_over_the_default(tmp_path, monkeypatch, file_first):
    rclpy = pytest.importorskip('rclpy')
    from rclpy.context import Context

    from ssrflow_ros.node.parameters import declare_settings, files_first

    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path))
    file = tmp_path / 'some.yaml'
    file.write_text(
        parameter_docs.yaml().replace('moving_speed: 0.5', 'moving_speed: 3.0').replace('max_gap: 0.5', 'max_gap: 1.5')
    )
    words = [['--params-file', str(file)], ['-p', 'moving_speed:=2.0']]
    context = Context()
    arguments = ['--ros-args', *words[not file_first], *words[file_first]]
    rclpy.init(args=files_first(arguments), context=context)
    node = rclpy.create_node('ssrflow', context=context)
    try:
        settings = declare_settings(node)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert (settings.moving_speed, settings.max_gap, settings.max_range) == (2.0, 1.5, Settings().max_range)


def test_other_arguments_stay_where_they_are():
    pytest.importorskip('rclpy')
    from ssrflow_ros.node.parameters import files_first

    assert files_first(['node', 'a', '--ros-args', '-r', 'a:=b', '--params-file', 'f', '--', 'c']) == [
        'node',
        'a',
        '--ros-args',
        '--params-file',
        'f',
        '-r',
        'a:=b',
        '--',
        'c',
    ]
    assert files_first(['node', '--params-file', 'f']) == ['node', '--params-file', 'f']
    assert files_first(['node', '--ros-args', '--params-file']) == ['node', '--ros-args', '--params-file']
