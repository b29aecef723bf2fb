"""How a training pair is varied each time it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..steps.range_image import RangeImage
from ..steps.sampling import sample_pair
from ..transforms import invert, rigid, transformed
from .pairs import MOVING, TrainingPair


@dataclass(frozen=True)
class Augmentation:
    """Amounts of variation; the defaults train the onboard weights.

    Angles in degrees, lengths in metres; `reverse`, `flip`, `beams`, `keep`, `focus` and `crop` are shares.
    A share `beams` of the pairs loses every second, or all but every third or fourth beam, in both sweeps.
    Pose noise stays in the label: what ego-motion left over is apparent motion too, and the network
    may correct it; a share `large_pose_noise` has 15 times as much of it. Up to `movers` upright pieces of the
    static world are set in motion, whatever they are: what moves then has every shape and speed, and
    "nothing moves" is no answer that pays. A crop is an upright cylinder around something that moves, if anything does:
    few points a pair then are as dense as many points a whole sweep are in use, and tell more. The sweep before is
    known of pairs that are not reversed.
    """

    reverse: float = 0.5
    flip: float = 0.5
    yaw: float = 180.0
    scale: tuple[float, float] = (0.9, 1.1)
    height: float = 0.5
    pose_angle: float = 0.05
    pose_shift: float = 0.02
    max_range: tuple[float, float] = (20.0, 80.0)
    beams: float = 0.15
    keep: tuple[float, float] = (0.4, 1.0)
    focus: tuple[float, float] = (0.0, 0.6)
    crop: float = 0.75
    crop_radius: tuple[float, float] = (12.0, 35.0)
    large_pose_noise: float = 0.2
    movers: int = 12
    mover_radius: tuple[float, float] = (0.5, 4.0)
    mover_shift: tuple[float, float] = (0.03, 3.0)
    mover_yaw: float = 4.0


NO_AUGMENTATION = Augmentation(
    reverse=0.0,
    flip=0.0,
    yaw=0.0,
    scale=(1.0, 1.0),
    height=0.0,
    pose_angle=0.0,
    pose_shift=0.0,
    max_range=(70.0, 70.0),
    beams=0.0,
    keep=(1.0, 1.0),
    focus=(0.5, 0.5),
    crop=0.0,
    large_pose_noise=0.0,
    movers=0,
)


def augmented(
    pair: TrainingPair, how: Augmentation, n_points: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sampled source and target (n, 10) as `Sample.of` gives them, in the source's frame, motion (n, 3), float32 m,
    and moving (n,)."""
    if rng.random() < how.reverse:
        pair = pair.reversed()
    if rng.random() < how.beams:
        pair = _with_fewer_beams(pair, rng)
    pair = _thinned(pair, how, rng)
    from_target, from_past = invert(pair.target_from_source), invert(pair.past_from_source)
    target, target_ground = (transformed(p, from_target) for p in (pair.target, pair.target_ground))
    past, past_ground = (transformed(p, from_past) for p in (pair.past, pair.past_ground))
    source, motion = pair.source.astype(np.float64), pair.source_motion.astype(np.float64)

    reach = rng.uniform(*how.max_range)
    source_in, target_in = within(source, reach), within(target, reach)
    still, target_still = (np.linalg.norm(m, axis=1) < MOVING for m in (motion, pair.target_motion))
    target, past = _set_in_motion(
        source, motion, target, past, source_in & still, target_in & target_still, pair.past_age, how, rng
    )
    seen = [
        np.concatenate(cloud) for cloud in ((source, pair.source_ground), (target, target_ground), (past, past_ground))
    ]
    source, motion, target = source[source_in], motion[source_in], target[target_in]
    if rng.random() < how.crop and len(source):
        movers = np.flatnonzero(np.linalg.norm(motion, axis=1) > MOVING)
        centre = source[rng.choice(movers) if len(movers) else rng.integers(len(source))]
        radius = rng.uniform(*how.crop_radius)
        source_in, target_in = around(source, centre, radius), around(target, centre, radius)
        source, motion, target = source[source_in], motion[source_in], target[target_in]

    turn = rotation(rng.uniform(-how.yaw, how.yaw)) * rng.uniform(*how.scale)
    if rng.random() < how.flip:
        turn = turn * np.array([1.0, -1.0, 1.0])
    lift = np.array([0.0, 0.0, rng.uniform(-how.height, how.height)])
    source, motion = source @ turn.T + lift, motion @ turn.T
    eyes = [np.zeros(3), from_target[:3, 3], from_past[:3, 3]]
    target, seen, eyes = target @ turn.T + lift, [p @ turn.T + lift for p in seen], [p @ turn.T + lift for p in eyes]

    moving = np.linalg.norm(motion, axis=1) > MOVING
    amount = 15.0 if rng.random() < how.large_pose_noise else 1.0
    for view in (2, 1):  # the target's comes last: its points and the truth bear it, too
        noise, shift = _small_rotation(rng, amount * how.pose_angle), rng.normal(0.0, amount * how.pose_shift, 3)
        seen[view], eyes[view] = (p @ noise.T + shift for p in (seen[view], eyes[view]))
    target = target @ noise.T + shift
    motion = (source + motion) @ noise.T + shift - source
    views = [view_from(eye, points) for eye, points in zip(eyes, seen)]
    return _sampled(source, target, motion, moving, views, how, n_points, rng)


