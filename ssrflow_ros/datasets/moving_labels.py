"""Recordings with a label for each point, moving or not, as moving-object segmentation (MOS) is scored on.

`open_recordings('helimos:/data/KAIST05')`. The files are the user's, nothing is downloaded.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..sweep import FIRST_STAMP_NS, Sweep
from .files import existing, reading

if TYPE_CHECKING:
    from ..formats.bags import BagMessage

PERIOD_NS = 100_000_000
"""Between sweeps of a recording that bears no times."""
MOVING, STATIC, UNSCORED = 1, 0, -1
"""Labels."""
_MOVING_IDS = range(251, 260)  # of SemanticKITTI, of which its MOS labels, and those of HeLiMOS, use 251
_UNLABELLED_IDS = 0, 1
_HELIMOS_SENSORS = 'Aeva', 'Avia', 'Ouster', 'Velodyne'
_SIMULATED_SWEEPS = 8  # sweeps of a simulated recording

LabelledRows = tuple[Sweep, np.ndarray | None]
"""A sweep, and the label (n_rows,) int8 of each row of its cloud; None where nobody labelled it."""


@dataclass(frozen=True)
class LabelledRecording:
    """The sweeps of one stream, in their order; `group` is what its figures are added up with, a sensor or a place.

    sweeps  begins to read them: InputError where a sweep is damaged, and the next one may be asked for all the same.
    """

    name: str
    group: str
    sweeps: Callable[[], Iterator[LabelledRows]]


KINDS: dict[str, tuple[Callable[[str], list[LabelledRecording]], str]] = {}
"""Layouts by name: what opens a path, and what lies there."""


def open_recordings(place: str) -> list[LabelledRecording]:
    """The recordings at `place`, 'KIND:PATH'; InputError with cause and cure if there are none."""
    kind, colon, path = place.partition(':')
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f'known are {", ".join(KINDS)}'
        raise InputError(f"{place}: there is no kind of labelled recordings '{kind}': {hint}; give KIND:PATH")
    if not path:
        raise InputError(f'{place}: the place is missing: give {kind}:PATH ({KINDS[kind][1]})')
    return KINDS[kind][0](path)


def semantic_kitti(path: str) -> list[LabelledRecording]:
    """PATH is the data set, its folder `sequences`, or one sequence, with velodyne/*.bin and labels/*.label."""
    root = existing(path)
    root = root / 'sequences' if (root / 'sequences').is_dir() else root
    folders = [root] if (root / 'velodyne').is_dir() else sorted(root.glob('*/'))
    found = [folder for folder in folders if any(folder.glob('labels/*.label'))]
    if not found:
        raise InputError(f'{path} holds no sequence with velodyne/*.bin and labels/*.label: give the folder that does')
    return [_of_folder(folder, folder.name, None) for folder in found]


def helimos(path: str) -> list[LabelledRecording]:
    """PATH is a sequence with Deskewed_LiDAR/{Aeva,Avia,Ouster,Velodyne}, or that folder; behind a # the split of
    which frames are scored, whose names train.txt, val.txt or test.txt lists."""
    place, _, split = path.partition('#')
    root = existing(place)
    root = root / 'Deskewed_LiDAR' if (root / 'Deskewed_LiDAR').is_dir() else root
    scored = _frames_of(root / f'{split}.txt') if split else None
    found = [root / sensor for sensor in _HELIMOS_SENSORS if any((root / sensor).glob('labels/*.label'))]
    if not found:
        raise InputError(
            f'{place} holds none of {", ".join(_HELIMOS_SENSORS)} with velodyne/*.bin and labels/*.label: give the '
            'folder Deskewed_LiDAR, or that which holds it'
        )
    return [_of_folder(folder, folder.name, scored) for folder in found]


def doals(path: str) -> list[LabelledRecording]:
    """PATH holds PLACE/sequence_N/indices.csv, each beside its recording as a rosbag2: a line has the stamp of a cloud
    and the rows of its points that move."""
    root = existing(path)
    tables = sorted(root.rglob('indices.csv'))
    if not tables:
        raise InputError(f'{path} holds no indices.csv: give the folder of the places, such as hauptgebaeude/')
    return [
        LabelledRecording(
            str(table.parent.relative_to(root)),
            (table.parent.relative_to(root).parts or (table.parent.name,))[0],
            partial(_doals_sweeps, table),
        )
        for table in tables
    ]


def simulated(count: str) -> list[LabelledRecording]:
    """COUNT recordings of the simulator, all sensors in turn, of seeds that no training has seen."""
    from ..simulator import SENSORS
    from .simulated import UNSEEN_SEED

    if not count.isdecimal() or not int(count):
        raise InputError(f"simulated:{count}: '{count}' is no number of recordings: give simulated:28")
    sensors = list(SENSORS)
    return [
        LabelledRecording(
            f'{sensors[k % len(sensors)]}/{UNSEEN_SEED + k}',
            sensors[k % len(sensors)],
            partial(_simulated_sweeps, UNSEEN_SEED + k, sensors[k % len(sensors)]),
        )
        for k in range(int(count))
    ]


KINDS |= {
    'semantic_kitti': (semantic_kitti, 'SemanticKITTI and its MOS labels: sequences/*/velodyne/*.bin, labels/*.label'),
    'helimos': (
        helimos,
        'HeLiMOS: Deskewed_LiDAR/{Aeva,Avia,Ouster,Velodyne}; behind a # the split, as in KAIST05#test',
    ),
    'doals': (doals, 'DOALS: PLACE/sequence_N/indices.csv beside the recording as a rosbag2'),
    'simulated': (simulated, 'N recordings of the simulator, the sensors in turn, seeds that no training has seen'),
}


