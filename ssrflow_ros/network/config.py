"""The network's settings: three presets, and a switch for every ablation."""

from __future__ import annotations

import dataclasses
import reprlib
from dataclasses import dataclass
from typing import Any

from ..errors import WeightsError

_CHOICES = {
    'attention': ('dual', 'single', 'none'),
    'position_encoder': ('outside', 'inside', 'none'),
    'initial_flow': ('global_fusion', 'local'),
    'fusion_pooling': ('attention', 'max'),
    'local_flow_embedding': ('patch_to_patch', 'point_to_patch'),
}


_FROM_ZERO = 'finest_level', 'finest_reembedded', 'radius'
_MOST = {int: 2**16, float: 1e6, tuple: 16}
"""Beyond all sense: the greatest number, and the most levels."""


def _is_like(value: Any, model: Any, positive: bool) -> bool:
    """Whether `value` is of the type of `model`, whole numbers for floats included, and of a size that can be built."""
    if isinstance(model, tuple):
        return (
            isinstance(value, tuple)
            and len(value) <= _MOST[tuple]
            and all(_is_like(one, model[0], positive) for one in value)
        )
    if isinstance(model, (bool, str)):
        return isinstance(value, type(model))
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or isinstance(model, float) and isinstance(value, float)):
        return False
    return (0 < value if positive else 0 <= value) and value <= _MOST[type(model)]


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that shapes an `SSRFlow`; the defaults are the `paper` preset.

    Tuples run from level l0, the finest, to l4.

    divisors              points of each level: N divided by this.
    widths                feature channels of each level.
    lengths               metres that count as 1 at each level, about the spacing of its points, so
                          that the small networks on relative coordinates see numbers near 1.
    finest_level          the finest level that is decoded; finer flow is interpolated from it.
    offset_input          the input feature is xyz and the offset to the nearest point of the other frame, not xyz
                          alone (paper). That frame is searched before it is thinned out to the network's points.
    beyond_input          also how far the other sensor saw past each point, in two numbers (free-space margins); needs
                          offset_input.
    past_input            also how far the sensor had seen past it half a second before, likewise; needs beyond_input.
    k_pointconv, k_embedding, k_predictor   neighbours in PointConv, in STR and LFE, in the predictor.
    radius                lengths, within which they count; farther ones give way to the nearest. 0: K alone.
    weight_net            outputs of PointConv's WeightNet.
    position_width        channels of the position encoder.
    attention_width       d_a of Eq. 1.
    fusion_width          channels of the global fusion flow embedding.
    predictor_width, predictor_out   channels inside the flow predictor, and handed to the finer level.
    mlp_depth             linear layers of each pair MLP.

    The switches of the ablations:
    attention             dual (paper), single: each frame attends to itself, none.
    position_encoder      of global fusion: outside the attention (paper), inside it, none.
    initial_flow          global_fusion (paper) or local: a local flow embedding at the top.
    fusion_pooling        attention or max.
    temporal, spatial     the two halves of STR; both off: no re-embedding.
    finest_reembedded     the finest level that has STR: 0 (paper), all.
    local_flow_embedding  patch_to_patch (paper) or point_to_patch.
    """

    divisors: tuple[int, ...] = (1, 4, 16, 32, 128)
    widths: tuple[int, ...] = (32, 64, 128, 256, 256)
    lengths: tuple[float, ...] = (1.0, 2.0, 4.0, 6.0, 12.0)
    finest_level: int = 0
    offset_input: bool = False
    beyond_input: bool = False
    past_input: bool = False
    k_pointconv: int = 16
    k_embedding: int = 32
    k_predictor: int = 9
    radius: float = 0.0
    weight_net: int = 16
    position_width: int = 32
    attention_width: int = 256
    fusion_width: int = 512
    predictor_width: int = 128
    predictor_out: int = 64
    mlp_depth: int = 2
    attention: str = 'dual'
    position_encoder: str = 'outside'
    initial_flow: str = 'global_fusion'
    fusion_pooling: str = 'attention'
    temporal: bool = True
    spatial: bool = True
    finest_reembedded: int = 0
    local_flow_embedding: str = 'patch_to_patch'

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, list):  # as read from JSON
                object.__setattr__(self, entry.name, tuple(value))
            if entry.name in _CHOICES and value not in _CHOICES[entry.name]:
                raise WeightsError(
                    f'network setting {entry.name}: {reprlib.repr(value)} is not known: '
                    f'choose from {", ".join(_CHOICES[entry.name])}'
                )
            if not _is_like(getattr(self, entry.name), entry.default, entry.name not in _FROM_ZERO):
                raise WeightsError(
                    f'network setting {entry.name}: {reprlib.repr(value)} is none: give a value like {entry.default}'
                )
        if not len(self.divisors) == len(self.widths) == len(self.lengths) > self.finest_level:
            raise WeightsError(
                'network settings divisors, widths and lengths: each level has one of each, also '
                'finest_level: give as many of each'
            )
        for more, needed in (('beyond_input', 'offset_input'), ('past_input', 'beyond_input')):
            if getattr(self, more) and not getattr(self, needed):
                raise WeightsError(f'network setting {more} needs {needed}: set both, or neither')

    @property
    def columns(self) -> int:
        """Numbers that it takes of each point: xyz, the offset and beyond, as far as it knows them."""
        return 3 + 3 * self.offset_input + 2 * self.beyond_input + 2 * self.past_input

    @property
    def levels(self) -> int:
        """Number of levels, the finest included."""
        return len(self.divisors)

    def level_sizes(self, n_points: int) -> tuple[int, ...]:
        """Points of each level of a cloud of `n_points`; at least one."""
        return tuple(max(1, n_points // divisor) for divisor in self.divisors)


_TEACHER = NetworkConfig(
    divisors=(1, 4, 8, 16, 64),
    lengths=(1.0, 2.0, 3.0, 4.0, 8.0),
    widths=(48, 72, 128, 160, 192),
    k_embedding=8,
    weight_net=8,
    position_width=16,
    attention_width=128,
    fusion_width=128,
    predictor_width=96,
    predictor_out=48,
    offset_input=True,
    beyond_input=True,
    past_input=True,
)
PRESETS = {
    'paper': NetworkConfig(),
    # What is trained, and what is made of it by `studies/narrow_network.py`.
    'teacher': _TEACHER,
    'onboard': dataclasses.replace(_TEACHER, widths=(48, 64, 88, 104, 128), weight_net=5),
}
