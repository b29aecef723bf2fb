"""Every parameter of the package, once.

This table is the source of the command line's options, the ROS parameters with their ranges,
`config/ssrflow.yaml` with its JSON schema, and `docs/parameters.md`; a test holds them together.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping

from .errors import InputError, did_you_mean

_log = logging.getLogger(__name__)

_FARTHEST = 1000.0  # m, a LiDAR from the origin of the frame that it shares with others

AUTO = 'auto'
"""The `own_body` that is learnt."""


@dataclass(frozen=True)
class Parameter:
    """One row of the table.

    live      may be changed while the node runs.
    idle      may be changed while it is not active: read anew when it is activated.
    of_node   has a meaning only in the ROS node.
    alias     its former name, '' for none: taken for one release, with a warning (`current_names`).
    """

    name: str
    default: Any
    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    idle: bool = False
    of_node: bool = False
    alias: str = ''

    @property
    def type(self) -> type[Any]:
        return type(self.default)

    def check(self, value: Any) -> Any:
        """Return `value` in the parameter's type; raise InputError with the rule that it breaks."""
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            with suppress(OverflowError):  # beyond all floats it stays of another type
                value = float(value)
        if not isinstance(value, self.type) or (self.type is int and isinstance(value, bool)):
            raise InputError(
                f'{self.name}: {value!r} is not of type {self.type.__name__}: give a value like {self.default!r}'
            )
        if self.choices and value not in self.choices:
            raise InputError(f'{self.name}: {value!r} is not known: choose from {", ".join(self.choices)}')
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise InputError(
                f'{self.name}: {value!r} is out of range: '
                f'give a value from {self.low} to {self.high} {self.unit}'.rstrip()
            )
        return value


def _parameter(default: Any, description: str, **rest: Any) -> Any:
    return dataclasses.field(default=default, metadata={'description': description, **rest})


