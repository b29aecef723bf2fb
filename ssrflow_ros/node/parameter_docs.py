"""Writes docs/parameters.md and config/ssrflow.yaml from the settings table: `make docs`. No ROS."""
from __future__ import annotations

import json
from pathlib import Path

from ..settings import Parameter, Settings

_MARKDOWN_HEAD = """\
# Parameters

One table in the code, `ssrflow_ros/settings.py`, is the source of this page (`make docs`), of
`config/ssrflow.yaml`, of the node's parameters and of the options of `ssrflow`
(`max_range` is `--max-range`). *Live* ones may be changed while the
node runs (`ros2 param set /ssrflow moving_speed 1.0`);
a value that breaks its rule is refused with the reason. Those *of the node* are no options of
the command line.

| name | type | default | unit | allowed | live | description |
|---|---|---|---|---|---|---|
"""
_YAML_HEAD = """\
# Every parameter of the node with its default; written by `make docs` from ssrflow_ros/settings.py.
# ros2 launch ssrflow_ros flow.launch.py points:=/my/topic params_file:=my_copy_of_this.yaml
/**:
  ros__parameters:
"""


def markdown() -> str:
    """The text of docs/parameters.md."""
    return _MARKDOWN_HEAD + ''.join(map(_markdown_row, Settings.table()))


def yaml() -> str:
    """The text of config/ssrflow.yaml."""
    return _YAML_HEAD + ''.join(
        f'    # {row.description}{_hint(row)}\n    {row.name}: {json.dumps(row.default)}\n'
        for row in Settings.table())


def main() -> None:
    """Write both files in the source tree."""
    root = Path(__file__).resolve().parents[2]
    (root / 'docs' / 'parameters.md').write_text(markdown(), encoding='utf-8')
    (root / 'config' / 'ssrflow.yaml').write_text(yaml(), encoding='utf-8')


def _allowed(row: Parameter) -> str:
    return ', '.join(row.choices) or ('' if row.low is None else f'{row.low} to {row.high}')


def _hint(row: Parameter) -> str:
    hints = ' '.join(filter(None, (_allowed(row), row.unit)))
    return f' ({hints})' if hints else ''


def _markdown_row(row: Parameter) -> str:
    name = f'`{row.name}`' + (' (of the node)' if row.of_node else '')
    cells = (name, row.type.__name__, f'`{json.dumps(row.default)}`', row.unit, _allowed(row),
             'yes' if row.live else '', row.description)
    return '| ' + ' | '.join(cells) + ' |\n'


if __name__ == '__main__':
    main()
