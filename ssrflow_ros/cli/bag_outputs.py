"""What `ssrflow bag` writes of each cloud: the topics of the annotated bag, the table, and the viewers' share."""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator, Sequence

from ..atomic_write import atomic_write
from ..formats.bag_messages import to_ego_odometry, to_marker_array, to_pointcloud2
from ..formats.bags import (
    EGO_ODOMETRY,
    FLOW,
    MARKER_ARRAY,
    MARKERS,
    MOVING,
    OBJECTS,
    ODOMETRY,
    POINTCLOUD2,
    STATIC,
    TF_STATIC,
    TRACKS,
    BagMessage,
    BagReader,
    BagWriter,
)
from ..formats.markers import Drawing
from ..formats.object_cloud import encode_objects
from ..formats.object_table import OBJECT, TRACK, ObjectTable
from ..formats.pointcloud2 import encode, with_only
from ..formats.topics import OWN
from ..node.flow_tracks import FlowTracks
from ..objects.moving_points import MovingPoints
from ..settings import Settings
from ..sweep import FlowField, MovingObject, Sweep

if TYPE_CHECKING:
    from ..formats.video import Film
    from ..view.report import DriveReport


class AnnotatedBag:
    """The clouds of one topic with what the method says of them, as the options `args` of `ssrflow bag` ask for it.

    viewers  get each flow with its markers.
    """

    def __init__(
        self,
        out: BagWriter,
        settings: Settings,
        args: argparse.Namespace,
        viewers: Sequence['Film | DriveReport'] = (),
        table: ObjectTable | None = None,
    ):
        self._out, self._settings, self._args = out, settings, args
        self._drawing, self._viewers, self._movers = Drawing(), viewers, MovingPoints()
        self._table = table
        self._tracks = FlowTracks() if settings.tracks else None

    def copy(self, recorded: BagMessage) -> None:
        """The cloud as it was recorded."""
        self._out.write_raw(recorded.topic, recorded.type, recorded.time_ns, recorded.raw)

    def write(self, flow: FlowField, cloud: Any, time_ns: int) -> None:
        """The topics of an answer; InputError where the fields of --keep cannot be passed through."""
        annotated = to_pointcloud2(encode(flow, cloud, self._args.keep, self._args.rgba), cloud.header)
        self._out.write(FLOW, POINTCLOUD2, time_ns, annotated)
        told = [*flow.objects, *flow.predicted]
        objects = to_pointcloud2(encode_objects(told), cloud.header)
        self._out.write(OBJECTS, POINTCLOUD2, time_ns, objects)
        tables: list[tuple[str, Sequence[MovingObject]]] = [(OBJECT, told)]
        if self._tracks is not None:
            tables.append((TRACK, self._tracks.update(flow)))
            self._out.write(TRACKS, POINTCLOUD2, time_ns, to_pointcloud2(encode_objects(tables[-1][1]), cloud.header))
        if self._table is not None:
            for kind, rows in tables:
                self._table.write(kind, flow.pair.source.stamp_ns, flow.pair.source.frame_id, rows)
        markers = self._drawing.update(flow, self._settings.marker_arrows)
        self._out.write(MARKERS, MARKER_ARRAY, time_ns, to_marker_array(markers, cloud.header))
        self._out.write(EGO_ODOMETRY, ODOMETRY, time_ns, to_ego_odometry(flow, cloud.header))
        for viewer in self._viewers:
            viewer.add(flow, markers)

    def split(self, sweep: Sweep, flow: FlowField | None, cloud: Any, time_ns: int) -> None:
        """Write the cloud without, and with only, what moves; without a flow by what is known of the sweeps before."""
        if not self._args.static and not self._args.moving:
            return
        settings = self._settings
        if flow is None:
            moving = self._movers.expected(sweep, settings.static_margin)
        else:
            self._movers.note(flow)
            moving, sweep = self._movers.answered(flow, settings.static_margin), flow.pair.source
        rows = sweep.to_rows(moving, missing=False)
        for topic, wanted, kept in ((STATIC, self._args.static, ~rows), (MOVING, self._args.moving, rows)):
            if wanted:
                split = to_pointcloud2(with_only(cloud, kept, settings.static_organised), cloud.header)
                self._out.write(topic, POINTCLOUD2, time_ns, split)


@contextmanager
def object_table(path: str | None, overwrite: bool) -> Iterator[ObjectTable | None]:
    """The table of --objects, there only if the block ends without error."""
    if path is None:
        yield None
        return
    with atomic_write(path, 'bag', overwrite) as unfinished, open(unfinished, 'w', newline='') as file:
        yield ObjectTable(path, file, 'bag')


def kept_topics(bag: BagReader, topic: str, out: BagWriter) -> list[str]:
    """The other topics, described to `out`; those that hold for whoever comes late are written from the beginning."""
    kept = [name for name in bag.topics if name != topic and f'/{OWN}/' not in name]
    for name in kept:
        out.describe(name, bag.described[name]._replace(type=bag.topics[name][0]))
    latched = [name for name in kept if bag.described[name].is_latched or name == TF_STATIC]
    first = next(iter(bag.read([topic])), None)
    if first is None:
        return kept
    for message in bag.read(latched, whole=True):
        if not bag.is_read(message.time_ns) and message.time_ns < first.time_ns:
            out.write_message(message._replace(time_ns=first.time_ns))
    return kept