@dataclass(frozen=True)
class Settings:
    """The settings of one `SceneFlow`; construct with keywords, e.g. `Settings(ground='none')`."""

    weights: str = _parameter(
        'onboard', 'Weights of the network: the name of shipped weights, or the path of a .safetensors file.'
    )
    device: str = _parameter(
        'auto', "Where the network runs: 'auto' (the GPU if there is one), 'cpu', 'cuda' or 'cuda:N'."
    )
    precision: str = _parameter(
        'float32',
        'Of the network on a GPU; neighbour search and coordinates stay in float32.',
        choices=('float32', 'float16', 'bfloat16'),
    )
    threads: int = _parameter(
        0,
        'CPU threads that share the work on a sweep while the next one is not being prepared on their cores; 0 takes '
        'as many as there are cores, at most four.',
        low=0,
        high=256,
    )
    network_points: int = _parameter(
        2048,
        'Points of each sweep that the network sees; the flow of the others is interpolated.',
        unit='points',
        low=256,
        high=65536,
    )
    seed: int = _parameter(0, 'Seed of the sampling: the same seed, the same result.', low=0, high=2**31 - 1, idle=True)
    min_range: float = _parameter(
        1.0,
        'Returns nearer than this are dropped: they lie on the robot itself.',
        unit='m',
        low=0.0,
        high=100.0,
        idle=True,
    )
    own_body: str = _parameter(
        'auto',
        "What the sensor sees of the robot beyond min_range is dropped too. 'auto': what rides along within 2.5 m of "
        "it, learnt in the first seconds of motion; 'x y z x y z': a box, its least and its greatest corner in the "
        "clouds' frame (m); empty: nothing.",
        idle=True,
    )
    max_range: float = _parameter(
        70.0,
        'Points beyond are not looked at by the network and are taken as static.',
        unit='m',
        low=1.0,
        high=1000.0,
        idle=True,
    )
    sensor_origins: str = _parameter(
        '',
        "Of a cloud that several LiDARs share: where they sit in its frame, 'x y z x y z ...' (m); empty: one, at the "
        'origin.',
        idle=True,
    )
    sensor_field: str = _parameter(
        '',
        "Field of such a cloud that holds the number of each return's LiDAR, from 0 on, in the order of "
        'sensor_origins; empty: each return is taken to be of the nearest one.',
        idle=True,
    )
    deskew: bool = _parameter(
        False,
        'Move each point from its own time (field t, time, timestamp, offset_time, time_stamp) to the stamp of '
        'its sweep, at constant velocity; not for drivers that do so themselves.',
        idle=True,
    )
    remove_outliers: bool = _parameter(
        True,
        'Leave out returns from rain, snow and dust in the air, and second returns of a beam: what is alone at its '
        'range.',
        idle=True,
    )
    ground: str = _parameter(
        'polar_grid',
        "Ground removal; it also tells which way is up for a sensor that is mounted otherwise. 'none' for flying "
        'sensors.',
        choices=('polar_grid', 'patchwork', 'none'),
        idle=True,
    )
    sensor_height: float = _parameter(
        0.0,
        'Height of the sensor above the ground; 0 estimates it from each sweep.',
        unit='m',
        low=0.0,
        high=20.0,
        idle=True,
    )
    ego_motion: str = _parameter(
        'scan_matching',
        "Where the sensor's own motion comes from; 'none' only for a sensor that stands still.",
        choices=('scan_matching', 'odometry', 'tf', 'none'),
        idle=True,
    )
    fixed_frame: str = _parameter(
        'odom',
        "With ego_motion 'tf': the frame that stands still, to which tf leads from the clouds' frame.",
        idle=True,
    )
    mounting: str = _parameter(
        '',
        "Pose of the sensor on the robot, in the odometry's child frame, as 'x y z roll pitch yaw' (m, rad). Needed "
        "with ego_motion 'odometry', where empty takes it from /tf_static; it also tells which way is up.",
        idle=True,
    )
    base_frame: str = _parameter(
        'base_link',
        "The robot's frame, z up: /tf_static from there to the clouds' frame tells which way is up, where mounting is "
        'empty. Where it does not lead there, the ground tells.',
        idle=True,
    )
    min_overlap: float = _parameter(
        0.5,
        'Scan matching fails, with a reason, if fewer of its points on upright surfaces find a match.',
        low=0.0,
        high=1.0,
        idle=True,
    )
    moving_speed: float = _parameter(
        0.5,
        'A point at least this fast, ego-motion removed, is called moving; a slower one is taken as static.',
        unit='m/s',
        low=0.0,
        high=50.0,
        live=True,
    )
    object_distance: float = _parameter(
        0.7, 'Moving points nearer than this belong to one object.', unit='m', low=0.05, high=10.0, live=True
    )
    object_points: int = _parameter(8, 'Fewest points of an object.', unit='points', low=1, high=10000, live=True)
    min_motion_probability: float = _parameter(
        0.55,
        'A cluster must be this likely to move to become an object. Higher: fewer false objects; lower: higher recall.',
        low=0.0,
        high=1.0,
        live=True,
        alias='belief',
    )
    calibration: str = _parameter(
        '',
        'Calibration of the published probabilities: a file that "ssrflow bag --recalibrate" wrote; empty for the '
        'shipped one.',
    )
    steady: bool = _parameter(
        True,
        "An object's velocity rests on what its track had, too; false: on each pair of sweeps alone, for a "
        'tracker that wants independent errors.',
        live=True,
    )
    max_gap: float = _parameter(
        0.5, 'Sweeps further apart than this are not paired.', unit='s', low=0.01, high=60.0, live=True
    )
    static_margin: float = _parameter(
        0.2,
        'What lies this near to a moving object is taken out of ~/static with it, and goes to ~/moving; ground stays.',
        unit='m',
        low=0.0,
        high=5.0,
        live=True,
        of_node=True,
    )
    static_organised: bool = _parameter(
        False,
        'Organised clouds stay so in ~/static and ~/moving: a point that is taken out becomes NaN; false leaves one '
        'row of the points that stay.',
        live=True,
        of_node=True,
    )
    marker_arrows: int = _parameter(
        300, 'Most point arrows in one marker message.', low=0, high=100000, live=True, of_node=True
    )
    object_messages: str = _parameter(
        'none',
        "Publish moving objects also as messages of autoware_perception_msgs ('autoware'), of vision_msgs "
        "('vision'), of 'both', or of nav2_dynamic_msgs ('nav2').",
        choices=('none', 'autoware', 'vision', 'both', 'nav2'),
        of_node=True,
    )
    objects_frame: str = _parameter(
        '',
        'Frame in which objects are published, such as odom or base_link; tf must lead there from the frame of the '
        "clouds. Velocities stay those over the ground. Empty: the clouds' own.",
        idle=True,
        of_node=True,
    )
    tracks: bool = _parameter(
        False,
        "Publish '~/tracks' too: each object followed by a Kalman filter, under a number that stays and predicted over "
        'gaps; needs filterpy.',
        of_node=True,
    )
    rgba: bool = _parameter(
        False,
        'Add a colour to the points of the flow cloud: by direction where they move, else grey, the ground darker.',
        live=True,
        of_node=True,
    )
    keep_fields: str = _parameter(
        '',
        "Fields of the input that the flow cloud passes on, where the input has them, such as 'ring time'.",
        live=True,
        of_node=True,
    )
    fill_from_tracks: bool = _parameter(
        True,
        'Answer a sweep for which the network has no time from the tracks of the objects; false drops it.',
        live=True,
        of_node=True,
    )
    lazy: bool = _parameter(True, 'Do no work while nobody listens to an output.', live=True, of_node=True)
    pose_wait: float = _parameter(
        0.2,
        'Longest time that a sweep waits for odometry or tf of its time.',
        unit='s',
        low=0.0,
        high=5.0,
        live=True,
        of_node=True,
    )
    autostart: bool = _parameter(
        True, 'The node configures and activates itself; false leaves that to a lifecycle manager.', of_node=True
    )
    rate_warn: float = _parameter(
        1.0,
        'The diagnostics warn if fewer clouds arrive per second.',
        unit='Hz',
        low=0.0,
        high=1000.0,
        live=True,
        of_node=True,
    )
    rate_error: float = _parameter(
        0.0,
        'The diagnostics report an error if fewer clouds arrive per second; 0: never.',
        unit='Hz',
        low=0.0,
        high=1000.0,
        live=True,
        of_node=True,
    )
    latency_warn: float = _parameter(
        0.5,
        'The diagnostics warn if one sweep in twenty takes longer from its arrival until its flow is published.',
        unit='s',
        low=0.001,
        high=3600.0,
        live=True,
        of_node=True,
    )
    latency_error: float = _parameter(
        2.0,
        'The diagnostics report an error if one sweep in twenty takes longer than this.',
        unit='s',
        low=0.001,
        high=3600.0,
        live=True,
        of_node=True,
    )
    drops_warn: float = _parameter(
        0.0,
        'The diagnostics warn if a larger share of the clouds is dropped for a failure.',
        low=0.0,
        high=1.0,
        live=True,
        of_node=True,
    )
    drops_error: float = _parameter(
        0.5,
        'The diagnostics report an error if a larger share of the clouds is dropped for a failure.',
        low=0.0,
        high=1.0,
        live=True,
        of_node=True,
    )

    def __post_init__(self) -> None:
        for row in self.table():
            object.__setattr__(self, row.name, row.check(getattr(self, row.name)))
        _box(self.own_body)
        pose_numbers('mounting', self.mounting)
        if not _origins(self.sensor_origins) and self.sensor_field:
            raise InputError(
                f"sensor_field: '{self.sensor_field}' numbers LiDARs whose places are not known: give sensor_origins, "
                'too, or leave sensor_field empty'
            )

    @property
    def origins(self) -> tuple[tuple[float, ...], ...]:
        """Of several LiDARs in one cloud, (x, y, z) m each; () of one."""
        return _origins(self.sensor_origins)

    @property
    def own(self) -> tuple[float, tuple[float, ...]]:
        """What is the robot itself, as `decode` and `Sweep.from_points` take it: `min_range`, and the box or ().

        With `auto` there is no box: what rides along is known to the stream only.
        """
        return self.min_range, _box(self.own_body)

    @classmethod
    def table(cls) -> Iterator[Parameter]:
        """The rows, in the order of the docs."""
        for entry in dataclasses.fields(cls):
            yield Parameter(entry.name, entry.default, **entry.metadata)

    def replace(self, **changes: Any) -> 'Settings':
        """A copy with `changes`; an unknown name is answered with the nearest known one."""
        changes = current_names(changes)
        known = [row.name for row in self.table()]
        for name in changes:
            if name not in known:
                raise InputError(
                    f"there is no parameter '{name}': " + did_you_mean(name, known, f'known are {", ".join(known)}')
                )
        return dataclasses.replace(self, **changes)


