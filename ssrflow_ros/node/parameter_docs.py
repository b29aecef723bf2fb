"""Writes what the settings table is the source of: `make docs`. No ROS.

docs/parameters.md  config/ssrflow.yaml  config/ssrflow.schema.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..settings import GONE, Parameter, Settings

_MARKDOWN_HEAD = """\
# Parameters

One table in the code, `ssrflow_ros/settings.py`, is the source of this page (`make docs`), of
`config/ssrflow.yaml`, of the JSON schema by which editors check such a file
(`config/ssrflow.schema.json`), of the node's parameters and of the options of `ssrflow`
(`max_range` is `--max-range`). *Live* ones may be changed while the
node runs (`ros2 param set /ssrflow moving_speed 1.0`), *idle* ones while it is not active;
a value that breaks its rule is refused with the reason. Those *of the node* are no options of
the command line.

| name | type | default | unit | allowed | change | description |
|---|---|---|---|---|---|---|
"""
_MARKDOWN_GONE = """
Taken for one release, and ignored with a warning:

"""
_YAML_HEAD = """\
# yaml-language-server: $schema=ssrflow.schema.json
# Every parameter of the node with its default; written by `make docs` from ssrflow_ros/settings.py.
# ros2 launch ssrflow_ros flow.launch.py points:=/my/topic params_file:=my_copy_of_this.yaml
/**:
  ros__parameters:
"""


def markdown() -> str:
    """The text of docs/parameters.md."""
    gone = ''.join(f'- `{row.name}`: {row.description}\n' for row in GONE)
    return _MARKDOWN_HEAD + ''.join(map(_markdown_row, Settings.table())) + _MARKDOWN_GONE + gone


def yaml() -> str:
    """The text of config/ssrflow.yaml."""
    return _YAML_HEAD + ''.join(
        f'    # {row.description}{_hint(row)}\n    {row.name}: {json.dumps(row.default)}\n' for row in Settings.table()
    )


def schema() -> str:
    """The text of config/ssrflow.schema.json, the JSON schema (draft 7) of a params_file."""
    parameters = {
        'type': 'object',
        'additionalProperties': False,
        'properties': {row.name: _schema_of(row) for row in Settings.table()}
        | {
            row.alias: {**_schema_of(row), 'description': f'Former name of {row.name}.', 'deprecated': True}
            for row in Settings.table()
            if row.alias
        }
        | {
            row.name: {**_schema_of(row), 'description': f'Ignored: {row.description}.', 'deprecated': True}
            for row in GONE
        }
        | {'use_sim_time': {'type': 'boolean'}},
        'patternProperties': {r'^qos_overrides(\.|$)': {}},
    }
    node = {'type': 'object', 'properties': {'ros__parameters': parameters}, 'required': ['ros__parameters']}
    return (
        json.dumps(
            {
                '$schema': 'http://json-schema.org/draft-07/schema#',
                'title': 'Parameters of the node ssrflow',
                'type': 'object',
                # The sections of other nodes are none of ours.
                'patternProperties': {r'^(/\*\*|(.*/)?ssrflow)$': node},
            },
            indent=1,
        )
        + '\n'
    )


ARTEFACTS = {'docs/parameters.md': markdown, 'config/ssrflow.yaml': yaml, 'config/ssrflow.schema.json': schema}
"""What is written where, seen from the root of the source tree."""


def main() -> None:
    """Write them all in the source tree."""
    root = Path(__file__).resolve().parents[2]
    for path, text in ARTEFACTS.items():
        (root / path).write_text(text(), encoding='utf-8')


def _schema_of(row: Parameter) -> dict[str, Any]:
    kind = {str: 'string', bool: 'boolean', int: 'integer', float: 'number'}[row.type]
    rules: dict[str, Any] = {'type': kind, 'default': row.default, 'description': f'{row.description}{_hint(row)}'}
    if row.choices:
        rules['enum'] = list(row.choices)
    if row.low is not None:
        rules.update(minimum=row.low, maximum=row.high)
    return rules


def _allowed(row: Parameter) -> str:
    return ', '.join(row.choices) or ('' if row.low is None else f'{row.low} to {row.high}')


def _hint(row: Parameter) -> str:
    hints = ' '.join(filter(None, (_allowed(row), row.unit)))
    return f' ({hints})' if hints else ''


def _markdown_row(row: Parameter) -> str:
    name = f'`{row.name}`' + (' (of the node)' if row.of_node else '')
    cells = (
        name,
        row.type.__name__,
        f'`{json.dumps(row.default)}`',
        row.unit,
        _allowed(row),
        'live' if row.live else 'idle' if row.idle else '',
        row.description
        + (f' Its former name `{row.alias}` is taken for one release, with a warning.' if row.alias else ''),
    )
    return '| ' + ' | '.join(cells) + ' |\n'


if __name__ == '__main__':
    main()
