"""What `pip install` is to find: wheels of every requirement, for every processor and Python that is promised."""

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHONS = ('3.10', '3.11', '3.12', '3.13', '3.14')


@pytest.fixture
def package(monkeypatch):
    """The arguments of setup()."""
    import setuptools

    held = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **arguments: held.update(arguments))
    monkeypatch.chdir(ROOT)
    runpy.run_path('setup.py')
    return held


@pytest.mark.parametrize('machine', ['x86_64', 'aarch64'])
@pytest.mark.parametrize('python', PYTHONS)
def test_all_asks_for_patchwork_only_where_it_has_wheels(package, machine, python):
    requirements = pytest.importorskip('packaging.requirements')
    environment = {'platform_machine': machine, 'python_version': python, 'python_full_version': f'{python}.0'}
    asked = {
        one.name
        for one in map(requirements.Requirement, package['extras_require']['all'])
        if one.marker is None or one.marker.evaluate(environment)
    }
    assert ('pypatchworkpp' in asked) == (machine == 'x86_64' and python != '3.14')
    assert 'embreex' not in asked


@pytest.mark.slow
@pytest.mark.parametrize('pinned', [False, True], ids=['newest', 'pinned'])
@pytest.mark.parametrize('machine', ['x86_64', 'aarch64'])
@pytest.mark.parametrize('python', PYTHONS)
def test_wheels_are_there(package, machine, python, pinned, tmp_path):
    """`newest`: pip install '.[all]'; `pinned`: what `make` installs. uv takes the markers of the machine asked about,
    where pip takes its own. It only reads the index: nothing is installed."""
    pytest.importorskip('uv')
    from uv import find_uv_bin

    extras = ['all', *(['test'] if pinned else [])]
    if pinned and machine == 'x86_64' and python != '3.14':
        extras.append('ros')
    (tmp_path / 'asked').write_text(
        '\n'.join(package['install_requires'] + [one for extra in extras for one in package['extras_require'][extra]])
    )
    # A source distribution of colcon's, which needs no compiler.
    (tmp_path / 'but').write_text('empy ; python_version < "3"')
    found = subprocess.run(
        [
            find_uv_bin(),
            'pip',
            'compile',
            '-q',
            'asked',
            '--overrides',
            'but',
            '--only-binary',
            ':all:',
            '--python-version',
            python,
            '--python-platform',
            f'{machine}-manylinux_2_28',
            '-o',
            'found',
            *(['-c', str(ROOT / 'constraints.txt')] if pinned else []),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    if 'error sending request' in found.stderr or 'Failed to fetch' in found.stderr:
        pytest.skip('needs the package index')
    assert found.returncode == 0, found.stderr