def _sampled(
    source: np.ndarray,
    target: np.ndarray,
    motion: np.ndarray,
    moving: np.ndarray,
    views: list[RangeImage],
    how: Augmentation,
    n_points: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `augmented` gives of source (N, 3), target (M, 3), motion (N, 3) and moving (N,); a cloud may be empty."""
    if not len(source):
        motion, moving = np.zeros((1, 3)), np.zeros(1, bool)
    source, target = _filled(source, rng), _filled(target, rng)
    s, t = sample_pair(source, target, n_points, int(rng.integers(2**31)), rng.uniform(*how.focus), views)
    known = np.column_stack([s.of(source), motion.astype(np.float32)[s.rows], moving[s.rows]])
    known = repeated(known, n_points, rng)
    return known[:, :-4], repeated(t.of(target), n_points, rng), known[:, -4:-1], known[:, -1] > 0


def view_from(eye: np.ndarray, points: np.ndarray) -> RangeImage:
    """The view of `points` (N, 3) m by a sensor at `eye` (3,) m, to be asked about points of their frame."""
    return RangeImage((points - eye).astype(np.float32)).in_frame(rigid(np.eye(3), -eye))


def _thinned(pair: TrainingPair, how: Augmentation, rng: np.random.Generator) -> TrainingPair:
    shares = rng.uniform(*how.keep, 2)
    # Of the sweep before only the nearest returns are there, each of which may stand for many.
    return _only(
        pair, [rng.random(len(cloud)) < share for cloud, share in zip(_clouds(pair), (*shares, *shares, 1.0, 1.0))]
    )


def _with_fewer_beams(pair: TrainingPair, rng: np.random.Generator) -> TrainingPair:
    return _only(pair, beams_kept(_clouds(pair), rng))


def _clouds(pair: TrainingPair) -> tuple[np.ndarray, ...]:
    return pair.source, pair.target, pair.source_ground, pair.target_ground, pair.past, pair.past_ground


def _only(pair: TrainingPair, rows: Sequence[np.ndarray]) -> TrainingPair:
    """Those rows, or masks, of each of its `_clouds`."""
    source, target, source_ground, target_ground, past, past_ground = rows
    return TrainingPair(
        pair.source[source],
        pair.target[target],
        pair.source_motion[source],
        pair.target_motion[target],
        pair.target_from_source,
        pair.source_ground[source_ground],
        pair.target_ground[target_ground],
        pair.past[past],
        pair.past_ground[past_ground],
        pair.past_from_source,
        pair.past_age,
    )


def beams_kept(sweeps: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of each of the sweeps (N, 3), each in its sensor's frame, in the bands of elevation that are kept."""
    width, every = np.radians(rng.uniform(0.4, 1.5)), rng.integers(2, 5)
    phase = rng.uniform(0.0, width * every)
    return [
        np.flatnonzero(np.floor((np.arctan2(z, np.hypot(x, y)) + phase) / width) % every == 0)
        for x, y, z in (points.T for points in sweeps)
    ]


def _set_in_motion(
    source: np.ndarray,
    motion: np.ndarray,
    target: np.ndarray,
    past: np.ndarray,
    still: np.ndarray,
    target_still: np.ndarray,
    past_age: float,
    how: Augmentation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Move pieces of what is `still` (N,) and `target_still` (M,), and what was there before: adds to `motion` in
    place, returns the target and the past."""
    target, past = target.copy(), past.copy()
    for _ in range(rng.integers(how.movers + 1) if still.any() else 0):
        centre = source[rng.choice(np.flatnonzero(still))]
        radius, heading = rng.uniform(*how.mover_radius), rng.uniform(0.0, 2.0 * np.pi)
        length = np.exp(rng.uniform(*np.log(how.mover_shift)))
        shift = length * np.array([np.cos(heading), np.sin(heading), rng.normal(0.0, 0.05)])
        yaw = rng.normal(0.0, how.mover_yaw)
        turn, past_turn = rotation(yaw), rotation(past_age * yaw)
        here = still & around(source, centre, radius)
        there = target_still & around(target, centre, radius)
        motion[here] = (source[here] - centre) @ turn.T + centre + shift - source[here]
        target[there] = (target[there] - centre) @ turn.T + centre + shift
        before = around(past, centre, radius)
        past[before] = (past[before] - centre) @ past_turn.T + centre + past_age * shift
        still, target_still = still & ~here, target_still & ~there
        if not still.any():
            break
    return target, past


def within(points: np.ndarray, reach: float) -> np.ndarray:
    return np.einsum('ij,ij->i', points, points) < reach**2


def around(points: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    return within(points[:, :2] - centre[:2], radius)


def _filled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Float32; one far point stands in for a cloud that lost all of its own."""
    return points.astype(np.float32) if len(points) else rng.normal(0, 50, (1, 3)).astype(np.float32)


def repeated(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`rows` (m, ...), filled up to n with repetitions so that pairs stack into batches."""
    return np.concatenate([rows, rng.choice(rows, n - len(rows))]) if len(rows) < n else rows


def rotation(yaw: float) -> np.ndarray:
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _small_rotation(rng: np.random.Generator, sigma: float) -> np.ndarray:
    x, y, z = np.radians(rng.normal(0.0, sigma, 3))
    return np.eye(3) + np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
