"""One table of parameters; the documents, the YAML and the launch file are held to it."""
import ast
from pathlib import Path

import pytest

from ssrflow_ros.node import parameter_docs
from ssrflow_ros.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def test_docs_and_yaml_are_what_the_table_says():
    cure = 'run "make docs"'
    assert (ROOT / 'docs/parameters.md').read_text() == parameter_docs.markdown(), cure
    assert (ROOT / 'config/ssrflow.yaml').read_text() == parameter_docs.yaml(), cure


def test_yaml_reads_back_as_the_defaults():
    yaml = pytest.importorskip('yaml')
    values = yaml.safe_load(parameter_docs.yaml())['/**']['ros__parameters']
    assert values == {row.name: row.default for row in Settings.table()}
    assert [type(value) for value in values.values()] == [row.type for row in Settings.table()]


def test_every_row_is_whole():
    for row in Settings.table():
        assert row.description.endswith('.'), row.name
        assert (row.low is None) == (row.high is None) == (row.type not in (int, float)), row.name
        assert row.check(row.default) == row.default


def test_launch_arguments_that_are_parameters_exist_and_list_the_choices():
    tree = ast.parse((ROOT / 'launch/flow.launch.py').read_text())
    constants = {node.targets[0].id: node.value for node in tree.body
                 if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    described = {entry.elts[0].value: entry.elts[2].value for entry in constants['ARGUMENTS'].elts}
    table = {row.name: row for row in Settings.table()}
    for name in ast.literal_eval(constants['PARAMETERS']):
        assert name in described
        for choice in table[name].choices:
            assert choice in described[name], f'{name}: {choice} is not in the description'
