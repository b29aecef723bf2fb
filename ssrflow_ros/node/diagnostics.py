"""The node's state as one diagnostic_msgs/DiagnosticStatus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ..process_memory import allocator
from ..settings import Settings
from ..steps.pairing import EMPTY, FIRST
from ..steps.stamps import forward_steps, rhythm
from .memory import device_mb, host_mb
from .statistics import (
    BY_NETWORK,
    DISABLED,
    DOUBTFUL,
    FROM_TRACKS,
    OUT_OF_MEMORY,
    REPLACED,
    STOPPED,
    UNHEARD,
    Statistics,
)

if TYPE_CHECKING:
    from ..inference.network_runner import NetworkRunner

# Drops that tell of no trouble: the first sweep has no partner, the newest-only slot and idling are by design.
HARMLESS = (FIRST, REPLACED, UNHEARD, DISABLED, STOPPED)
FEWEST_STEPS = 10
"""From stamp to stamp, that tell whether they are even."""
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Diagnostics:
    """Compares the statistics with those of the report before; `name` is that of the status."""

    def __init__(self, statistics: Statistics, name: str):
        self._statistics = statistics
        self._name = name
        self._drops_before: dict[str, int] = {}
        self._in_before = 0

    def status(
        self, settings: Settings, listeners: int, state: str = 'active', network: NetworkRunner | None = None
    ) -> DiagnosticStatus:
        """The report since the last call: the worst of what the thresholds of `settings` say, with all its reasons.

        state   of the lifecycle; only an active node waits for clouds.
        network  at work, of which device and weights are told; None if there is none.
        """
        statistics = self._statistics
        rate_in, rate_out = statistics.rate('in'), statistics.rate('out')
        troubles = [
            trouble
            for trouble in (
                _rate(rate_in, settings) if state == 'active' else None,
                self._drops(settings),
                _latency(statistics, settings),
                _rhythm(statistics),
                _doubt(statistics),
                _empty(statistics),
            )
            if trouble
        ]
        level = max((level for level, _ in troubles), default=OK)
        message = '; '.join(reason for _, reason in troubles)
        if not message and state != 'active':
            message = f'{state}: waiting to be activated'
        elif not message:
            message = (
                f'{rate_out:.1f} of {rate_in:.1f} clouds per second'
                if listeners or not settings.lazy
                else 'waiting: nobody listens'
            )
        values = {
            'state': state,
            **_facts(settings, network),
            'listeners': str(listeners),
            'rate_in_hz': f'{rate_in:.2f}',
            'rate_out_hz': f'{rate_out:.2f}',
            'clouds_in': str(statistics.counted('in')),
            'clouds_out': str(statistics.counted('out')),
            **{f'answered_{basis}': str(statistics.counted(basis)) for basis in (BY_NETWORK, FROM_TRACKS)},
            'doubtful_ego_motion': str(statistics.counted(DOUBTFUL)),
            'empty_clouds': str(statistics.counted(EMPTY)),
            'last_dt_s': f'{statistics.last_dt:.4f}',
        }
        values.update({f'drops/{reason}': str(count) for reason, count in statistics.drops().items()})
        for step, (median, high) in statistics.percentiles().items():
            values[f'{step}_ms_p50'], values[f'{step}_ms_p95'] = f'{median:.1f}', f'{high:.1f}'
        return DiagnosticStatus(
            level=level,
            name=self._name,
            message=message,
            hardware_id='',
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )

    def _drops(self, settings: Settings) -> tuple[bytes, str] | None:
        """Level and reason of the drops since the last call, if they are too many."""
        drops, clouds = self._statistics.drops(), self._statistics.counted('in')
        fresh = {
            reason: count - self._drops_before.get(reason, 0)
            for reason, count in drops.items()
            if reason not in HARMLESS
        }
        failures = {reason: count for reason, count in fresh.items() if count}
        share = sum(failures.values()) / max(1, clouds - self._in_before)
        self._drops_before, self._in_before = drops, clouds
        level = _above(share, settings.drops_warn, settings.drops_error)
        if OUT_OF_MEMORY in failures:
            level = ERROR
        if level == OK or not failures:
            return None
        return level, 'dropped: ' + ', '.join(f'{count} x {reason}' for reason, count in failures.items())


def _facts(settings: Settings, network: NetworkRunner | None) -> dict[str, str]:
    device: object = settings.device if network is None else network.device
    card = {} if network is None else network.card
    return {
        'ego_motion': settings.ego_motion,
        'weights': settings.weights,
        'trained_on': str(card.get('trained_on', 'unknown')),
        'device': str(device),
        'memory_mb': f'{host_mb():.0f}',
        'device_memory_mb': f'{device_mb(device):.0f}',
        'allocator': allocator(),
    }


def _rate(rate: float, settings: Settings) -> tuple[bytes, str] | None:
    if rate >= max(settings.rate_warn, settings.rate_error):
        return None
    level = ERROR if rate < settings.rate_error else WARN
    return level, (
        f'only {rate:.1f} clouds per second arrive'
        if rate
        else 'no clouds arrive: check the topic `points` and its QoS ("ssrflow doctor" looks for the cause)'
    )


def _latency(statistics: Statistics, settings: Settings) -> tuple[bytes, str] | None:
    _, high = statistics.percentiles().get('total', (0.0, 0.0))
    level = _above(1e-3 * high, settings.latency_warn, settings.latency_error)
    if level == OK or not statistics.rate('out'):
        return None
    return level, f'slow: {1e-3 * high:.2f} s from a cloud to its flow (p95)'


def _rhythm(statistics: Statistics) -> tuple[bytes, str] | None:
    steps = forward_steps(statistics.stamps())
    beat = rhythm(steps) if len(steps) >= FEWEST_STEPS else None
    return (WARN, beat.complaint) if beat is not None and beat.complaint else None


def _doubt(statistics: Statistics) -> tuple[bytes, str] | None:
    if not statistics.rate(DOUBTFUL):
        return None
    return WARN, (
        f'{DOUBTFUL}, {statistics.rate(DOUBTFUL):.1f} a second: what stands may seem to move; see that the stamps are '
        "even (ssrflow doctor), or give the sensor's motion (odometry)"
    )


def _empty(statistics: Statistics) -> tuple[bytes, str] | None:
    if not statistics.rate(EMPTY):
        return None
    return WARN, (
        f'{statistics.rate(EMPTY):.1f} clouds per second have no usable return: see whether the sensor is covered, and '
        'look at min_range and own_body'
    )


def _above(value: float, warn: float, error: float) -> bytes:
    return ERROR if value > error else WARN if value > warn else OK
