"""LiDAR models: where the beams point, and what becomes of a hit (noise, drop-outs, intensity).

Elevation tables follow the makers' manuals (Velodyne VLP-16, HDL-32E, VLP-32C, HDL-64E, Alpha Prime;
Ouster OS1; Livox Mid-360 and Avia); tables that makers do not publish as a formula are approximated
by their density of beams. Twins are two VLP-16 or two VLP-32C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..transforms import rigid

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class LidarModel:
    """A kind of sensor.

    elevations   degrees above the horizon, one a beam; () for the non-repetitive sensors.
    columns      numbers of firings a turn to choose from (at 10 Hz); for a non-repetitive sensor the
                 numbers of rays a sweep.
    max_range    metres.
    stagger      degrees of azimuth between neighbouring beams of one firing.
    pattern      'spinning', 'spiral' (all round, as the Mid-360), or 'rosette' (forward, as the Avia).
    field        non-repetitive only, degrees: lowest and highest elevation ('spiral'), or full width and
                 height ('rosette').
    twin         two of them, whose returns are merged in one cloud; each turns as it likes.
    """

    name: str
    elevations: tuple[float, ...]
    columns: tuple[int, ...]
    max_range: float
    stagger: float = 0.0
    pattern: str = 'spinning'
    field: tuple[float, float] = (0.0, 0.0)
    twin: bool = False

    @property
    def beams(self) -> int:
        """Number of beams; 0 for a non-repetitive sensor."""
        return len(self.elevations)

    def draw(self, rng: np.random.Generator) -> 'Lidar':
        """One sensor off the shelf: its resolution, its noise and its faults."""
        dead: tuple[int, ...] = ()
        if self.beams and rng.random() < 0.15:
            dead = tuple(np.flatnonzero(rng.random(self.beams) < rng.uniform(0.02, 0.25)).tolist())
        blocked: tuple[tuple[float, float], ...] = ()
        if rng.random() < 0.15:
            width = rng.choice([rng.uniform(3, 15), rng.uniform(30, 150)])
            blocked = ((float(rng.uniform(-180, 180)), float(width)),)
        if rng.random() < 0.1:
            blocked += tuple((float(a), float(rng.uniform(1, 6))) for a in rng.uniform(-180, 180, rng.integers(1, 4)))
        return Lidar(
            self,
            int(rng.choice(self.columns)),
            range_sigma=float(rng.uniform(0.005, 0.03)),
            drop_out=float(rng.choice([0.0, rng.uniform(0, 0.03), rng.uniform(0.05, 0.4)], p=[0.3, 0.5, 0.2])),
            detection=float(10 ** rng.uniform(-2.3, -1.3)),
            dead_beams=dead,
            blocked=blocked,
            heads=(Head(), Head.draw(rng)) if self.twin else (Head(),),
        )


@dataclass(frozen=True)
class Head:
    """One of the LiDARs that share a cloud; the cloud has the frame and the stamp of the first.

    place  m, where it sits in that frame.
    lag    share of a sweep's time by which it sees everything later. Its points are in the cloud where they are
           for a sensor that is moved back to the stamp: what stands is right, what moves is seen twice.
    """

    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lag: float = 0.0

    @property
    def mount(self) -> np.ndarray:
        """(4, 4) cloud_from_head, were it not late."""
        return rigid(np.eye(3), np.array(self.place))

    @classmethod
    def draw(cls, rng: np.random.Generator) -> 'Head':
        """Below the first and half a turn behind it, as on the cars of Argoverse 2; or anywhere near, and anyhow."""
        if rng.random() < 0.5:
            return cls((0.0, 0.0, -float(rng.uniform(0.15, 0.4))), 0.5)
        x, y, z = rng.uniform(-0.5, 0.5, 3)
        return cls((float(x), float(y), float(z) / 2), float(rng.uniform(-0.5, 0.5)))


@dataclass(frozen=True)
class Lidar:
    """A sensor in hand.

    columns      firings a turn, or rays a sweep of a non-repetitive sensor.
    range_sigma  standard deviation of the range, metres.
    drop_out     share of returns lost for no reason.
    detection    least returned power (1: a white wall at `max_range`, met head-on) that is seen.
    dead_beams   indices of beams that never return.
    blocked      (centre, width) in degrees of azimuth where the robot hides the view.
    heads        where it sees from, and when: once, or twice for twins.
    """

    model: LidarModel
    columns: int
    range_sigma: float = 0.01
    drop_out: float = 0.0
    detection: float = 0.01
    dead_beams: tuple[int, ...] = ()
    blocked: tuple[tuple[float, float], ...] = ()
    heads: tuple[Head, ...] = (Head(),)

    def directions(self, rng: np.random.Generator) -> np.ndarray:
        """(R, 3) float32 unit vectors of one sweep, in the sensor frame; another draw, another phase."""
        if self.model.pattern == 'spinning':
            forward, height = self._spinning(rng.random())
        elif self.model.pattern == 'spiral':
            forward, height = self._spiral(rng.random(2))
        else:
            forward, height = self._rosette(rng.random(2))
        rays = np.empty((forward.size, 3), np.float32)
        rays[:, 0], rays[:, 1], rays[:, 2] = forward.real.ravel(), forward.imag.ravel(), height.ravel()
        if not self.blocked:
            return rays
        azimuth = np.degrees(np.arctan2(rays[:, 1], rays[:, 0]))
        hidden = [np.abs((azimuth - centre + 180) % 360 - 180) <= width / 2 for centre, width in self.blocked]
        return rays[~np.any(hidden, axis=0)]

    # Each pattern gives the horizontal part of its rays as complex numbers (x + iy), and z.

    def _spinning(self, phase: float) -> tuple[np.ndarray, np.ndarray]:
        alive = np.setdiff1d(np.arange(self.model.beams), self.dead_beams)
        elevation = np.radians(np.array(self.model.elevations)[alive])
        # A spinning LiDAR turns clockwise seen from above.
        firing = np.exp(-2j * np.pi / self.columns * (np.arange(self.columns) + phase))
        beam = np.cos(elevation) * np.exp(1j * np.radians(self.model.stagger) * alive)
        return np.multiply.outer(firing, beam), np.tile(np.sin(elevation), (self.columns, 1))

    def _spiral(self, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        step = np.arange(self.columns)
        azimuth = -2 * np.pi * (GOLDEN * step / 4 + step * 40.0 / self.columns + phase[0])
        # The mirror's swing is much faster than the turn and not in tune with it.
        swing = np.abs((step * 0.0517 + 4 * phase[1]) % 2 - 1)
        low, high = np.radians(self.model.field)
        elevation = low + (high - low) * swing
        return np.cos(elevation) * np.exp(1j * azimuth), np.sin(elevation)

    def _rosette(self, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        time = np.linspace(0.0, 1.0, self.columns, endpoint=False)
        # Two prisms that turn at rates without a common period draw a flower that never closes.
        flower = np.exp(2j * np.pi * (121.3 * time + phase[0])) + np.exp(-2j * np.pi * (77.9 * time + phase[1]))
        width, height = np.radians(self.model.field)
        azimuth, elevation = flower.real * width / 4, flower.imag * height / 4
        return np.cos(elevation) * np.exp(1j * azimuth), np.sin(elevation)

    def measure(
        self, ranges: np.ndarray, incidence: np.ndarray, reflectivity: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the sensor makes of hits: (measured range m, intensity 0..255, kept bool), all (H,).

        incidence     |cosine| between the ray and the surface's normal.
        reflectivity  0..1; below about 0.03 (glass, black paint) most hits are lost.
        """
        power = reflectivity * incidence * (self.model.max_range / np.maximum(ranges, 1.0)) ** 2
        power *= np.exp(np.float32(0.4) * rng.standard_normal(len(ranges), np.float32))
        kept = (power > self.detection) & (ranges < self.model.max_range)
        # Near or far, glass and black paint mirror the light away.
        kept &= rng.random(len(ranges), np.float32) < 0.02 + reflectivity * 20
        if self.drop_out:
            kept &= rng.random(len(ranges), np.float32) >= self.drop_out
        measured = ranges + np.float32(self.range_sigma) * rng.standard_normal(len(ranges), np.float32)
        intensity = 255.0 * np.clip(reflectivity * (0.3 + 0.7 * incidence), 0.0, 1.0)
        return measured, intensity.astype(np.float32), kept & (measured > 0.1)


