"""Annotate a recording: the velocity of every point of every sweep.

IN is a rosbag2 (its folder, or one .mcap or .db3 file), or a .bag of ROS 1. OUT is a rosbag2 for `ros2 bag play`,
RViz and Foxglove with
  /ssrflow/flow     PointCloud2: the clouds of --topic with vx vy vz (m/s, the sensor's motion removed),
                    moving and object
  /ssrflow/objects  PointCloud2: the moving objects, one point each (docs/objects_topic.md)
  /ssrflow/markers  MarkerArray: boxes, arrows and speeds of the moving objects
  /ssrflow/ego_odometry  Odometry: the sensor's own motion since the sweep before
  /ssrflow/static   with --static: every cloud of --topic, as it is, without the points that move (docs/slam.md)
  /ssrflow/moving   with --moving: with these alone
  /ssrflow/tracks   with --tracks: the objects followed over the sweeps, in the form of /ssrflow/objects
and a copy of the cloud topic; with --keep-topics, of all others too. Each sweep is paired with the one before it; a
sweep that cannot be paired is counted with its reason. What "ssrflow doctor" would say of the clouds is said at the
end.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Sequence

from ..errors import InputError, did_you_mean
from ..process_memory import loading
from .bag_fleet import SUMMARY, annotate_all, options_of
from .first_use import compile_if_cold
from .fleet import add_fleet, check_workers, recordings
from .options import add_recording, add_settings, settings_from, weights_file

if TYPE_CHECKING:
    from ..formats.bags import BagReader
    from ..formats.video import Film
    from ..view.report import DriveReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(parser=parser)
    parser.add_argument(
        'input',
        metavar='IN',
        nargs='+',
        help="the recording; or several, a folder of recordings, or a pattern such as 'drives/*': OUT is then a folder "
        'with an annotated recording for each, and those that it has already are not made again',
    )
    parser.add_argument('--topic', metavar='NAME', help='the PointCloud2 topic; needed only if there are several')
    add_recording(parser)
    parser.add_argument('--odometry', metavar='TOPIC', help="nav_msgs/Odometry: takes the sensor's motion from there")
    parser.add_argument(
        '--rgba',
        action='store_true',
        help='add a colour field: by direction where points move, else grey, the ground darker',
    )
    parser.add_argument(
        '--keep',
        nargs='+',
        default=(),
        metavar='FIELD',
        help='fields of the input clouds to pass through, such as ring or time',
    )
    parser.add_argument('--keep-topics', action='store_true', help='copy the other topics of IN, too, as they are')
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='begin so many seconds after the first message of IN'
    )
    parser.add_argument(
        '--duration', type=float, default=float('inf'), metavar='S', help='read no more than so many seconds of IN'
    )
    parser.add_argument(
        '--objects',
        metavar='FILE',
        help='write the objects, and with --tracks the tracks, as a table too: .csv, or .jsonl for JSON lines '
        '(columns: docs/objects_topic.md)',
    )
    parser.add_argument('--json', action='store_true', help='print the summary as JSON, and nothing else')
    parser.add_argument(
        '--hindsight',
        action='store_true',
        help='judge the objects by what sweeps up to two seconds before and after saw at their places: '
        'how many did move, and how many movers were found; takes two thirds longer',
    )
    parser.add_argument(
        '--video',
        metavar='FILE',
        help='also a film from above, as fast as life: .mp4 (needs imageio-ffmpeg), .gif or .webp; --overwrite holds '
        'for it too',
    )
    parser.add_argument(
        '--report',
        metavar='FILE',
        help='also a page for screen and paper (.html): map with tracks, speeds, doubtful tracks, drops, times, '
        'settings; --overwrite holds for it too',
    )
    parser.add_argument(
        '--recalibrate',
        metavar='FILE',
        help='write a calibration of the published probabilities by what --hindsight, which this implies, sees on this '
        'drive, for the setting of that name',
    )
    parser.add_argument('--static', action='store_true', help='write /ssrflow/static: the clouds without what moves')
    parser.add_argument('--moving', action='store_true', help='write /ssrflow/moving: what moves, alone')
    add_settings(parser, also=('marker_arrows', 'static_margin', 'static_organised', 'tracks'))
    add_fleet(parser, 'recordings')


def run(args: argparse.Namespace) -> int:
    check_workers(args.workers)
    found = recordings(args.input)
    if list(map(str, found)) != args.input or len(found) > 1 or args.scheduler:
        return annotate_all(args, found)
    args.input = args.input[0]
    return annotate(args)


def annotate(args: argparse.Namespace) -> int:
    """Annotate one recording."""
    from ..atomic_write import atomic_write, check_outputs
    from ..doctor.finding import WRONG
    from ..formats.bag_poses import read_poses
    from ..formats.bags import POINTCLOUD2, BagReader, write_bag
    from ..formats.object_table import suffix_of
    from ..formats.video import check_film, film
    from ..view.report import DriveReport
    from .bag_outputs import AnnotatedBag, kept_topics, object_table
    from .bag_reading import changes, own_body_of, with_progress

    settings = settings_from(args, **({'ego_motion': 'odometry'} if args.odometry else {}))
    written = {
        '-o': args.output,
        '--objects': args.objects,
        '--video': args.video,
        '--report': args.report,
        '--recalibrate': args.recalibrate,
    }
    inputs = args.input, weights_file(settings.weights), settings.calibration or None
    check_outputs(written, inputs, 'bag', args.overwrite)
    if args.objects:
        suffix_of(args.objects)
    with BagReader(args.input, args.start, args.duration) as bag, ExitStack() as later:
        if bag.cut_off:
            print(f'ssrflow: {bag.cut_off}', file=sys.stderr)
        topic = bag.choose(args.topic, POINTCLOUD2)
        _check_fields(bag, topic, args.keep)
        poses = read_poses(bag, settings, args.odometry)
        if args.video:
            check_film(args.video, bag.topics[topic][1])
        if args.report and not args.report.endswith('.html'):
            raise InputError(f'--report {args.report}: the page is an .html: give it that ending')
        if args.recalibrate:  # after the recording, which is there whatever comes of this
            calibration = later.enter_context(atomic_write(args.recalibrate, 'bag', args.overwrite))
        with ExitStack() as outputs:
            out = outputs.enter_context(write_bag(args.output, args.storage, 'bag', args.overwrite))
            table = outputs.enter_context(object_table(args.objects, args.overwrite))
            viewers: list[Film | DriveReport] = []
            if args.video:
                viewers.append(outputs.enter_context(film(args.video, 'bag', args.overwrite)))
            if args.report:
                page = outputs.enter_context(atomic_write(args.report, 'bag', args.overwrite))
                viewers.append(drive_report := DriveReport())
            with loading():
                from ..pair_stream import PairStream
                from ..scene_flow import SceneFlow
                from .bag_annotation import Annotation
                from .bag_summary import Summary, counted

            stream, pairs = SceneFlow(settings).stream(poses.mounting_of), PairStream(settings)
            compile_if_cold()
            stream.own_body = own_body_of(bag, topic, settings, poses)
            pairs.pairing.changing = changes(bag, topic)
            hindsight = args.hindsight or args.recalibrate
            summary = Summary(settings, pairs.pairing.drops, stream.own_body, args.keep, hindsight)
            annotated = AnnotatedBag(out, settings, args, viewers, table)
            kept = kept_topics(bag, topic, out) if args.keep_topics else ()
            messages = with_progress(bag, topic, kept, out.write_message)
            Annotation(stream, pairs, poses, annotated, summary).run(messages)
            if not summary.timings:
                raise InputError(
                    f'none of the {summary.n_in} sweeps of {topic} could be annotated '
                    f'({counted(summary.drops) or "it holds none"}): {summary.cure()}'
                )
            title, findings = f'{args.input} {topic}', list(summary.findings())
            told = {
                'input': args.input,
                'topic': topic,
                'output': args.output,
                'options': options_of(args),
                **summary.figures(findings),
            }
            (out.folder / SUMMARY).write_text(json.dumps(told, indent=1) + '\n')
            if args.report:
                page.write_text(summary.report(drive_report, title, findings), encoding='utf-8')
        if not args.json:
            summary.print(title)
        if args.recalibrate:
            calibrated = summary.recalibrate(calibration)
    if args.json:
        print(json.dumps(told))
        return 2 if any(finding.level == WRONG for finding in findings) else 0
    if args.recalibrate:
        print('', calibrated, sep='\n')
    if findings:
        print('', *findings, sep='\n')
    print('\nwritten: ' + ', '.join(path for path in written.values() if path))
    return 2 if any(finding.level == WRONG for finding in findings) else 0


def _check_fields(bag: 'BagReader', topic: str, keep: Sequence[str]) -> None:
    """Raise InputError if the first cloud that can be read lacks a field of --keep; later ones are counted."""
    from ..formats.pointcloud2 import field_names

    for message in bag.read([topic]) if keep else ():
        try:
            known = field_names(message.read())
        except InputError:
            continue
        for name in keep:
            if name not in known:
                raise InputError(
                    f"--keep: the clouds of {topic} have no field '{name}': "
                    + did_you_mean(name, known, f'choose from {", ".join(known)}')
                )
        return
