"""Moving-object segmentation: its readers, on small files in the published layouts, and how it is scored."""

import json

import numpy as np
import pytest

from ssrflow_ros.cli.main import main
from ssrflow_ros.datasets.moving_labels import MOVING, STATIC, UNSCORED, open_recordings
from ssrflow_ros.errors import InputError
from ssrflow_ros.evaluation.moving_segmentation import Segmentation, SegmentationScores
from ssrflow_ros.formats.bag_messages import to_header, to_pointcloud2
from ssrflow_ros.formats.bags import POINTCLOUD2, write_bag
from ssrflow_ros.formats.pointcloud2 import encode_points
from ssrflow_ros.scene_flow import SceneFlow
from ssrflow_ros.settings import Settings

IDS = np.array([9, 251, 252 | 7 << 16, 0, 40, 259, 1], np.uint32)
LABELS = [STATIC, MOVING, MOVING, UNSCORED, STATIC, MOVING, UNSCORED]
POINTS = np.arange(28, dtype=np.float32).reshape(7, 4) + 1


def write_sweeps(folder, count=3, labelled=range(3)):
    for name in ('velodyne', 'labels'):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        (POINTS + number).tofile(folder / 'velodyne' / f'{number:06d}.bin')
        if number in labelled:
            IDS.tofile(folder / 'labels' / f'{number:06d}.label')


def test_semantic_kitti_is_read_with_its_moving_classes_and_times(tmp_path):
    write_sweeps(tmp_path / 'sequences' / '08', labelled=(1, 2))
    (tmp_path / 'sequences' / '08' / 'times.txt').write_text('0.0\n1.04e-1\n0.207\n')
    (recording,) = open_recordings(f'semantic_kitti:{tmp_path}')
    sweeps = list(recording.sweeps())
    assert recording.group == '08' and sweeps[0][1] is None
    assert sweeps[1][1].tolist() == LABELS
    np.testing.assert_array_equal(sweeps[1][0].points, POINTS[:, :3] + 1)
    assert [sweep.stamp_ns - sweeps[0][0].stamp_ns for sweep, _ in sweeps] == [0, 104_000_000, 207_000_000]


def test_helimos_has_a_group_for_each_sensor_and_scores_the_split_that_is_asked_for(tmp_path):
    root = tmp_path / 'KAIST05' / 'Deskewed_LiDAR'
    for sensor in ('Velodyne', 'Avia'):
        write_sweeps(root / sensor)
    (root / 'test.txt').write_text('000002\n')
    recordings = open_recordings(f'helimos:{tmp_path / "KAIST05"}#test')
    assert [recording.group for recording in recordings] == ['Avia', 'Velodyne']
    scored = [labels is not None for _, labels in recordings[1].sweeps()]
    assert scored == [False, False, True]  # the others are seen, and not scored
    assert all(labels is not None for _, labels in open_recordings(f'helimos:{root}')[0].sweeps())
    with pytest.raises(InputError, match='one of the splits'):
        open_recordings(f'helimos:{root}#tets')


@pytest.mark.parametrize('per', [1, 1000], ids=['nanoseconds', 'microseconds'])
def test_doals_labels_the_clouds_whose_stamps_its_table_names(tmp_path, per):
    folder = tmp_path / 'hauptgebaeude' / 'sequence_1'
    folder.mkdir(parents=True)
    stamps = [1_600_000_000_000_001_000 + k * 100_000_000 for k in range(3)]
    with write_bag(folder / 'bag', 'mcap', 'simulate', False) as out:
        for stamp in stamps:
            cloud = to_pointcloud2(encode_points(POINTS[:, :3]), to_header(stamp, 'os1'))
            out.write('/os1_cloud_node/points', POINTCLOUD2, stamp, cloud)
    (folder / 'indices.csv').write_text(f'{stamps[1] // per},1,5\n{stamps[2] // per}\n')
    (recording,) = open_recordings(f'doals:{tmp_path}')
    first, second, third = (labels for _, labels in recording.sweeps())
    assert recording.group == 'hauptgebaeude' and first is None
    assert np.flatnonzero(second == MOVING).tolist() == [1, 5] and not third.any()


