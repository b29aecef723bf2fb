"""How kernels are compiled, whatever the machine's folders allow."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ssrflow_ros.kernels

ROOT = Path(__file__).resolve().parents[1]
KERNEL = """
from ssrflow_ros.kernels.compiled import compiled
@compiled
def added(a, b):
    return a + b
@compiled
def doubled(a):
    return added(a, a)
"""
CALL = 'from kernel import added; print(added(2, 3), sum(added.stats.cache_hits.values()), added.stats.cache_path)'


def _call(folder: Path, call: str = CALL, kernel: str = KERNEL, **environment: str) -> list[str]:
    """What a fresh process says, of `CALL`: the sum, how often the cache was hit, where the cache is."""
    (folder / 'kernel.py').write_text(kernel)
    root = str(Path(ssrflow_ros.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, '-c', call],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': root, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def _blocked(folder: Path) -> Path:
    """A place where not even root can write."""
    file = folder / 'a_file'
    file.write_text('')
    return file / 'below'


def test_a_second_process_takes_what_the_first_compiled(tmp_path):
    assert _call(tmp_path)[:2] == ['5', '0']
    assert _call(tmp_path)[:2] == ['5', '1']


@pytest.mark.parametrize('first', ['added(2, 3), ', ''])
def test_what_is_loaded_can_be_compiled_into_another(tmp_path, first):
    _call(tmp_path)
    call = f'from kernel import *; print({first}doubled(4), sum(added.stats.cache_hits.values()))'
    assert _call(tmp_path, call)[-2:] == ['8', '1']


def test_what_another_version_of_numba_keeps_is_loaded_in_its_own_way(tmp_path):
    _call(tmp_path)
    assert _call(tmp_path, 'from ssrflow_ros.kernels import compiled; compiled.parse_assembly = None; ' + CALL)[:2] == [
        '5',
        '1',
    ]


def test_the_user_cache_serves_a_read_only_installation(tmp_path):
    (tmp_path / '__pycache__').write_text('')
    cache = tmp_path / 'cache'
    first = _call(tmp_path, XDG_CACHE_HOME=str(cache))
    assert first[:2] == ['5', '0'] and first[2].startswith(str(cache))
    assert _call(tmp_path, XDG_CACHE_HOME=str(cache))[:2] == ['5', '1']


def test_without_any_folder_it_is_compiled_each_time(tmp_path):
    (tmp_path / '__pycache__').write_text('')
    blocked = str(_blocked(tmp_path))
    for _ in range(2):
        assert _call(tmp_path, XDG_CACHE_HOME=blocked, HOME=blocked)[:2] == ['5', '0']


@pytest.mark.parametrize('ending', ['nbi', 'nbc'])
@pytest.mark.parametrize('left', [0, 100])
def test_a_damaged_cache_is_compiled_anew(tmp_path, ending, left):
    _call(tmp_path)
    (kept,) = (tmp_path / '__pycache__').glob(f'*.{ending}')
    kept.write_bytes(kept.read_bytes()[:left])
    assert _call(tmp_path)[:2] == ['5', '0']
    assert _call(tmp_path)[:2] == ['5', '1']


def test_a_full_disk_costs_no_call(tmp_path, monkeypatch):
    from numba.core.caching import FunctionCache

    from ssrflow_ros.kernels.compiled import compiled

    def full(self, sig, data):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(FunctionCache, 'save_overload', full)
    assert compiled(lambda a: a + 1)(1) == 2


def test_a_kernel_calls_only_kernels_of_its_own_file():
    """numba looks at the date of the kernel's own file only, so what it calls elsewhere could be of another version."""
    for file in Path(ssrflow_ros.kernels.__file__).parent.glob('*.py'):
        module = importlib.import_module(f'ssrflow_ros.kernels.{file.stem}')
        for name, value in vars(module).items():
            assert not hasattr(value, 'py_func') or value.py_func.__module__ == module.__name__, (file.name, name)


def test_a_file_is_cold_until_its_kernels_have_been_compiled_and_kept(tmp_path):
    asked = 'from ssrflow_ros.kernels.compiled import *; print("curve" in cold_files())'
    told = [
        subprocess.run(
            [sys.executable, '-c', line],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'NUMBA_CACHE_DIR': str(tmp_path)},
        ).stdout.split()
        for line in (asked, f'{asked}; compile_file("curve"); print("curve" in cold_files())', asked)
    ]
    assert told == [['True'], ['True', 'False'], ['False']]


def test_it_is_compiled_anew_when_what_it_calls_in_another_file_changes(tmp_path):
    way = 'from kernel import added, compiled\n@compiled\ndef on_the_way(a):\n    return added(a, a)\n'
    (tmp_path / 'way.py').write_text(way)
    caller = 'from way import compiled, on_the_way\n@compiled\ndef twice(a):\n    return on_the_way(a)\n'
    (tmp_path / 'caller.py').write_text(caller)
    call = 'from caller import twice; print(twice(4), sum(twice.stats.cache_hits.values()))'
    assert [_call(tmp_path, call), _call(tmp_path, call)] == [['8', '0'], ['8', '1']]
    assert _call(tmp_path, call, kernel=KERNEL.replace('a + b', 'a * b')) == ['16', '0']
