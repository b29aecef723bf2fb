"""Small good inputs of every kind, made by the package's own writers."""

from __future__ import annotations

import dataclasses
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from ssrflow_ros.formats import bag_messages, pointcloud2
from ssrflow_ros.formats.bags import ODOMETRY, POINTCLOUD2, TF, TF_MESSAGE, TF_STATIC, typestore, write_bag
from ssrflow_ros.network.config import NetworkConfig
from ssrflow_ros.network.ssrflow import SSRFlow
from ssrflow_ros.network.weights import save_weights
from ssrflow_ros.settings import Settings
from ssrflow_ros.training.config import TrainingConfig

from .foreign import LIVOX1, livox_message, write_livox, write_ros1
from .mutate import Input

_RNG = np.random.default_rng(0)
POINTS = _RNG.uniform(-20, 20, (40, 3)).astype(np.float32)


def make_seeds() -> dict[str, list[Input]]:
    """Good inputs by reader."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            'npy': _npy(),
            'npz': _npz(),
            'bin': _bin(),
            'pcd': _pcd(),
            'ply': _ply(),
            'las': _las(Path(folder)),
            'bag': _bags(Path(folder)),
            'ros1_bag': _ros1_bags(Path(folder)),
            'livox': _livox_bags(Path(folder)),
            'weights': _weights(Path(folder)),
            'settings': _settings(),
            'parameters': _parameters(),
            'messages': _messages(),
            'odd_clouds': _odd_clouds(),
            'labels': _labels(),
            'pose': _pose(),
        }


def _saved(array: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def _arrays() -> list[bytes]:
    rows = np.zeros(40, [('x', 'f4'), ('y', 'f8'), ('z', 'i2')])
    return [
        _saved(array)
        for array in (
            POINTS,
            POINTS.astype('>f8'),
            POINTS.reshape(5, 8, 3),
            np.asfortranarray(POINTS),
            (100 * POINTS).astype(np.int16),
            rows,
        )
    ] + [_saved(np.array([[1.0, Evil(), 2.0]] * 4, object), pickled=True)]


class Evil:
    """Whose unpickling would be told of by Python."""

    def __reduce__(self):
        return print, ('unpickled',)


def _npy() -> list[Input]:
    return [Input({'a.npy': data}) for data in _arrays()]


def _npz() -> list[Input]:
    """Members of the archive; the mutation packs them, so that the inner file is damaged and its checksum right."""
    return [Input({'a.npz': {name: data}}) for data in _arrays() for name in ('points.npy', 'arr_0.npy')]


def _bin() -> list[Input]:
    columns = np.pad(POINTS, ((0, 0), (0, 2)))
    return [Input({'a.bin': columns[:, :4].tobytes()}), Input({'a.pcd.bin': columns.tobytes()})]


def _pcd() -> list[Input]:
    from pypcd4 import Encoding, PointCloud

    cloud = PointCloud.from_xyzi_points(np.pad(POINTS, ((0, 0), (0, 1))))
    inputs = []
    for encoding in (Encoding.ASCII, Encoding.BINARY, Encoding.BINARY_COMPRESSED):
        with tempfile.NamedTemporaryFile(suffix='.pcd') as file:
            cloud.save(file.name, encoding)
            inputs.append(Input({'a.pcd': Path(file.name).read_bytes()}))
    return inputs


def _ply() -> list[Input]:
    def header(form: str, lists: str = '') -> bytes:
        return (
            f'ply\nformat {form} 1.0\nelement vertex {len(POINTS)}\nproperty float x\nproperty float y\n'
            f'property float z\n{lists}end_header\n'
        ).encode()

    faces = 'element face 1\nproperty list uchar int vertex_indices\n'
    text = '\n'.join(' '.join(map(str, point)) for point in POINTS.tolist()).encode() + b'\n'
    return [
        Input({'a.ply': header('ascii') + text}),
        Input({'a.ply': header('ascii', faces) + text + b'3 0 1 2\n'}),
        Input({'a.ply': header('binary_little_endian') + POINTS.tobytes()}),
        Input({'a.ply': header('binary_little_endian', faces) + POINTS.tobytes() + b'\3' + bytes(12)}),
        Input({'a.ply': header('binary_big_endian') + POINTS.astype('>f4').tobytes()}),
    ]


def _las(folder: Path) -> list[Input]:
    import laspy

    inputs = []
    for suffix in ('las', 'laz'):
        for version, form in (('1.2', 3), ('1.4', 6)):
            cloud = laspy.LasData(laspy.LasHeader(version=version, point_format=form))
            cloud.x, cloud.y, cloud.z = POINTS.T
            cloud.write(str(folder / f'a.{suffix}'))
            inputs.append(Input({f'a.{suffix}': (folder / f'a.{suffix}').read_bytes()}))
    return inputs


def _ros1_bags(folder: Path) -> list[Input]:
    inputs = []
    for number, compression in enumerate((None, 'BZ2', 'LZ4')):
        write_ros1(folder / f'{number}.bag', _recorded(), compression)
        inputs.append(Input({'a.bag': (folder / f'{number}.bag').read_bytes()}))
    write_ros1(folder / 'livox.bag', [('/livox', LIVOX1, n * 10**8, livox_message(POINTS, 1)) for n in range(2)])
    return [*inputs, Input({'a.bag': (folder / 'livox.bag').read_bytes()})]


def _livox_bags(folder: Path) -> list[Input]:
    for storage in ('mcap', 'sqlite3'):
        write_livox(folder / f'livox_{storage}', [POINTS] * 2, storage)
    return [Input(_files(folder / f'livox_{storage}'), 'bag') for storage in ('mcap', 'sqlite3')]


def _cloud(stamp_ns: int, n: int = 40):
    cloud = pointcloud2.encode_points(
        POINTS[:n],
        intensity=np.ones(n, np.float32),
        ring=np.zeros(n, np.uint16),
        time=np.linspace(0, 0.1, n).astype(np.float32),
    )
    return bag_messages.to_pointcloud2(cloud, bag_messages.to_header(stamp_ns, 'lidar'))


def _transforms(stamp_ns: int):
    types = typestore().types
    item = types['geometry_msgs/msg/TransformStamped'](
        bag_messages.to_header(stamp_ns, 'odom'),
        'lidar',
        types['geometry_msgs/msg/Transform'](
            types['geometry_msgs/msg/Vector3'](1.0, 2.0, 3.0), types['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0)
        ),
    )
    return types[TF_MESSAGE]([item])


def _recorded() -> list[tuple[str, str, int, object]]:
    messages = [(TF_STATIC, TF_MESSAGE, 1, _transforms(0))]
    for number in range(1, 4):
        stamp_ns = number * 100_000_000
        odometry = bag_messages.to_odometry(np.eye(4), stamp_ns, 'odom', 'lidar')
        messages += [
            ('/odom', ODOMETRY, stamp_ns, odometry),
            (TF, TF_MESSAGE, stamp_ns, _transforms(stamp_ns)),
            ('/points', POINTCLOUD2, stamp_ns, _cloud(stamp_ns)),
        ]
    return messages


def _bags(folder: Path) -> list[Input]:
    inputs = []
    for storage in ('mcap', 'sqlite3'):
        with write_bag(folder / storage, storage) as writer:
            for message in _recorded():
                writer.write(*message)
        inputs += [Input(_files(folder / storage), 'bag')]
        alone = {name: data for name, data in _files(folder / storage).items() if name != 'metadata.yaml'}
        inputs += [Input({name: data[:end]}) for name, data in alone.items() for end in (None, -40)]  # and cut off
        for mode in ('file', 'message') if storage == 'sqlite3' else ('file', 'storage'):
            _compressed(folder / f'{storage}_{mode}', storage, mode)
            inputs.append(Input(_files(folder / f'{storage}_{mode}'), 'bag'))
    return inputs


def _compressed(path: Path, storage: str, mode: str) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
    with writer:
        known = {}
        for topic, type, time_ns, message in _recorded():
            if topic not in known:
                known[topic] = writer.add_connection(topic, type, typestore=typestore())
            writer.write(known[topic], time_ns, typestore().serialize_cdr(message, type))


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def _weights(folder: Path) -> list[Input]:
    small = NetworkConfig(
        divisors=(1, 2),
        widths=(4, 4),
        lengths=(1.0, 2.0),
        k_pointconv=2,
        k_embedding=2,
        k_predictor=2,
        weight_net=2,
        position_width=2,
        attention_width=4,
        fusion_width=4,
        predictor_width=4,
        predictor_out=2,
        mlp_depth=1,
    )
    save_weights(folder / 'a.safetensors', SSRFlow(small), {'trained_on': 'nothing'})
    return [Input({'a.safetensors': (folder / 'a.safetensors').read_bytes()})]


def _settings() -> list[Input]:
    import yaml

    settings = TrainingConfig(switches={'mlp_depth': 1}).as_dict()
    bomb = 'a0: &a0 [x, x]\n' + ''.join(f'a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n' for n in range(1, 40))
    texts = [
        yaml.safe_dump(settings),
        'batch: 2\nloss: {lfc_weight: 1e-3}\n',
        bomb,
        bomb + 'switches: *a39\n',
        bomb + 'batch: *a39\n',
        bomb + 'augmentation: *a39\n',
        'batch: ' + '[' * 5000,
        'a: &a [*a]\nbatch: *a\n',
        'steps: ' + '9' * 5000,
        'learning_rate: ' + '9' * 400,
    ]
    return [Input({'a.yaml': text.encode()}) for text in texts] + [
        Input({'a.json': text.encode()})
        for text in (json.dumps(settings), '[' * 100_000, '{"batch": ' * 5000, '{"learning_rate": 1e999, "steps": NaN}')
    ]


def _parameters() -> list[Input]:
    return [
        Input({'a.json': json.dumps(dataclasses.asdict(Settings(mounting='1 2 3 0 0 0.1'))).encode()}),
        Input({'a.json': json.dumps({'own_body': '-1 -1 -1 1 1 1', 'ground': 'none'}).encode()}),
    ]


def _messages() -> list[Input]:
    serialized = [(type, bytes(typestore().serialize_cdr(message, type))) for _, type, _, message in _recorded()[:4]]
    return [Input({type.rsplit('/', 1)[1]: data}) for type, data in serialized]


def _odd_clouds() -> list[Input]:
    names = (
        'height',
        'width',
        'point_step',
        'row_step',
        'data',
        'fields',
        'is_bigendian',
        'header',
        'header.stamp',
        'header.frame_id',
        'stamp.sec',
        'stamp.nanosec',
        'fields.name',
        'fields.offset',
        'fields.datatype',
        'fields.count',
    )
    return (
        [Input({'a.json': json.dumps({name: 4}).encode()}) for name in names]
        + [Input({'a.json': json.dumps({one: 4, other: 4}).encode()}) for one, other in zip(names, names[3:])]
        + [Input({'a.json': b'{}'})]
    )


def _labels() -> list[Input]:
    return [
        Input(
            {
                'a.npz': {
                    f'{key}.npy': _saved(array) for key, array in (('pos1', POINTS), ('pos2', POINTS), ('flow', POINTS))
                }
            }
        )
    ]


def _pose() -> list[Input]:
    return [Input({'a.npy': _saved(np.eye(4))}), Input({'a.txt': b'1 0 0 1\n0 1 0 2\n0 0 1 3\n0 0 0 1\n'})]
