"""The package as it is installed: by pip, by colcon, and what imports without ROS."""

import ast
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import ExitStack
from pathlib import Path

import pytest

import ssrflow_ros
from ssrflow_ros.errors import InputError
from ssrflow_ros.node.share import share_file

ROOT = Path(__file__).resolve().parents[1]


def _run(command, cwd, **environment):
    """Output of a command that must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """A copy of what belongs to the package, so that building leaves no trace in the source tree."""
    folder = tmp_path_factory.mktemp('sources') / 'ssrflow_ros'
    folder.mkdir()
    for name in ('setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'LICENSE', 'README.md'):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, folder)
    for name in ('ssrflow_ros', 'launch', 'config', 'rviz', 'resource', 'examples'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
    return folder


def test_versions_and_licence_agree():
    tree = ElementTree.parse(ROOT / 'package.xml')
    assert tree.findtext('name') == 'ssrflow_ros'
    assert tree.findtext('version') == ssrflow_ros.__version__
    assert f"version='{ssrflow_ros.__version__}'" in (ROOT / 'setup.py').read_text(), 'run "make clean"'
    assert tree.findtext('license') == 'Apache-2.0'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()


def test_a_tree_that_is_not_installed_has_no_version(sources):
    # -I: neither PYTHONPATH nor the folder at hand; -S: no site-packages.
    said = _run(
        [
            sys.executable,
            '-I',
            '-S',
            '-c',
            f'import sys; sys.path.insert(0, {str(sources)!r}); import ssrflow_ros; print(ssrflow_ros.__version__)',
        ],
        sources,
    )
    assert said == 'unknown: not installed\n'


def test_package_xml_names_every_ros_package_that_is_imported():
    declared = {
        element.text for element in ElementTree.parse(ROOT / 'package.xml').getroot() if element.tag == 'exec_depend'
    }
    imported = set()
    for path in [*(ROOT / 'ssrflow_ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split('.')[0])
    of_ros = {name for name in imported if name.endswith(('_msgs', '_interfaces', '_ros'))}
    of_ros |= imported & {'rclpy', 'launch', 'ament_index_python'}
    assert of_ros - {'ssrflow_ros'} <= declared


def test_package_xml_names_nothing_that_is_not_used():
    root = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {element.text for element in root if element.tag.endswith('_depend')}
    used = {'ros2launch', 'ros2bag', 'rosbag2_storage_mcap', 'rviz2'}  # that the launch file starts
    for folder in ('ssrflow_ros', 'launch', 'test'):
        for path in (ROOT / folder).rglob('*.py'):
            text = path.read_text()
            used |= {
                name
                for name in declared
                if re.search(rf"(import|from|importorskip\(') ?{name.removeprefix('python3-')}\b", text)
            }
    assert declared <= used


def test_no_help_waits_for_a_library():
    # One process for all: what any of them loads would show.
    heavy = ('rclpy', 'torch', 'matplotlib', 'rosbags', 'numba', 'scipy', 'small_gicp')
    said = _run(
        [
            sys.executable,
            '-c',
            f"""if True:
        import contextlib, io, sys
        import ssrflow_ros
        from ssrflow_ros.cli.main import COMMANDS, main
        for argv in [], *([name] for name in COMMANDS):
            with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
                main([*argv, '--help'])
            print(argv, [name for name in {heavy} if name in sys.modules])""",
        ],
        ROOT,
    )
    assert all(line.endswith('[]') for line in said.splitlines()), said
    assert len(said.splitlines()) > 5


def test_share_file_is_found_and_a_missing_one_is_named():
    assert share_file('config/fastdds.xml').read_text().startswith('<?xml')
    with pytest.raises(InputError, match='config/nothing.yaml'):
        share_file('config/nothing.yaml')


def test_wheel_holds_the_package_and_its_files(sources, tmp_path):
    from zipfile import ZipFile

    pytest.importorskip('wheel')
    pip_wheel = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation']
    _run([*pip_wheel, '-w', tmp_path, '.'], sources)
    names = ZipFile(next(tmp_path.glob('*.whl'))).namelist()
    for module in (ROOT / 'ssrflow_ros').rglob('*.py'):
        assert str(module.relative_to(ROOT)) in names
    for weights in (ROOT / 'ssrflow_ros/weights').glob('*.safetensors'):
        assert str(weights.relative_to(ROOT)) in names
    shared = [name.split('/data/')[1] for name in names if '/data/share/' in name]
    for name in (
        'launch/flow.launch.py',
        'config/fastdds.xml',
        'config/ssrflow.yaml',
        'config/ssrflow.schema.json',
        'rviz/flow.rviz',
        'package.xml',
    ):
        assert f'share/ssrflow_ros/{name}' in shared
    assert 'share/ament_index/resource_index/packages/ssrflow_ros' in shared


def test_colcon_builds_and_the_node_is_where_ros2_run_looks(sources, tmp_path):
    pytest.importorskip('colcon_ros')
    colcon = shutil.which('colcon') or str(Path(sys.executable).with_name('colcon'))
    _run([colcon, 'build', '--base-paths', sources], tmp_path, COLCON_LOG_PATH=str(tmp_path / 'log'))
    prefix = tmp_path / 'install' / 'ssrflow_ros'
    for name in ('flow_node', 'ssrflow', 'object_tracker.py'):
        script = prefix / 'lib' / 'ssrflow_ros' / name
        interpreter = script.read_text().splitlines()[0].removeprefix('#!').split()[0]
        assert os.access(script, os.X_OK) and os.access(interpreter, os.X_OK), f'{name} is run by {interpreter}'
    for name in ('launch/flow.launch.py', 'config/fastdds.xml', 'rviz/flow.rviz'):
        assert (prefix / 'share' / 'ssrflow_ros' / name).is_file()
    said = _run(
        ['sh', '-c', f'. {tmp_path}/install/setup.sh && {prefix}/lib/ssrflow_ros/ssrflow --version'],
        tmp_path,
        AMENT_PREFIX_PATH=sys.prefix,
    )
    assert ssrflow_ros.__version__ in said


def test_a_reserved_domain_can_be_used_and_is_nobody_elses():
    from ssrflow_ros.node.domain import reserved_domain

    with ExitStack() as stack:
        drawn = [stack.enter_context(reserved_domain()) for _ in range(20)]
        assert len(set(drawn)) == 20 and 1 <= min(drawn) and max(drawn) <= 100
        # Another process draws none of them either: of the 100 it would hit one of these nearly always.
        code = (
            'from contextlib import ExitStack; from ssrflow_ros.node.domain import reserved_domain\n'
            'with ExitStack() as stack: print(*(stack.enter_context(reserved_domain()) for _ in range(20)))'
        )
        assert not set(drawn) & {int(word) for word in _run([sys.executable, '-c', code], ROOT).split()}
        for domain in drawn:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
                participant.bind(('', 7400 + 250 * domain + 10))


@pytest.mark.parametrize('participant_number', [0, 3])
def test_a_domain_that_is_in_use_is_not_drawn(monkeypatch, participant_number):
    """By its first participant, or by one that outlived it."""
    from ssrflow_ros.node import domain

    with ExitStack() as stack:
        free = [stack.enter_context(domain.reserved_domain()) for _ in range(2)]
    order = random.SystemRandom
    monkeypatch.setattr(order, 'sample', lambda *_: free)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * free[0] + 10 + 2 * participant_number))
        with domain.reserved_domain() as found:
            assert found == free[1]
            with pytest.raises(InputError, match='end some ROS processes'), domain.reserved_domain():
                pass