def labels_of_ids(ids: np.ndarray) -> np.ndarray:
    """(N,) int8 of SemanticKITTI's ids (N,) uint32, of which the upper half numbers the instance."""
    kind = ids & 0xFFFF
    labels = np.where(np.isin(kind, _MOVING_IDS), MOVING, STATIC)
    return np.where(np.isin(kind, _UNLABELLED_IDS), UNSCORED, labels).astype(np.int8)


def _of_folder(folder: Path, group: str, scored: set[str] | None) -> LabelledRecording:
    name = f'{folder.parent.name}/{folder.name}'
    return LabelledRecording(name, group, partial(_folder_sweeps, folder, scored))


def _folder_sweeps(folder: Path, scored: set[str] | None) -> Iterator[LabelledRows]:
    files = sorted((folder / 'velodyne').glob('*.bin'))
    stamps = _times(folder / 'times.txt')
    stamps += [FIRST_STAMP_NS + number * PERIOD_NS for number in range(len(stamps), len(files))]
    return map(partial(_folder_sweep, folder, scored), files, stamps)


def _folder_sweep(folder: Path, scored: set[str] | None, file: Path, stamp_ns: int) -> LabelledRows:
    with reading(file):
        values = np.fromfile(file, np.float32)
    if len(values) % 4:
        raise InputError(f'{file} holds {len(values)} numbers, which are no rows of x, y, z, intensity: it is cut off')
    points = values.reshape(-1, 4)[:, :3]
    sweep = Sweep.from_points(points, stamp_ns, folder.name)
    label = folder / 'labels' / f'{file.stem}.label'
    if not label.is_file() or scored is not None and file.stem not in scored:
        return sweep, None
    with reading(label):
        ids = np.fromfile(label, np.uint32)
    if len(ids) != len(points):
        raise InputError(f'{label} has {len(ids)} labels for the {len(points)} points of {file.name}: take both anew')
    return sweep, labels_of_ids(ids)


def _times(path: Path) -> list[int]:
    """Stamps, ns, of a file with the seconds of each sweep; none where there is no such file."""
    if not path.is_file():
        return []
    try:
        return [FIRST_STAMP_NS + round(1e9 * float(word)) for word in path.read_text().split()]
    except (OverflowError, ValueError) as error:
        raise InputError(f'{path}: {error}: give the seconds of each sweep, one a line') from None


def _frames_of(path: Path) -> set[str]:
    if not path.is_file():
        raise InputError(f'{path} is not there: give one of the splits train, val, test, or none')
    with reading(path):
        return {Path(line.strip()).stem for line in path.read_text().splitlines() if line.strip()}


def _doals_sweeps(table: Path) -> Iterator[LabelledRows]:
    return map(partial(_doals_sweep, table, _moving_rows(table)), _clouds(_recording_beside(table)))


def _clouds(recording: Path) -> Iterator['BagMessage']:
    from ..formats.bags import POINTCLOUD2, BagReader

    with BagReader(str(recording)) as bag:
        yield from bag.read([bag.choose(None, POINTCLOUD2)])


def _doals_sweep(table: Path, moving: dict[int, np.ndarray], message: 'BagMessage') -> LabelledRows:
    from ..formats.pointcloud2 import decode

    with reading(table.parent):
        sweep = decode(message.read())
    # The stamps of PCL's clouds are microseconds.
    rows = moving.get(sweep.stamp_ns, moving.get(sweep.stamp_ns // 1000))
    if rows is None:
        return sweep, None
    if len(none := rows[(rows < 0) | (rows >= sweep.n_rows)]):
        raise InputError(f'{table}: row {none[0]} moves of a cloud of {sweep.n_rows}: it belongs to another recording')
    labels = np.full(sweep.n_rows, STATIC, np.int8)
    labels[rows] = MOVING
    return sweep, labels


def _moving_rows(table: Path) -> dict[int, np.ndarray]:
    rows = {}
    with reading(table), open(table, newline='') as file:
        for number, line in enumerate(csv.reader(file), 1):
            try:
                values = [int(word) for word in line if word.strip()]
            except ValueError:
                raise InputError(f'{table}, line {number}: whole numbers are wanted, a stamp and rows') from None
            if values:
                rows[values[0]] = np.array(values[1:], np.int64)
    return rows


def _recording_beside(table: Path) -> Path:
    folder = table.parent
    if (folder / 'metadata.yaml').is_file():
        return folder
    found = sorted([*folder.glob('*.mcap'), *folder.glob('*.db3'), *(p.parent for p in folder.glob('*/metadata.yaml'))])
    if found:
        return found[0]
    old = sorted(folder.glob('*.bag'))
    cure = f'rosbags-convert --src {old[0]} --dst {old[0].with_suffix("")}' if old else 'lay the recording beside it'
    raise InputError(f'{table}: there is no rosbag2 beside it: {cure}')


def _simulated_sweeps(seed: int, sensor: str) -> Iterator[LabelledRows]:
    from ..simulator import simulate

    for labelled in simulate(seed, _SIMULATED_SWEEPS, sensor):
        yield labelled.sweep, labelled.moving.astype(np.int8)
