"""From the PointCloud2 messages of one sensor to pairs of sweeps, live and recorded: decode -> times -> pair."""

from __future__ import annotations

from .formats.message_types import PointCloud2
from .formats.point_times import PointTimes
from .formats.pointcloud2 import decode
from .settings import Settings
from .steps.pairing import Pairing
from .sweep import Sweep, SweepPair


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
        return self._times(sweep, cloud) if self.settings.deskew else sweep

    def push(self, cloud: PointCloud2) -> tuple[Sweep, SweepPair | None]:
        """The sweep of a cloud and the pair that it completes, if it does; InputError as of `sweep`."""
        sweep = self.sweep(cloud)
        return sweep, self.pairing.push(sweep)
