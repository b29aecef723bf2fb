"""Workflow, images and package.xml fit each other. Neither workflow nor images can be run here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = ['humble', 'jazzy', 'kilted', 'lyrical']


def test_workflow_builds_and_tests_on_every_distribution():
    yaml = pytest.importorskip('yaml')
    jobs = yaml.safe_load((ROOT / '.github/workflows/ros.yml').read_text())['jobs']
    assert jobs['colcon']['strategy']['matrix']['distribution'] == DISTRIBUTIONS
    targets = [step['run'].split()[1:] for step in jobs['wheels']['steps'] if step.get('run', '').startswith('make ')]
    for target in sum(targets, []):
        assert re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.MULTILINE), target


def test_pip_brings_what_rosdep_has_not():
    """Every package that setup.py needs is in package.xml, or installed by pip in workflow and images."""
    needed = re.search(r'install_requires=\[(.*?)\]', (ROOT / 'setup.py').read_text(), re.DOTALL).group(1)
    needed = {re.split(r'[<>=]', name)[0] for name in re.findall(r"'([^']+)'", needed)} - {'setuptools'}
    keys = set(re.findall(r'<exec_depend>python3-(\w+)</exec_depend>', (ROOT / 'package.xml').read_text()))
    for files in (
        ['.github/workflows/ros.yml'],
        ['docker/install.sh', 'docker/desktop.Dockerfile'],
        ['docker/install.sh', 'docker/jetson.Dockerfile'],
    ):
        lines = re.findall(r'pip install (.+)', ''.join((ROOT / file).read_text() for file in files))
        piped = {word.partition('==')[0] for line in lines for word in line.split()}
        assert needed <= keys | piped, f'{files}: {needed - keys - piped}'


def test_package_xml_knows_what_the_images_skip():
    skipped = re.search(r"--skip-keys ('[^']+'|\S+)", (ROOT / 'docker/install.sh').read_text()).group(1)
    for key in skipped.strip("'").split():
        assert f'<exec_depend>{key}</exec_depend>' in (ROOT / 'package.xml').read_text()


@pytest.mark.parametrize('name', ['install.sh', 'entrypoint.sh'])
def test_scripts_of_the_images_are_sound(name):
    path = ROOT / 'docker' / name
    assert os.access(path, os.X_OK)
    if shutil.which('sh'):
        assert subprocess.run(['sh', '-n', path]).returncode == 0
    for image in ('desktop', 'jetson'):
        assert f'/ws/src/ssrflow_ros/docker/{name}' in (ROOT / f'docker/{image}.Dockerfile').read_text()
