"""One pass over a recording: from each cloud to its answer; the next sweeps are made ready meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

from ..errors import EgoMotionError, InputError, SSRFlowError
from ..pair_stream import PairStream
from ..prefetch import prefetch
from ..steps.prepared import PreparedPair
from ..stream import Stream
from ..sweep import FlowField, Sweep

if TYPE_CHECKING:
    from ..formats.bag_poses import RecordedPoses
    from ..formats.bags import BagMessage
    from .bag_outputs import AnnotatedBag
    from .bag_summary import Summary


class Taken(NamedTuple):
    """A cloud, when it was recorded, its sweep, and the `pair` that it completes, made ready for the network, then with
    its answer, or an `error` why not."""

    cloud: Any
    time_ns: int
    sweep: Sweep
    pair: PreparedPair | None
    error: SSRFlowError | None = None


class Annotation:
    """What the method says of each cloud goes to `out`, and what is told of it at the end to `summary`."""

    def __init__(
        self, stream: Stream, pairs: PairStream, poses: 'RecordedPoses', out: 'AnnotatedBag', summary: 'Summary'
    ):
        self._stream, self._pairs, self._poses, self._out, self._summary = stream, pairs, poses, out, summary

    def run(self, messages: Iterator['BagMessage']) -> None:
        for recorded, future in prefetch(self._prepare, self._infer, messages):
            self._summary.begin(recorded)
            self._out.copy(recorded)
            taken, flow = None, None
            try:
                taken = future.result()
                self._summary.note(taken.sweep)
                flow = self._answer(taken)
            except EgoMotionError as error:
                self._summary.drop('no ego-motion', error)
            except InputError as error:
                self._summary.drop('malformed cloud', error)
            except SSRFlowError as error:
                self._summary.drop('no flow', error)
            if taken is not None:
                self._out.split(taken.sweep, flow, taken.cloud, taken.time_ns)
        self._summary.finish()

    def _answer(self, taken: Taken) -> FlowField | None:
        if taken.error is not None:
            raise taken.error
        if taken.pair is None:
            return None
        flow = self._stream.detect(taken.pair)
        self._out.write(flow, taken.cloud, taken.time_ns)
        self._summary.add(flow, taken.cloud)
        return flow

    def _prepare(self, recorded: 'BagMessage') -> Taken:
        """What the network needs of a cloud and of the one before; in a thread of its own."""
        cloud = recorded.read()
        sweep, pair = self._pairs.push(cloud)
        self._poses.note(sweep, recorded.time_ns)
        prepared, error = None, None
        if pair is not None:
            try:
                prepared = self._stream.prepare(pair, self._poses.between(pair))
            except SSRFlowError as refused:
                error = refused
        return Taken(cloud, recorded.time_ns, sweep, prepared, error)

    def _infer(self, taken: Taken) -> Taken:
        """What the network says of it; in another thread."""
        if taken.pair is None:
            return taken
        try:
            return taken._replace(pair=self._stream.infer(taken.pair))
        except SSRFlowError as refused:
            return taken._replace(error=refused)
