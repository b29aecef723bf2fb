"""What the node publishes of each flow field. Every output is made only if somebody listens to it.

Clouds and markers go out as bytes (`formats/cdr.py`).
"""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from ..errors import EgoMotionError
from ..formats import cdr
from ..formats.markers import Drawing
from ..formats.object_cloud import encode_objects
from ..formats.pointcloud2 import encode, encode_points, with_only
from ..kernels.returns import rows_of
from ..sweep import Basis, FlowField, MovingObject
from . import qos
from .flow_tracks import FlowTracks
from .lifecycle import ManagedNode
from .messages import delete_all, ego_odometry
from .object_adapters import adapters
from .objects_frame import ObjectsFrame
from .statistics import WARN_EVERY, Statistics


class Outputs:
    """The publishers of `node`; all but `destroy` may be called from the worker's thread."""

    def __init__(self, node: ManagedNode, statistics: Statistics):
        self._node = node
        self._statistics = statistics
        self._drawing = Drawing()
        self._tracker = FlowTracks() if node.settings.tracks else None
        self._tracks: list[MovingObject] = []
        self._flow = self._publisher(PointCloud2, '~/flow', qos_overriding_options=qos.overridable())
        self._objects = self._publisher(PointCloud2, '~/objects')
        self._markers = self._publisher(MarkerArray, '~/markers')
        self._ground = self._publisher(PointCloud2, '~/ground')
        self._ego_odometry = self._publisher(Odometry, '~/ego_odometry')
        self._static = self._publisher(PointCloud2, '~/static')
        self._moving = self._publisher(PointCloud2, '~/moving')
        self._makers = {
            self._flow: self._make_flow,
            self._markers: self._make_markers,
            self._ground: self._make_ground,
            self._ego_odometry: ego_odometry,
            **({self._publisher(PointCloud2, '~/tracks'): self._make_tracks} if self._tracker else {}),
        }
        self._object_makers = {
            self._objects: self._make_objects,
            **{self._publisher(kind, topic): make for topic, kind, make in adapters(node.settings.object_messages)},
        }

    def listeners(self) -> int:
        """Subscribers of all outputs together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers())

    def publish(self, flow: FlowField, cloud: PointCloud2, frame: ObjectsFrame) -> None:
        """Publish `flow`, whose source is the sweep of `cloud`; its objects in `frame`."""
        if self._tracker is not None and flow.pair.dt:
            self._tracks = self._tracker.update(flow)
        # All are made before the first goes out, so that a cloud and its markers come in the same moment.
        made = [
            (publisher, make(flow, cloud))
            for publisher, make in self._makers.items()
            if publisher.get_subscription_count()
        ]
        for publisher, message in made:
            publisher.publish(message)
        for publisher, message in self._of_objects(flow, cloud, frame):  # which may have to wait for tf
            publisher.publish(message)

    def _of_objects(self, flow: FlowField, cloud: PointCloud2, frame: ObjectsFrame) -> list[tuple[Any, Any]]:
        """Publishers of objects that somebody listens to, and their messages."""
        heard = [publisher for publisher in self._object_makers if publisher.get_subscription_count()]
        if not heard:
            return []
        try:
            objects, header = frame.of((*flow.objects, *flow.predicted), cloud)
        except EgoMotionError as error:
            self._node.get_logger().warning(
                f'objects_frame: objects left out: {error}', throttle_duration_sec=WARN_EVERY
            )
            return []
        found = tuple(item for item in objects if item.basis != Basis.PREDICTION)  # other messages cannot tell it apart
        return [
            (publisher, self._object_makers[publisher](objects if publisher is self._objects else found, header))
            for publisher in heard
        ]

    def split_heard(self) -> bool:
        """Whether anybody listens to what `publish_split` makes."""
        return bool(self._static.get_subscription_count() or self._moving.get_subscription_count())

    def publish_split(self, cloud: PointCloud2, moving: Callable[[], np.ndarray]) -> None:
        """Publish `cloud` without, and with only, the points that `moving` (height * width,) bool tells."""
        if self.split_heard():
            rows, organised = moving(), self._node.settings.static_organised
            if self._static.get_subscription_count():
                self._static.publish(cdr.pointcloud2(with_only(cloud, ~rows, organised), cloud.header))
            if self._moving.get_subscription_count():
                self._moving.publish(cdr.pointcloud2(with_only(cloud, rows, organised), cloud.header))

    def reset(self) -> None:
        """Wipe what is drawn: after a reset nothing of it is true any more."""
        self._drawing = Drawing()
        self._markers.publish(delete_all())
        if self._tracker is not None:
            self._tracker.reset()

    def destroy(self) -> None:
        """Withdraw the topics."""
        for publisher in self._publishers():
            self._node.destroy_lifecycle_publisher(publisher)

    def _publishers(self) -> list[Any]:
        return [*self._makers, *self._object_makers, self._static, self._moving]

    def _publisher(self, kind: type, topic: str, **rest: Any) -> Any:
        return self._node.create_lifecycle_publisher(
            kind, topic, qos.OUTPUT, event_callbacks=self._node.mismatches.of_publisher(topic), **rest
        )

    def _make_flow(self, flow: FlowField, cloud: PointCloud2) -> bytes:
        settings = self._node.settings
        return cdr.pointcloud2(encode(flow, cloud, settings.keep_fields.split(), settings.rgba), cloud.header)

    def _make_ground(self, flow: FlowField, cloud: PointCloud2) -> bytes:
        points = rows_of(flow.pair.source.points, np.flatnonzero(flow.ground))
        return cdr.pointcloud2(encode_points(points), cloud.header)

    def _make_objects(self, objects: Sequence[MovingObject], header: Any) -> bytes:
        return cdr.pointcloud2(encode_objects(objects), header)

    def _make_tracks(self, flow: FlowField, cloud: PointCloud2) -> bytes:
        return self._make_objects(self._tracks, cloud.header)

    def _make_markers(self, flow: FlowField, cloud: PointCloud2) -> bytes:
        rate = self._statistics.rate('out')
        markers = self._drawing.update(flow, self._node.settings.marker_arrows, 1 / rate if rate else 0.0)
        return cdr.marker_array(markers, cloud.header)
