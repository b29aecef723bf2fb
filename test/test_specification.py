"""The table at the end of docs/node.md names tests that exist."""

import re
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parent
NAMED = sorted(set(re.findall(r'`(test_\w+\.py)::(test_\w+)`', (TEST.parent / 'docs' / 'node.md').read_text())))


@pytest.mark.parametrize('file, name', NAMED)
def test_named_test_exists(file, name):
    assert f'def {name}(' in (TEST / file).read_text()


def test_the_table_is_read():
    assert len(NAMED) > 40