def _even(low: float, high: float, beams: int) -> tuple[float, ...]:
    return tuple(np.linspace(low, high, beams).tolist())


def _dense_middle(low: float, high: float, beams: int, centre: float, power: float) -> tuple[float, ...]:
    """Beams whose spacing grows with the distance from `centre`, as 64- and 128-beam car sensors have."""
    below = round(beams * (centre - low) / (high - low))
    down = centre - (centre - low) * np.linspace(1, 0, below, endpoint=False) ** power
    up = centre + (high - centre) * np.linspace(0, 1, beams - below) ** power
    return tuple(np.concatenate([down, up]).tolist())


_VLP32C = (
    -25.0,
    -15.639,
    -11.31,
    -8.843,
    -7.254,
    -6.148,
    -5.333,
    -4.667,
    -4.0,
    -3.667,
    -3.333,
    -3.0,
    -2.667,
    -2.333,
    -2.0,
    -1.667,
    -1.333,
    -1.0,
    -0.667,
    -0.333,
    0.0,
    0.333,
    0.667,
    1.0,
    1.333,
    1.667,
    2.333,
    3.333,
    4.667,
    7.0,
    10.333,
    15.0,
)

SENSORS: dict[str, LidarModel] = {
    model.name: model
    for model in (
        LidarModel('vlp16', _even(-15, 15, 16), (900, 1200, 1800, 3600), 100.0),
        LidarModel('os1_16', _even(-16.6, 16.6, 16), (512, 1024, 2048), 90.0, stagger=0.2),
        LidarModel('hdl32e', _even(-30.67, 10.67, 32), (1080, 1800, 2170), 80.0),
        LidarModel('vlp32c', _VLP32C, (900, 1200, 1800), 120.0),
        LidarModel('hdl64e', _even(-24.33, -8.83, 32) + _even(-8.33, 2.0, 32), (1000, 1500, 2083), 120.0),
        LidarModel('os1_64', _even(-22.5, 22.5, 64), (512, 1024, 1800), 100.0, stagger=0.1),
        LidarModel('car64', _dense_middle(-25.0, 15.0, 64, -1.0, 1.7), (900, 1200, 1800), 120.0, stagger=0.05),
        LidarModel('os1_128', _even(-22.5, 22.5, 128), (512, 1024), 100.0, stagger=0.05),
        LidarModel('os0_128', _even(-45.0, 45.0, 128), (512, 1024), 80.0, stagger=0.05),
        LidarModel('alpha128', _dense_middle(-25.0, 15.0, 128, -2.0, 1.8), (900, 1100), 120.0),
        LidarModel('mid360', (), (20000, 40000), 80.0, pattern='spiral', field=(-7.0, 52.0)),
        LidarModel('avia', (), (24000, 48000), 120.0, pattern='rosette', field=(70.4, 77.2)),
        LidarModel('twin16', _even(-15, 15, 16), (900, 1800), 100.0, twin=True),
        LidarModel('twin32', _VLP32C, (900, 1200, 1800), 120.0, twin=True),
    )
}
