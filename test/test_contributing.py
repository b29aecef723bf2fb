"""The three recipes of CONTRIBUTING.md, followed to the letter in a clone."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Clone:
    """A clone to be edited as the recipes say."""

    def __init__(self, folder: Path):
        self.root = folder / 'clone'
        subprocess.run(['git', 'clone', '-q', '--depth', '1', ROOT.as_uri(), self.root], check=True)

    def blocks(self, recipe: str) -> list[str]:
        """The code of a recipe, block by block."""
        text = (self.root / 'CONTRIBUTING.md').read_text().split(f'## {recipe}\n')[1].split('\n## ')[0]
        return [textwrap.dedent(block) for block in re.findall(r'^ *```(?:python)?\n(.*?)^ *```', text, re.S | re.M)]

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def append(self, path: str, text: str) -> None:
        self.write(path, (self.root / path).read_text() + '\n\n' + text)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f'{path}: {old}'
        self.write(path, text.replace(old, new))

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONPATH': str(self.root)},
        )
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_recipes_work(tmp_path):
    if not (ROOT / '.git').exists():
        pytest.skip('needs the repository')
    clone = Clone(tmp_path)

    method, choice, test = clone.blocks('Add a ground method')
    clone.write('ssrflow_ros/steps/flat_ground.py', method)
    clone.replace(
        'ssrflow_ros/steps/ground.py', 'from .polar_grid', 'from .flat_ground import FlatGround\nfrom .polar_grid'
    )
    clone.replace('ssrflow_ros/steps/ground.py', "    'none':", textwrap.indent(choice, '    ') + "    'none':")
    clone.replace(
        'ssrflow_ros/settings.py', "('polar_grid', 'patchwork', 'none')", "('polar_grid', 'patchwork', 'flat', 'none')"
    )
    clone.append('test/test_ground.py', test)
    clone.run('-m', 'ssrflow_ros.node.parameter_docs')  # make docs

    reader, kind, row, test = clone.blocks('Add a dataset')
    clone.write('ssrflow_ros/datasets/my_lidar.py', reader)
    clone.replace(
        'ssrflow_ros/datasets/__init__.py', "    'nuscenes':", textwrap.indent(kind, '    ') + "    'nuscenes':"
    )
    clone.replace('docs/accuracy.md', '| `nuscenes:FOLDER`', row + '| `nuscenes:FOLDER`')
    clone.append('test/test_datasets.py', test)

    block, choice, variant = clone.blocks('Add a network block')
    clone.append('ssrflow_ros/network/layers.py', block)
    clone.replace('ssrflow_ros/network/config.py', "('attention', 'max')", "('attention', 'max', 'mean')")
    clone.replace('ssrflow_ros/network/global_fusion.py', 'MaxPooling, PairMLP', 'MaxPooling, MeanPooling, PairMLP')
    clone.replace('ssrflow_ros/network/global_fusion.py', "    'max':", textwrap.indent(choice, '    ') + "    'max':")
    clone.replace(
        'ssrflow_ros/training/ablate.py', "    'str-none'", textwrap.indent(variant, '    ') + "    'str-none'"
    )
    clone.replace(
        'test/test_network.py',
        "{'fusion_pooling': 'max'},",
        "{'fusion_pooling': 'max'},\n    {'fusion_pooling': 'mean'},",
    )

    clone.run(
        '-m',
        'pytest',
        '-q',
        '-k',
        'flat or my_lidar or documented or fusion_pooling or written',
        *(f'test/test_{name}.py' for name in ('ground', 'datasets', 'network', 'parameters')),
    )
    clone.run('-m', 'ruff', 'check', '.')
    clone.run('-m', 'mypy')
