"""From the PointCloud2 messages of one sensor to pairs of sweeps, live and recorded: decode -> times -> pair."""

from __future__ import annotations

import dataclasses

import numpy as np

from .errors import InputError
from .formats.message_types import PointCloud2
from .formats.point_times import PointTimes
from .formats.pointcloud2 import decode, field_names, has_field, read_field
from .settings import Settings
from .steps.pairing import Pairing
from .sweep import Sensors, Sweep, SweepPair


class PairStream:
    """The clouds of one stream, of rclpy or of rosbags, in the order in which they come.

    pairing  what pairs them; it counts those that gave no pair, and says why the last one did not.
    """

    def __init__(self, settings: Settings):
        self.pairing = Pairing(settings)
        self._times = PointTimes()

    @property
    def settings(self) -> Settings:
        """May be exchanged between clouds."""
        return self.pairing.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.pairing.settings = settings

    def sweep(self, cloud: PointCloud2) -> Sweep:
        """The usable returns of a cloud, with the time of each where `deskew` asks for it.

        InputError if it is malformed, or lacks those times.
        """
        sweep = decode(cloud, *self.settings.own)
        if self.settings.origins:
            sweep = _with_sensors(sweep, cloud, self.settings)
        return self._times(sweep, cloud) if self.settings.deskew else sweep

    def push(self, cloud: PointCloud2) -> tuple[Sweep, SweepPair | None]:
        """The sweep of a cloud and the pair that it completes, if it does; InputError as of `sweep`."""
        sweep = self.sweep(cloud)
        return sweep, self.pairing.push(sweep)


def _with_sensors(sweep: Sweep, cloud: PointCloud2, settings: Settings) -> Sweep:
    """The sweep of a cloud that several LiDARs share; InputError without the field that tells them apart."""
    origins = np.array(settings.origins)
    if not settings.sensor_field:
        return sweep.of_nearest(settings.origins)
    if not has_field(cloud, settings.sensor_field):
        raise InputError(
            f"the cloud has no field '{settings.sensor_field}', which sensor_field names (there are: "
            f'{", ".join(field_names(cloud))}): name the one that holds the number of the LiDAR, or leave it empty'
        )
    numbers = read_field(cloud, settings.sensor_field)[sweep.rows]
    if len(numbers) and not ((numbers >= 0) & (numbers < len(origins)) & (numbers == np.floor(numbers))).all():
        raise InputError(
            f"the field '{settings.sensor_field}' holds {numbers.min()} to {numbers.max()}, and sensor_origins has "
            f'{len(origins)} places: numbers begin with 0'
        )
    return dataclasses.replace(sweep, sensors=Sensors(origins, numbers.astype(np.int32)))