GONE = (Parameter('compiled', True, 'the network needs no compiling any more'),)
"""Parameters that there were, described by why they are not: taken for one release and ignored (`current_names`)."""


def current_names(given: Mapping[str, Any], warn: Callable[[str], None] = _log.warning) -> dict[str, Any]:
    """What is `given` by name: former names of parameters made those of today, parameters that are gone left out.

    `warn` is told of each in one line.
    Raises InputError where a parameter is given by both of its names.
    """
    names, current = {row.alias: row.name for row in Settings.table() if row.alias}, {}
    gone = {row.name: row.description for row in GONE}
    for name, value in given.items():
        if name in gone:
            warn(f"the parameter '{name}' is ignored, and unknown to the next release: {gone[name]}")
            continue
        if (now := names.get(name, name)) in current or name in names and now in given:
            raise InputError(f"'{name}' is the former name of '{now}', and both are given: give '{now}' alone")
        if name in names:
            warn(f"the parameter '{name}' is now called '{now}': its former name goes with the next release")
        current[now] = value
    return current


def _taking_former_names(init: Callable[..., None]) -> Callable[..., None]:
    """The `__init__` of Settings, to which keywords may be given by their former names, too."""

    @functools.wraps(init)
    def taking(self: Settings, *values: Any, **given: Any) -> None:
        init(self, *values, **current_names(given))

    return taking


