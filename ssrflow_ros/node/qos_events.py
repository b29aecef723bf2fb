"""Says why two ends of a topic do not meet; rclpy's own line names one policy and neither profile."""

from __future__ import annotations

from typing import Any, Iterator

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from .distribution import event_callbacks

_UNKNOWN = 'NODE_NAME_UNKNOWN'  # what rmw gives for a node whose name has not arrived yet


class Mismatches:
    """The incompatible ends that were met and not yet logged."""

    def __init__(self, node: Node):
        self._node = node
        self._met: set[tuple[str, bool]] = set()

    def of_subscription(self, topic: str) -> Any:
        """Callbacks for our subscription to `topic`: notice publishers that offer too little."""
        return event_callbacks().SubscriptionEventCallbacks(incompatible_qos=lambda event: self._meet(topic, False))

    def of_publisher(self, topic: str) -> Any:
        """Callbacks for our publisher on `topic`: notice subscribers that ask for too much."""
        return event_callbacks().PublisherEventCallbacks(incompatible_qos=lambda event: self._meet(topic, True))

    def tell(self) -> None:
        """Log what was met. Not at once in the event: the other node's name arrives after its endpoint."""
        for met in list(self._met):
            ends = [end for end in self._ends(*met) if _UNKNOWN not in end[0].node_name]
            for other, published, asked in ends:
                self._log(*met, other, published, asked)
            if ends:
                self._met.discard(met)

    def _meet(self, topic: str, we_publish: bool) -> None:
        self._met.add((self._node.resolve_topic_name(topic), we_publish))

    def _ends(self, topic: str, we_publish: bool) -> Iterator[tuple[Any, QoSProfile, QoSProfile]]:
        """(the other end, profile published, profile asked for) of each pair that does not meet."""
        for publisher in self._node.get_publishers_info_by_topic(topic):
            for subscriber in self._node.get_subscriptions_info_by_topic(topic):
                ours, other = (publisher, subscriber) if we_publish else (subscriber, publisher)
                compatibility, _ = qos_check_compatible(publisher.qos_profile, subscriber.qos_profile)
                if self._is_ours(ours) and compatibility == QoSCompatibility.ERROR:
                    yield other, publisher.qos_profile, subscriber.qos_profile

    def _is_ours(self, endpoint: Any) -> bool:
        return (endpoint.node_namespace, endpoint.node_name) == (self._node.get_namespace(), self._node.get_name())

    def _log(self, topic: str, we_publish: bool, other: Any, published: QoSProfile, asked: QoSProfile) -> None:
        name = f'{other.node_namespace.rstrip("/")}/{other.node_name}'
        cure = (
            'ask for less there'
            if we_publish
            else f'set qos_overrides.{topic}.subscription.reliability of this node to best_effort'
        )
        self._node.get_logger().warning(
            f"'{topic}': nothing passes between this node and {name}: published "
            f'{_profile(published)}, asked for {_profile(asked)}: {cure}'
        )


def _profile(profile: QoSProfile) -> str:
    return f'{profile.reliability.name.lower()} and {profile.durability.name.lower()}'.replace('_', ' ')
