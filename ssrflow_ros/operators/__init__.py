"""The few operators under the network: neighbour search, farthest point sampling, and what is done over neighbours.

Each has a plain-torch reference that runs on any device. Behind the same call are, on the CPU, the
fastest well-kept library and, on a GPU, a Triton kernel.
"""

from .attentive_sum import attentive_sum
from .farthest_point import farthest_point_order
from .gather import gather
from .interpolation import interpolate, interpolation_weights
from .linear import Linear, linear
from .neighbours import Searched, k_nearest

__all__ = [
    'Linear',
    'Searched',
    'attentive_sum',
    'farthest_point_order',
    'gather',
    'interpolate',
    'interpolation_weights',
    'k_nearest',
    'linear',
]
