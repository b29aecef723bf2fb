"""Shared fixtures. Real LiDAR recordings are not part of the package; tests on them skip where absent."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

# Tests work on small arrays, where threads cost more than they give, and on busy machines; read when
# torch and numpy are loaded, here and in every process that a test starts.
for name, value in {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1', 'GOMP_SPINCOUNT': '0'}.items():
    os.environ.setdefault(name, value)

# What a shell starts in the background ignores Ctrl-C, and so would every process that a test starts and ends by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402

if find_spec('hypothesis'):
    from hypothesis import settings

    # The same examples each time, however long one takes: a test fails for what was changed, never by chance.
    settings.register_profile('steady', deadline=None, derandomize=True)
    settings.load_profile('steady')

_DATA = Path(os.environ.get('SSRFLOW_TEST_DATA', Path(__file__).resolve().parents[2] / 'shared' / 'data'))


def pytest_sessionstart(session):
    """The loops are compiled side by side before any test, where they have yet to be: else each process would do it."""
    if not hasattr(session.config, 'workerinput'):
        from ssrflow_ros.compilation import ColdKernels

        for _ in ColdKernels():
            pass


@pytest.fixture(scope='session')
def data_folder() -> Path:
    """Folder of real sweeps: pairs/*.npz, sequences/, ground/*.npz."""
    if not _DATA.is_dir():
        pytest.skip(f'no real sweeps at {_DATA}: set SSRFLOW_TEST_DATA to their folder')
    return _DATA
