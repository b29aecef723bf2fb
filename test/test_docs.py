"""README and docs: short, of today, and no link or name that leads nowhere."""

import argparse
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'docs'), str(ROOT / 'studies')]
import site_pages  # noqa: E402

USER_PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *(ROOT / 'docs').glob('*.md')]
ALL_PAGES = [*USER_PAGES, ROOT / 'SECURITY.md', ROOT / 'examples/README.md', *(ROOT / 'docs/research').glob('*.md')]


def _name(path):
    return str(path.relative_to(ROOT))


def test_readme_is_one_page():
    text = (ROOT / 'README.md').read_text()
    assert len(text.splitlines()) < 120 and 'make demo' in text and 'make test' in text


def test_the_first_picture_of_the_readme_moves_for_ten_seconds_and_loads_quickly():
    image = pytest.importorskip('PIL.Image')
    path = ROOT / re.search(r'!\[[^\]]*\]\(([^)]+)\)', (ROOT / 'README.md').read_text()).group(1)
    assert path.stat().st_size <= 3_000_000
    with image.open(path) as picture:
        seconds = 0.0
        for frame in range(picture.n_frames):
            picture.seek(frame)
            picture.load()
            seconds += 1e-3 * picture.info['duration']
    assert seconds == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize('path', USER_PAGES, ids=_name)
def test_a_page_tells_what_is_now(path):
    history = r'earlier version|version before|before this one|weights of then|told of what'
    assert not re.search(history, path.read_text(), re.IGNORECASE)


def _anchors(path):
    """What GitHub and the site call the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', re.sub(r'^(```+)[^\n]*\n.*?^\1', '', path.read_text(), flags=re.M | re.S), re.M)
    plain = (re.sub(r'[^\w\- ]', '', heading.lower()).strip() for heading in headings)
    return {heading.replace(' ', '-') for heading in plain}


@pytest.mark.parametrize('path', ALL_PAGES, ids=_name)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r'\]\(([^)\s]+)\)', path.read_text()):
        if '://' in target:
            continue
        file, _, anchor = target.partition('#')
        to = (path.parent / file).resolve() if file else path
        assert to.exists(), target
        if anchor and to.suffix == '.md':
            assert anchor in _anchors(to), target


def test_the_topics_of_the_node_page_are_those_of_the_node():
    table = (ROOT / 'docs/node.md').read_text().split('## Topics')[1].split('\n\n')[1]
    documented = {name for row in table.splitlines() for name in re.findall(r'`([~/\w]+)`', row.split('|')[2])}
    opened = {name for _, name, _ in site_pages.topics()}
    assert documented - {'~/change_state'} == opened  # that, and its like, are rclpy's


def test_the_reference_holds_every_command_and_public_name():
    import ssrflow_ros
    from ssrflow_ros.cli.main import COMMANDS

    commands, api = site_pages.command_line(), site_pages.python_api()
    assert all(f'## ssrflow {name}\n' in commands for name in COMMANDS) and '### ssrflow train run\n' in commands
    assert all(f'### {name}\n' in api for name in ssrflow_ros.__all__ if not name.startswith('_'))


def test_the_site_builds_strictly(tmp_path):
    build = pytest.importorskip('mkdocs.commands.build')
    from mkdocs.config import load_config

    build.build(load_config(str(ROOT / 'mkdocs.yml'), strict=True, site_dir=str(tmp_path)))
    assert (tmp_path / 'index.html').is_file() and (tmp_path / 'reference/python/index.html').is_file()


def test_every_table_can_be_made_anew():
    from importlib import import_module
    from importlib.util import find_spec

    tables = import_module('tables').TABLES
    for place, commands in tables.values():
        page, _, anchor = place.partition('#')
        assert not anchor or anchor in _anchors(ROOT / 'docs' / page), place
        for command in commands:
            match shlex.split(command.format(data='data', bag='drive')):
                case ['ssrflow', name, *rest]:
                    module, parser = import_module(f'ssrflow_ros.cli.{name}'), argparse.ArgumentParser()
                    module.add_arguments(parser)
                    parser.parse_args(rest)
                case ['python', '-m', name, *_]:
                    assert find_spec(name), command
                case ['python', name, *_]:
                    assert (ROOT / name).is_file(), command
                case other:
                    assert other[0] == 'make', command
