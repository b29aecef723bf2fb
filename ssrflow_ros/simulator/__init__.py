"""A LiDAR simulator for training: ray-cast sweeps of random moving worlds with exact motion labels."""

from .classes import CLASSES
from .scenes import SCENES
from .sensors import SENSORS, LidarModel
from .simulate import LabelledSweep, simulate

__all__ = ['CLASSES', 'SCENES', 'SENSORS', 'LabelledSweep', 'LidarModel', 'simulate']