def test_what_is_no_such_data_set_is_told_with_the_cure(tmp_path):
    with pytest.raises(InputError, match="did you mean 'helimos'"):
        open_recordings('helimoss:x')
    with pytest.raises(InputError, match='Deskewed_LiDAR'):
        open_recordings(f'helimos:{tmp_path}')
    with pytest.raises(InputError, match='indices.csv'):
        open_recordings(f'doals:{tmp_path}')
    (tmp_path / 'indices.csv').write_text('1,2\n')
    (tmp_path / 'seq.bag').write_bytes(b'#ROSBAG V2.0')
    with pytest.raises(InputError, match='rosbags-convert'):
        list(open_recordings(f'doals:{tmp_path}')[0].sweeps())
    write_sweeps(tmp_path / 'velo')
    (tmp_path / 'velo' / 'labels' / '000001.label').write_bytes(b'1234')
    with pytest.raises(InputError, match='1 labels for the 7 points'):
        list(open_recordings(f'semantic_kitti:{tmp_path / "velo"}')[0].sweeps())
    (tmp_path / 'velo' / 'velodyne' / '000000.bin').write_bytes(b'1234')
    with pytest.raises(InputError, match='cut off'):
        list(open_recordings(f'semantic_kitti:{tmp_path / "velo"}')[0].sweeps())


@pytest.mark.parametrize('text', [b'100,-3\n', b'100,9\n', b'\xff\xfe', b'100,' + b'9' * 30, b'1' * 200_000])
def test_tables_of_doals_with_rows_that_there_are_not(tmp_path, text):
    with write_bag(tmp_path / 'bag', 'mcap', 'simulate', False) as out:
        out.write('/points', POINTCLOUD2, 100, to_pointcloud2(encode_points(POINTS[:, :3]), to_header(100, 'os1')))
    (tmp_path / 'indices.csv').write_bytes(text)
    with pytest.raises(InputError, match='indices.csv'):
        list(open_recordings(f'doals:{tmp_path}')[0].sweeps())


@pytest.mark.parametrize(
    'name, text', [('times.txt', b'0 inf 1'), ('times.txt', b'\xff'), ('velodyne/000000.bin', None)]
)
def test_files_of_semantic_kitti_that_cannot_be_read(tmp_path, name, text):
    write_sweeps(tmp_path / 'velo')
    path = tmp_path / 'velo' / name
    if text is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(text)
    with pytest.raises(InputError, match=path.name):
        list(open_recordings(f'semantic_kitti:{tmp_path / "velo"}')[0].sweeps())


def test_iou_is_that_of_all_points_together_and_leaves_out_what_is_unlabelled():
    score = Segmentation()
    score.add(np.array([1, 1, 0, 0, 1], bool), np.array([MOVING, STATIC, MOVING, STATIC, UNSCORED]))
    score.add(np.array([1], bool), np.array([MOVING]))
    assert (score.iou, score.precision, score.recall) == (2 / 4, 2 / 3, 2 / 3)
    assert score.points == 5


def test_a_sweep_without_an_answer_counts_as_standing_still(tmp_path):
    write_sweeps(tmp_path / 'a' / '00')
    scores = SegmentationScores()
    (recording,) = open_recordings(f'semantic_kitti:{tmp_path / "a"}')
    score = scores.add(SceneFlow(Settings()), recording)
    assert score.unanswered == score.sweeps == 3 and score.missed == 9 and score.iou == 0
    assert scores.reasons['first sweep'] == 1  # the others have too few points to be matched


def test_damaged_files_are_named_and_the_others_scored(tmp_path, capsys):
    for name in '00', '01', '02':
        write_sweeps(tmp_path / 'data' / name)
    damaged = tmp_path / 'data' / '00' / 'velodyne' / '000001.bin'
    damaged.write_bytes(b'1234')
    (tmp_path / 'data' / '01' / 'times.txt').write_text('0 inf 1')
    arguments = ['evaluate', '--protocol', 'mos', '--data', f'semantic_kitti:{tmp_path / "data"}']
    assert not main([*arguments, '-o', str(tmp_path / 'out')])
    told = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert {name: (score['sweeps'], score['unread']) for name, score in told['groups'].items()} == {
        '00': (2, 1),
        '01': (0, 1),
        '02': (3, 0),
    }
    out = capsys.readouterr().out
    assert f'Not read: {damaged} holds 1 numbers' in out and 'Not read: ' + str(tmp_path / 'data' / '01') in out
    for file in (tmp_path / 'data').glob('*/velodyne/*'):
        file.write_bytes(b'1234')
    assert main(arguments) == 2
    assert f'not one sweep of 3 recordings is scored: {damaged.parent}' in capsys.readouterr().err


def test_one_command_scores_recordings_and_writes_every_number(tmp_path, capsys):
    arguments = ['evaluate', '--protocol', 'mos', '--data', 'simulated:1', '-o', str(tmp_path / 'out')]
    main([*arguments, '--network-points', '512'])
    assert '| vlp16 |' in capsys.readouterr().out
    told = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert told['all']['sweeps'] == 8 and told['all'] == told['groups']['vlp16']
