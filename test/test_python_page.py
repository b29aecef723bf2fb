"""What README and docs/python.md show runs as it stands there."""

import re
from pathlib import Path

import pytest

from ssrflow_ros.simulator import simulate

ROOT = Path(__file__).resolve().parents[1]


def blocks_of(page):
    return re.findall(r'^```python\n(.*?)^```', (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize('page, least', [('README.md', 1), ('docs/python.md', 8)])
def test_every_block_runs_after_those_before_it(page, least, capsys):
    before, after = (labelled.sweep.points for labelled in simulate(3, 2, 'vlp16', 'street'))
    names = {'before': before, 'after': after} if page == 'README.md' else {}
    blocks = blocks_of(page)
    assert len(blocks) >= least
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f'{page}, block {number}', 'exec'), names)
    if page != 'README.md':
        told = capsys.readouterr().out
        assert 'sweep 0: first sweep' in told and 'transpose it' in told and 'given' in told
