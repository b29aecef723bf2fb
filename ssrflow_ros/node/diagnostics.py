"""The node's state as one diagnostic_msgs/DiagnosticStatus."""
from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ..steps.pairing import FIRST
from .statistics import REPLACED, Statistics

# Drops that tell of no trouble: the first sweep has no partner, and the newest-only slot is by design.
HARMLESS = (FIRST, REPLACED)


class Diagnostics:
    """Compares the statistics with those of the report before."""

    def __init__(self, statistics: Statistics, name: str, facts: dict[str, str]):
        """`facts` never change, such as the device; `name` is that of the status."""
        self._statistics = statistics
        self._name = name
        self._facts = facts
        self._drops_before: dict[str, int] = {}

    def status(self, listeners: int) -> DiagnosticStatus:
        """The report since the last call: OK, or WARN with the reason."""
        statistics = self._statistics
        drops, rate_in, rate_out = statistics.drops(), statistics.rate('in'), statistics.rate('out')
        fresh = {reason: count - self._drops_before.get(reason, 0) for reason, count in drops.items()}
        self._drops_before = drops
        trouble = ', '.join(f'{count} x {reason}' for reason, count in fresh.items()
                            if count and reason not in HARMLESS)
        level, message = DiagnosticStatus.OK, f'{rate_out:.1f} of {rate_in:.1f} clouds per second'
        if trouble:
            level, message = DiagnosticStatus.WARN, f'dropped: {trouble}'
        elif not rate_in:
            level, message = DiagnosticStatus.WARN, 'no clouds arrive: check the topic `points` and its QoS'
        elif not listeners:
            message = 'waiting: nobody listens'
        values = {**self._facts, 'rate_in_hz': f'{rate_in:.2f}', 'rate_out_hz': f'{rate_out:.2f}',
                  'listeners': str(listeners), 'last_dt_s': f'{statistics.last_dt:.4f}'}
        values.update({f'drops/{reason}': str(count) for reason, count in drops.items()})
        for step, (median, high) in statistics.percentiles().items():
            values[f'{step}_ms_p50'], values[f'{step}_ms_p95'] = f'{median:.1f}', f'{high:.1f}'
        return DiagnosticStatus(level=level, name=self._name, message=message, hardware_id='',
                                values=[KeyValue(key=key, value=value) for key, value in values.items()])
