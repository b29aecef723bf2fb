"""Every quality of service of the node, in one place."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def keep_last(depth: int, reliability: ReliabilityPolicy) -> QoSProfile:
    """Volatile, the newest `depth` messages."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=DurabilityPolicy.VOLATILE
    )


# Best effort and volatile is answered by every publisher. A short queue, since an old sweep helps nobody.
POINTS = keep_last(2, ReliabilityPolicy.BEST_EFFORT)
# Small messages at a high rate, of which the worker needs some tenths of a second.
ODOMETRY = keep_last(50, ReliabilityPolicy.BEST_EFFORT)
# As tf2 has them; best effort hears every publisher.
TF = keep_last(100, ReliabilityPolicy.BEST_EFFORT)
TF_STATIC = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# Reliable and volatile answers both kinds of subscribers.
OUTPUT = keep_last(2, ReliabilityPolicy.RELIABLE)
DIAGNOSTICS = keep_last(10, ReliabilityPolicy.RELIABLE)


def overridable() -> QoSOverridingOptions:
    """Lets the user change history, depth and reliability by parameters `qos_overrides./topic...`."""
    return QoSOverridingOptions.with_default_policies()
