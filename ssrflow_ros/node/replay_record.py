"""What a flow node answered to the clouds it was played. No ROS."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ReplayRecord:
    """What was sent and heard; serialized messages, times of the monotonic clock in seconds.

    sent         time at which the cloud of each stamp (ns) was published.
    flow         (time, message) of ~/flow;  objects, markers  likewise.
    diagnostics  values of the node's last status.
    """

    sent: dict[int, float] = field(default_factory=dict)
    flow: list[tuple[float, bytes]] = field(default_factory=list)
    objects: list[tuple[float, bytes]] = field(default_factory=list)
    markers: list[tuple[float, bytes]] = field(default_factory=list)
    diagnostics: dict[str, str] = field(default_factory=dict)
