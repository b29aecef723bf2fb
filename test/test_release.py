"""A release: source archive, wheel out of it, their description, and an installation apart from the source tree."""

import os
import subprocess
import sys
import tarfile
import venv
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

import ssrflow_ros

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def _run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def release(tmp_path_factory):
    """(source archive, wheel), the latter built out of the former."""
    if not (ROOT / '.git').exists():
        pytest.skip('a release is made of a clone')
    folder = tmp_path_factory.mktemp('release')
    _run('git', 'clone', '-q', '--depth', '1', ROOT.as_uri(), folder / 'clone', cwd=folder)
    _run(
        sys.executable,
        '-c',
        f'from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})',
        cwd=folder / 'clone',
    )
    (archive,) = folder.glob('*.tar.gz')
    _run(
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '-q',
        '--no-deps',
        '--no-build-isolation',
        '-w',
        folder,
        archive,
        cwd=folder,
    )
    (wheel,) = folder.glob('*.whl')
    return archive, wheel


def test_the_archive_builds_what_the_tree_builds(release):
    archive, wheel = release
    name = f'ssrflow_ros-{ssrflow_ros.__version__}'
    assert archive.name == f'{name}.tar.gz' and wheel.name == f'{name}-py3-none-any.whl'
    with tarfile.open(archive) as packed:
        inside = {member.removeprefix(f'{name}/') for member in packed.getnames()}
    assert {'setup.py', 'package.xml', 'README.md', 'LICENSE', 'launch/flow.launch.py'} <= inside
    assert not [name for name in inside if name.startswith('test/')]  # some of them could not be run there
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / 'ssrflow_ros').rglob('*.py')}
    assert modules <= set(ZipFile(wheel).namelist())


def test_the_description_is_whole(release):
    with ZipFile(release[1]) as packed:
        (path,) = (name for name in packed.namelist() if name.endswith('.dist-info/METADATA'))
        metadata = packed.read(path)
    told = BytesParser().parsebytes(metadata)
    assert told['Version'] == ssrflow_ros.__version__ and told['Summary'] and told['Requires-Python'] == '>=3.10'
    assert told['Description-Content-Type'].startswith('text/markdown')
    assert metadata.decode().partition('\n\n')[2].strip() == (ROOT / 'README.md').read_text().strip()
    pytest.importorskip('packaging.metadata').Metadata.from_email(metadata, validate=True)


def test_a_fresh_environment_runs_it(release, tmp_path):
    venv.create(tmp_path / 'fresh', with_pip=False)
    python = tmp_path / 'fresh/bin/python'
    _run(sys.executable, '-m', 'pip', '-q', '--python', python, 'install', '--no-deps', release[1], cwd=tmp_path)
    # The dependencies are those of this environment, without its link to the source tree.
    (site,) = (tmp_path / 'fresh/lib').glob('python*/site-packages')
    (site / 'dependencies.pth').write_text(str(Path(np.__file__).parents[1]) + '\n')
    ssrflow = tmp_path / 'fresh/bin/ssrflow'
    assert _run(ssrflow, '--version', cwd=tmp_path) == f'ssrflow {ssrflow_ros.__version__}\n'
    rng = np.random.default_rng(0)
    cloud = rng.uniform((-20, -20, -2), (20, 20, 3), (3000, 3)).astype(np.float32)
    np.save(tmp_path / 'before.npy', cloud)
    np.save(tmp_path / 'after.npy', cloud + rng.normal(0, 0.001, cloud.shape).astype(np.float32))
    _run(
        ssrflow,
        'flow',
        'before.npy',
        'after.npy',
        '--dt',
        '0.1',
        '--ego-motion',
        'none',
        '--ground',
        'none',
        '--network-points',
        '512',
        '-o',
        'flow.npz',
        cwd=tmp_path,
    )
    assert not np.load(tmp_path / 'flow.npz')['moving'].any()
    where = _run(python, '-c', 'import ssrflow_ros; print(ssrflow_ros.__file__)', cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)


def test_the_changelog_is_one_that_tools_read():
    prepare_release = pytest.importorskip('catkin_pkg.cli.prepare_release')
    text = (ROOT / 'CHANGELOG.rst').read_text()
    assert prepare_release.get_forthcoming_label(text) == 'Forthcoming' or f'\n{ssrflow_ros.__version__} (' in text
