"""Look at a recording in the browser: points by velocity, boxes, speeds, tracks, in three dimensions.

  ssrflow view RECORDING        estimates the flow of its clouds and shows each sweep as soon as it is there
  ssrflow view ANNOTATED        shows what "ssrflow bag" wrote, or "ssrflow demo", or a recording of the node's topics
  ssrflow view --live           shows what a running node publishes (needs ROS 2)
  ssrflow view ... --export page.html     writes a page that opens without Python and without network
One line names the address; Ctrl-C ends it. Nothing has to be installed for it but a browser, which needs no GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator

from ..errors import InputError
from .first_use import compile_if_cold
from .options import add_overwrite, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..formats.bags import BagMessage, BagReader
    from ..settings import Settings
    from ..sweep import FlowField
    from ..view.history import History

COMMAND = 'view'
PORT = 8123
_POINTS, _EXPORTED = 60_000, 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'input', metavar='RECORDING', nargs='?', help='a rosbag2: its folder, or one .mcap or .db3 file'
    )
    parser.add_argument(
        '--live',
        nargs='?',
        const='/ssrflow',
        metavar='NODE',
        help='show what this node publishes (default: /ssrflow), such as /front/ssrflow',
    )
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    parser.add_argument('--odometry', metavar='TOPIC', help="nav_msgs/Odometry: takes the sensor's motion from there")
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='begin so many seconds into the recording'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=60.0,
        metavar='S',
        help='show no more than this; of a live node, the last ones (default: 60, 250 MB of memory at 10 Hz)',
    )
    parser.add_argument(
        '--points',
        type=int,
        metavar='N',
        help=f'draw at most so many of a sweep (default: {_POINTS}, with --export {_EXPORTED})',
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        metavar='ADDRESS',
        help='listen there; default: 127.0.0.1, which only this machine reaches. Whoever reaches it may look',
    )
    parser.add_argument('--port', type=int, default=PORT, metavar='N', help=f'0: any that is free (default: {PORT})')
    parser.add_argument('--export', metavar='FILE', help='write a page instead (.html)')
    add_overwrite(parser, 'FILE')
    add_settings(parser, also=('static_margin',))


def run(args: argparse.Namespace) -> None:
    from ..atomic_write import atomic_write, check_outputs, signature
    from ..view.history import History

    if (args.input is None) == (args.live is None):
        raise InputError('give either a recording or --live: ssrflow view RECORDING')
    if args.live is not None and args.export:
        raise InputError('--export goes with a recording: record the node ("ros2 bag record"), then export that')
    if args.export and Path(args.export).suffix != '.html':
        raise InputError(f'--export {args.export}: the page is an .html: give it that ending')
    points = (_EXPORTED if args.export else _POINTS) if args.points is None else args.points
    if points < 1 or not args.seconds > 0 or not args.start >= 0:
        raise InputError('--points and --seconds are numbers above 0, --start is 0 or more')
    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    history = History(points, args.seconds, settings.static_margin)
    if args.live is not None:
        _serve(args, history, f'{args.live} live', _live(args.live, settings, history))
        return
    from ..formats.bags import BagReader

    check_outputs({'--export': args.export}, (args.input, weights_file(settings.weights)), COMMAND, args.overwrite)
    with BagReader(args.input) as bag:
        if bag.cut_off:
            print(f'ssrflow: {bag.cut_off}', file=sys.stderr)
        title = Path(args.input).resolve().name
        flows = _recorded(bag, args, settings, history)
        if not args.export:
            _serve(args, history, title, flows)
            return
        from ..view.page import export

        with atomic_write(args.export, COMMAND, args.overwrite) as unfinished:
            _fill(history, flows)
            if not len(history):
                raise InputError(f'{args.input}: nothing to show: {history.note or "no sweep has a flow"}')
            unfinished.write_text(export(history, title, signature(COMMAND)), encoding='utf-8')
        size = Path(args.export).stat().st_size
    print(
        f'written: {args.export} ({len(history)} sweeps, {1e-6 * size:.1f} MB)'
        + (f'; {history.note}' * bool(history.note))
    )


def _serve(args: argparse.Namespace, history: 'History', title: str, flows: Iterable['FlowField | str']) -> None:
    """Show what comes until Ctrl-C, which is the way to end it."""
    from ..view.page import ViewServer

    with closing(ViewServer(history, title, args.host, args.port, args.live is not None)) as server:
        print(f'view: {server.url}   (Ctrl-C ends it)', flush=True)
        try:
            _fill(history, flows)
            history.done = args.live is None
            if not len(history):
                raise InputError(f'{args.input}: nothing to show: {history.note or "no sweep has a flow"}')
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


def _fill(history: 'History', flows: Iterable['FlowField | str']) -> None:
    for flow in flows:
        if isinstance(flow, str):
            history.without[flow] += 1
        else:
            history.append(flow)


def _recorded(
    bag: 'BagReader', args: argparse.Namespace, settings: 'Settings', history: 'History'
) -> Iterator['FlowField | str']:
    from ..formats.bag_poses import read_poses
    from ..formats.bags import FLOW, POINTCLOUD2
    from ..view.sources import PUBLISHED, estimated, is_annotated, published

    if is_annotated(bag) and args.topic is None:
        return published(_span(bag, PUBLISHED, FLOW, args, history), bag.topics, settings)
    topic = bag.choose(args.topic, POINTCLOUD2)
    poses = read_poses(bag, settings, args.odometry)
    messages = _span(bag, [topic], topic, args, history)

    def flows() -> Iterator['FlowField | str']:
        from ..scene_flow import SceneFlow  # seconds: the page is there meanwhile

        stream = SceneFlow(settings).stream(poses.mounting_of)
        compile_if_cold()
        yield from estimated(messages, stream, settings, poses)

    return flows()


def _span(
    bag: 'BagReader', topics: Iterable[str], counted: str, args: argparse.Namespace, history: 'History'
) -> Iterator['BagMessage']:
    """The messages of the seconds that are asked for, with a bar."""
    from tqdm import tqdm

    begin = None
    with tqdm(total=bag.topics[counted][1], unit='sweep', disable=None) as bar:
        for message in bag.read([topic for topic in topics if topic in bag.topics]):
            begin = message.time_ns if begin is None else begin
            passed = (message.time_ns - begin) * 1e-9
            if passed > args.start + args.seconds:
                history.limit = f'Shown: {args.seconds:g} s; more with --start and --seconds'
                return
            bar.update(message.topic == counted)
            if passed >= args.start:
                yield message


def _live(node: str, settings: 'Settings', history: 'History') -> Iterator['FlowField | str']:
    from ..formats.bags import EGO_ODOMETRY, FLOW, OBJECTS
    from ..view.sources import Joined

    try:
        from ..node.flow_listener import FlowListener
    except ImportError:
        raise InputError('--live needs ROS 2, which is not here: source its setup.bash') from None
    topics, joined = {'flow': FLOW, 'objects': OBJECTS, 'ego_odometry': EGO_ODOMETRY}, Joined(settings)
    with FlowListener(node) as listener:
        while True:
            history.limit = '' if listener.publishers() else f'Nobody publishes {node}/flow: is the node active?'
            for output, message in listener.messages(timeout=0.2):
                yield from joined.push(topics[output], message)
