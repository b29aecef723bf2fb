"""Shared fixtures. Real LiDAR recordings are not part of the package; tests on them skip where absent."""
import os
from pathlib import Path

import pytest

_DATA = Path(os.environ.get('SSRFLOW_TEST_DATA', Path(__file__).resolve().parents[2] / 'shared' / 'data'))


@pytest.fixture(scope='session')
def data_folder() -> Path:
    """Folder of real sweeps: pairs/*.npz, sequences/, ground/*.npz."""
    if not _DATA.is_dir():
        pytest.skip(f'no real sweeps at {_DATA}: set SSRFLOW_TEST_DATA to their folder')
    return _DATA
