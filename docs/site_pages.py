"""Pages of the site that are made from the code or lie outside docs/, a hook of mkdocs (`make site`).

The home page is README.md. The reference of the command line comes from the parsers of `ssrflow`, that of Python and
of the topics from the source. Links to files that are no pages lead to the repository; one that leads nowhere is a
warning, which a strict build turns into an error.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import logging
import os
import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ELSEWHERE = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'SECURITY.md': 'security.md',
    'examples/README.md': 'examples.md',
}
"""Pages that lie outside docs/: file in the repository, page of the site."""

API = (
    'scene_flow',
    'stream',
    'sweep',
    'settings',
    'errors',
    'formats.clouds',
    'formats.pointcloud2',
    'formats.object_cloud',
    'datasets',
    'datasets.labelled_pair',
    'simulator.simulate',
    'evaluation.metrics',
    'network.config',
    'steps.ground',
    'steps.ego_motion',
    'formats.message_types',
    'inference.network_runner',
    'training.objective',
)
"""Modules of the Python reference."""

NODE = ('managed_node', 'publishing', 'ego_sources', 'object_adapters')
"""Modules of `ssrflow_ros.node` that open the topics and services of the flow node."""

_OPENS = {
    'create_publisher': 'out',
    '_publisher': 'out',
    'create_subscription': 'in',
    '_listen': 'in',
    'create_service': 'service',
}
_LINK = re.compile(r'\]\(([^)\s]+)\)')
_log = logging.getLogger('mkdocs.hooks.site_pages')


def on_files(files, config):
    """Add what is not a file in docs/."""
    from mkdocs.structure.files import File

    pages = {page: (ROOT / path).read_text(encoding='utf-8') for path, page in ELSEWHERE.items()}
    pages |= {
        'reference/topics.md': topics_page(),
        'reference/command_line.md': command_line(),
        'reference/python.md': python_api(),
    }
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Lead every relative link to a page of the site, or to the repository."""
    here = page.file.src_uri
    source = next((path for path, name in ELSEWHERE.items() if name == here), f'docs/{here}')

    def lead(match: re.Match) -> str:
        target, hash, anchor = match[1].partition('#')
        if not target or ':' in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        inside = ELSEWHERE.get(path) or (path.removeprefix('docs/') if path.startswith('docs/') else None)
        if inside:
            return f']({posixpath.relpath(inside, posixpath.dirname(here) or ".")}{hash}{anchor})'
        if not (ROOT / path).exists():
            _log.warning('%s: the link %s leads nowhere', source, match[1])
        return f']({config.repo_url.rstrip("/")}/blob/main/{path})' if config.repo_url else ']()'

    # Without the repository's address a link to a file is left as its text.
    return re.sub(r'\[([^][]*)\]\(\)', r'\1', _LINK.sub(lead, markdown))


def topics() -> list[tuple[str, str, str]]:
    """Direction, name and message type of each topic and service of the flow node, read from its source."""
    found = []
    for module in NODE:
        tree = ast.parse((ROOT / 'ssrflow_ros/node' / f'{module}.py').read_text(encoding='utf-8'))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _OPENS:
                match node.args:
                    case [ast.Name(id=kind), ast.Constant(value=name), *_]:
                        found.append((_OPENS[node.func.attr], name, kind))
            elif isinstance(node, ast.Tuple):  # the table of the adapters: package, topic, message, maker
                match node.elts:
                    case [ast.Constant(), ast.Constant(value=str(name)), ast.Constant(value=kind), *_] if (
                        name.startswith('~/')
                    ):
                        found.append(('out', name, kind))
    return sorted(found)


def topics_page() -> str:
    """The table of topics and services."""
    rows = ''.join(f'| {direction} | `{name}` | {kind} |\n' for direction, name, kind in topics())
    return (
        '# Topics and services\n\nAll that `flow_node` opens. What each holds: [node](../node.md#topics); its '
        '[quality of service](../node.md#quality-of-service).\n\n'
        f'| direction | name | type |\n|---|---|---|\n{rows}'
    )


def command_line() -> str:
    """`--help` of every command."""
    from ssrflow_ros.cli.main import COMMANDS

    os.environ['COLUMNS'] = '110'
    os.environ['NO_COLOR'] = '1'
    parts = ['# Commands\n\nWhat `ssrflow COMMAND --help` prints. How to use it: [command line](../command_line.md).\n']
    for name, what in COMMANDS.items():
        module = importlib.import_module(f'ssrflow_ros.cli.{name}')
        parser = argparse.ArgumentParser(
            prog=f'ssrflow {name}', description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(parser)
        parts.append(f'## ssrflow {name}\n\n{what[0].upper()}{what[1:]}.\n\n{_fenced(parser.format_help())}')
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parts += [
                    f'### ssrflow {name} {step}\n\n{_fenced(inner.format_help())}'
                    for step, inner in action.choices.items()
                ]
    return '\n'.join(parts)


def python_api() -> str:
    """Signatures and docstrings of the public classes and functions of `API`, without importing them."""
    parts = ['# Python\n\nSignatures and docstrings. In `ssrflow_ros` itself: ' + ', '.join(_shortcuts()) + '.\n']
    for name in API:
        path = ROOT / 'ssrflow_ros' / Path(*name.split('.'))
        path = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
        text = path.read_text(encoding='utf-8')
        tree = ast.parse(text)
        parts.append(f'## ssrflow_ros.{name}\n\n{_fenced(ast.get_docstring(tree) or "")}')
        for node in tree.body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith('_'):
                described = '\n'.join(_described(node, text.splitlines()))
                parts.append(f'### {node.name}\n\n{_fenced(described, "python")}')
    return '\n'.join(parts)


def _shortcuts() -> list[str]:
    import ssrflow_ros

    return [name for name in ssrflow_ros.__all__ if not name.startswith('_')]


def _described(node: ast.ClassDef | ast.FunctionDef, source: list[str]) -> list[str]:
    """Lines of the signature and the docstring; of a class its fields and public methods, too."""
    first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
    documented = ast.get_docstring(node) is not None
    last = node.body[0].end_lineno if documented else max(node.body[0].lineno - 1, node.lineno)
    lines = source[first - 1 : last]
    if isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.AnnAssign):
                lines += source[item.lineno - 1 : item.end_lineno]
            elif isinstance(item, ast.FunctionDef) and (not item.name.startswith('_') or item.name == '__call__'):
                lines += ['', *_described(item, source)]
    return lines


def _fenced(text: str, language: str = 'text') -> str:
    return f'````{language}\n{text.rstrip()}\n````\n'