# mypy forbids every assignment to a method: of a dataclass, whose __init__ is generated, there is no other way.
Settings.__init__ = _taking_former_names(Settings.__init__)  # type: ignore[method-assign]


def pose_numbers(name: str, text: str) -> tuple[float, ...]:
    """The numbers of a pose 'x y z roll pitch yaw' (m, rad), or none; InputError, which names it, if it is no pose."""
    try:
        numbers = tuple(float(word) for word in text.replace(',', ' ').split())
    except ValueError:
        numbers = (math.nan,)
    if numbers and not (len(numbers) == 6 and all(map(math.isfinite, numbers))):
        raise InputError(
            f"{name}: '{text}' is no pose: give x y z in metres and roll pitch yaw in radians, such as "
            "'0.3 0 1.2 0 0.1 0'"
        )
    return numbers


def _origins(text: str) -> tuple[tuple[float, ...], ...]:
    """The places that `sensor_origins` names, or none."""
    try:
        numbers = [float(word) for word in text.replace(',', ' ').split()]
    except ValueError:
        numbers = [math.nan]
    if len(numbers) % 3 or not all(abs(it) <= _FARTHEST for it in numbers) or len(numbers) > 3 * 64:
        raise InputError(
            f"sensor_origins: '{text}' are no places: give x y z in metres of each LiDAR, such as '0 0 0  1.2 0.5 -0.3'"
        )
    return tuple(tuple(numbers[begin : begin + 3]) for begin in range(0, len(numbers), 3))


def _box(text: str) -> tuple[float, ...]:
    """The six numbers of `own_body`, or none."""
    if text.strip() == AUTO:
        return ()
    try:
        box = tuple(float(word) for word in text.replace(',', ' ').split())
    except ValueError:
        box = (float('nan'),)
    if box and not (len(box) == 6 and all(least < most for least, most in zip(box[:3], box[3:]))):
        raise InputError(
            f"own_body: '{text}' is no box: give its least x y z and its greatest x y z in metres, "
            "such as '-1.5 -1 -2 0.5 1 0', or auto"
        )
    return box
