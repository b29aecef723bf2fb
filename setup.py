"""The package for pip and for colcon (ament_python)."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'ssrflow_ros'

EXTRAS = {
    'formats': ['pypcd4', 'trimesh', 'laspy>=2.5', 'lazrs'],
    'fleet': ['distributed>=2024.8'],
    'patchwork': ['pypatchworkpp'],
    'argoverse': ['pyarrow'],
    'video': ['imageio-ffmpeg'],  # .mp4; .gif and .webp need nothing
    'train': ['PyYAML'],  # settings files in YAML; in JSON they need nothing
    'export': ['onnx', 'onnxscript', 'onnxruntime'],
    'examples': ['filterpy>=2'],
    'docs': ['mkdocs-material>=9'],
    # ROS 2 Jazzy for a machine without a ROS installation; never needed beside one.
    'ros': [
        f'ros-jazzy-{name}'
        for name in (
            'rclpy',
            'rmw-fastrtps-cpp',
            'diagnostic-msgs',
            'geometry-msgs',
            'lifecycle-msgs',
            'nav-msgs',
            'sensor-msgs',
            'std-msgs',
            'std-srvs',
            'visualization-msgs',
        )
    ],
    # The Makefile adds bucketed-scene-flow-eval, without the open3d and opencv that it does not score with.
    'test': [
        'filterpy>=2',
        'pytest',
        'pytest-xdist',
        'hypothesis',
        'jsonschema',
        'PyYAML',
        'pyarrow',
        'ruff',
        'import-linter',
        'mypy',
        'typos',
        'onnx',
        'onnxscript',
        'onnxruntime',
        'imageio-ffmpeg',
        'websockets',
        'triton; platform_machine == "x86_64"',
        'uv',
        'colcon-core',
        'colcon-ros',
        'colcon-python-setup-py',
        'colcon-recursive-crawl',
    ],
}
# Patchwork++ has wheels for these only; elsewhere the extra `patchwork` compiles it.
EXTRAS['all'] = [
    *EXTRAS['formats'],
    *EXTRAS['fleet'],
    *EXTRAS['train'],
    'pypatchworkpp; platform_machine == "x86_64" and python_version < "3.14"',
]

setup(
    name=NAME,
    version='0.1.0',
    description='LiDAR scene flow for robots: the velocity of every point, ego-motion removed (SSRFlow).',
    long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    maintainer='maintainers',
    maintainer_email='maintainers@users.noreply.b-seed-e5abd0ca.example',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        NAME: ['py.typed', 'weights/*.safetensors', 'weights/*.npz', 'weights/*.json', 'view/*.html', 'bench/*.json']
    },
    # The patterns name the endings: a bare launch/* would also match __pycache__.
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml', 'LICENSE']),
        (f'share/{NAME}/launch', glob('launch/*.launch.py')),
        (f'share/{NAME}/config', glob('config/*.yaml') + glob('config/*.json') + glob('config/*.xml')),
        (f'share/{NAME}/config/sensors', glob('config/sensors/*.yaml')),
        (f'share/{NAME}/rviz', glob('rviz/*.rviz')),
        (f'share/{NAME}/foxglove', glob('foxglove/*.json')),
    ],
    install_requires=[
        'setuptools',
        'numpy>=1.21',
        'scipy>=1.8',
        'numba>=0.55',
        'torch>=2.0',
        'safetensors>=0.4',
        'small_gicp>=1.0',
        'rosbags>=0.10',
        'mcap>=1.0',
        'tqdm',
        'matplotlib>=3.5',
    ],
    extras_require=EXTRAS,
    zip_safe=False,
    entry_points={
        'console_scripts': [
            f'flow_node = {NAME}.node.flow_node:main',
            f'ssrflow = {NAME}.cli.main:main',
            f'object_tracker.py = {NAME}.node.object_tracker:main',
        ]
    },
)
