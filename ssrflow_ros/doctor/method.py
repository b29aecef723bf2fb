"""Device, weights, ego-motion and speed: the method itself, tried on the sweeps that were heard."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Callable, Iterable, Iterator

import numpy as np

from ..errors import EgoMotionError, SSRFlowError
from ..settings import AUTO, Settings
from ..steps.conditioning import Conditioning, MountingOf, unknown
from ..steps.ego_motion import make_ego_motion
from ..steps.levelling import UP, ground_up
from ..steps.own_body import REACH
from ..steps.pairing import Pairing
from ..steps.poses import parse_pose
from ..sweep import EgoMotion, FlowField, Sweep, SweepPair
from .finding import Finding, note, ok, wrong

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow

_ALONG = 1.0  # m/s, by which what goes along with the sensor seems to differ from it
_NEAR = 4.0  # m
_OFF, _SLOPE = 10.0, 30.0  # degrees, by which a mounting that is told disagrees with the ground; no slope is as steep


def check_method(
    sweeps: list[Sweep],
    settings: Settings,
    source: Callable[[SweepPair], EgoMotion | None] = lambda pair: None,
    mounting_of: MountingOf = unknown,
) -> Iterator[Finding]:
    """Load the method as `settings` say, and try it on neighbouring `sweeps`; no sweeps, no trial.

    source       of the ego-motion, where it comes from odometry or tf; None where it is to be found.
    mounting_of  says how the sensor is mounted, where /tf_static does.
    """
    pairing = Pairing(settings)
    pairing.changing = any(not np.array_equal(one.points, other.points) for one, other in zip(sweeps, sweeps[1:]))
    pairs = [pair for pair in map(pairing.push, sweeps) if pair is not None]
    try:
        from ..scene_flow import SceneFlow

        scene_flow = SceneFlow(settings)
    except ImportError as error:
        yield wrong('method', f'the library {error.name} is missing: pip install {error.name}')
        return
    except SSRFlowError as error:
        yield wrong('method', str(error))
        return
    yield _device(scene_flow)
    trained_on = scene_flow.inference.card.get('trained_on', 'nobody knows what')
    yield ok('weights', f'{settings.weights}, trained on {trained_on}')
    if pairs:
        yield from mounting(pairs[0], settings, mounting_of)
        found, finding = _ego_motion(pairs, settings, source, mounting_of)
        yield finding
        yield from doubtful(motion.doubt for _, motion in found)
        if found:
            finding, fields = _speed(scene_flow, found, mounting_of)
            yield finding
            yield from own_body(fields, settings)


def _device(scene_flow: SceneFlow) -> Finding:
    import torch

    from ..inference.device import threads

    device = scene_flow.inference.device
    if device.type == 'cuda':
        return ok('device', f'{device}, {torch.cuda.get_device_name(device)}, torch {torch.__version__}')
    if shutil.which('nvidia-smi') and not torch.cuda.is_available():
        return wrong(
            'device',
            f'there is an NVIDIA driver, but torch {torch.__version__} finds no GPU: install a CUDA '
            'build of torch that fits the driver (https://pytorch.org/get-started)',
        )
    return ok('device', f'{device}, {threads()} threads, torch {torch.__version__}')


def _ego_motion(
    pairs: list[SweepPair], settings: Settings, source: Callable[[SweepPair], EgoMotion | None], mounting_of: MountingOf
) -> tuple[list[tuple[SweepPair, EgoMotion]], Finding]:
    found, error, conditioning, finds = [], None, Conditioning(settings, mounting_of), make_ego_motion(settings)
    for pair in pairs:
        try:
            # Odometry knows the given frame; scan matching is asked about what the method works on.
            found.append((pair, source(pair) or finds(conditioning(pair).pair)))
        except EgoMotionError as failed:
            error = failed
    # Poses may begin a little after the clouds.
    if error is not None and len(found) < len(pairs) / 2:
        return [], wrong(
            'ego_motion', f'{settings.ego_motion}, for {len(pairs) - len(found)} of {len(pairs)} pairs: {error}'
        )
    speed = np.median([motion.travelled / abs(pair.dt) for pair, motion in found])
    overlap = np.median([motion.overlap for _, motion in found])
    quality = '' if np.isnan(overlap) else f', {overlap:.0%} of the upright surfaces match'
    return found, ok('ego_motion', f'{settings.ego_motion}: the sensor moves at {speed:.1f} m/s{quality}')


def _speed(
    scene_flow: SceneFlow, found: list[tuple[SweepPair, EgoMotion]], mounting_of: MountingOf
) -> tuple[Finding, list[FlowField]]:
    known = scene_flow.settings.ego_motion != 'scan_matching'
    times, fields, stream = [], [], scene_flow.stream(mounting_of)
    for pair, motion in found:
        begun = time.perf_counter()
        fields.append(stream.flow(pair, motion if known else None))
        times.append(time.perf_counter() - begun)
    # The first one waits for libraries and memory; a live node has made a warm-up.
    took, step = float(np.median(times[1:] or times)), float(np.median([abs(pair.dt) for pair, _ in found]))
    text = f'{1e3 * took:.0f} ms a sweep on this machine as busy as it is, one comes every {1e3 * step:.0f} ms'
    if took <= step:
        return ok('speed', text), fields
    others = 'the others are answered from tracks' if scene_flow.settings.fill_from_tracks else 'the others are dropped'
    return note(
        'speed',
        f'{text}: the network is asked about {step / took:.0%} of them at most, {others}: '
        'a GPU, or lower network_points, lets it see more',
    ), fields


def mounting(pair: SweepPair, settings: Settings, mounting_of: MountingOf = unknown) -> Iterator[Finding]:
    """Of a sensor whose frame is not level, and of who says so; and where the ground does not agree."""
    conditioning = Conditioning(settings, mounting_of)
    conditioning(pair)
    pose, teller = parse_pose('mounting', settings.mounting), 'the setting mounting'
    if pose is None:
        pose, teller = mounting_of(pair.source.frame_id), f'/tf_static ({settings.base_frame})'
    ground = None if pose is None or settings.ground == 'none' else ground_up(pair.source.points, pose[2, :3])
    if pose is not None and ground is not None and (off := _degrees(pose[2, :3], ground)) > _OFF:
        yield (note if off < _SLOPE else wrong)(
            'mounting',
            f'{teller} says that the sensor is mounted with its z {_degrees(pose[2, :3], UP):.0f} degrees off the '
            f'upright, which the method goes by, and the ground lies {off:.0f} degrees off that: '
            + ('unless it is a slope, ' if off < _SLOPE else '')
            + 'put right who says so',
        )
    elif not np.array_equal(conditioning.level, np.eye(3)):
        tilt = _degrees(conditioning.level[2], UP)
        how = 'upside down' if tilt > 150 else 'with optical axes or on its side' if tilt > 60 else 'tilted'
        yield note(
            'mounting',
            f'by {"the ground" if pose is None else teller} the sensor is mounted {how}, its z {tilt:.0f} degrees off '
            'the upright: sweeps are levelled for the method, and results are in the frame of the clouds'
            + ('. If that is not so, set mounting' if pose is None else ''),
        )
    elif pose is not None:
        yield ok('mounting', f'level, by {teller}')


def _degrees(one: np.ndarray, other: np.ndarray) -> float:
    """Between two unit vectors (3,)."""
    return float(np.degrees(np.arccos(np.clip(one @ other, -1.0, 1.0))))


def doubtful(doubts: Iterable[str]) -> Iterator[Finding]:
    """Of pairs whose motion may be wrong: `doubts` as `EgoMotion.doubt`, one a pair."""
    every = list(doubts)
    if any(every):
        first = next(filter(None, every))
        yield note('ego_motion', f'doubtful in {sum(map(bool, every))} of {len(every)} pairs: {first}')


def own_body(fields: Iterable[FlowField], settings: Settings) -> Iterator[Finding]:
    """What goes along with a sensor that moves, near it, in most of so few pairs that nothing was learnt from them."""
    seen = Companions()
    for field in fields:
        seen.add(field)
    for finding in seen.findings():
        if settings.own_body == AUTO and seen.reach <= REACH:
            text = (
                f'{finding.text.partition(":")[0]}: own_body auto learns in the first seconds of motion whether it is'
            )
            yield ok('own_body', f'{text} the robot itself, and leaves it out')
        else:
            yield finding


class Companions:
    """Looks for objects that go along with the sensor, pair by pair.

    reach  m from the vertical through the sensor, within which all of them lie.
    """

    def __init__(self) -> None:
        self._corners: list[tuple[np.ndarray, np.ndarray]] = []
        self._pairs = 0
        self.reach = 0.0

    def add(self, field: FlowField) -> None:
        """Look at one more pair."""
        self._pairs += 1
        velocity = field.ego_motion.into_source(np.zeros((1, 3), np.float32))[0] / field.pair.dt
        along = [
            item
            for item in field.objects
            if np.linalg.norm(item.velocity - velocity) < _ALONG and np.linalg.norm(item.centre) < _NEAR
        ]
        if np.linalg.norm(velocity) >= 2 * _ALONG and along:
            points = field.pair.source.points[np.isin(field.object_ids, [item.id for item in along])]
            self._corners.append((points.min(axis=0), points.max(axis=0)))
            self.reach = max(self.reach, float(np.hypot(points[:, 0], points[:, 1]).max()))

    def findings(self) -> Iterator[Finding]:
        """What is to be said of all of them."""
        if len(self._corners) > self._pairs / 2:
            # What goes along once in a while is somebody else.
            low = np.percentile([low for low, _ in self._corners], 5, axis=0, method='lower')
            high = np.percentile([high for _, high in self._corners], 95, axis=0, method='higher')
            box = ' '.join(f'{value:.1f}' for value in (*np.floor(10 * low - 1) / 10, *np.ceil(10 * high + 1) / 10))
            yield note(
                'own_body',
                f'something within {_NEAR:.0f} m goes along with the sensor in {len(self._corners)} '
                f"of {self._pairs} pairs: if that is the robot itself, set own_body to '{box}'",
            )
