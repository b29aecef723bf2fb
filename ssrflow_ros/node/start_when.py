"""Becomes another command as soon as what that needs is there. The launch file puts it before RViz and `ros2 bag play`.

    python3 -m ssrflow_ros.node.start_when active /front/ssrflow /rear/ssrflow -- ros2 bag play drive
    python3 -m ssrflow_ros.node.start_when cloud -- rviz2 -f {frame} --ros-args -r /points:=/front/points

active NODE...  once every one of these managed nodes is active
cloud [CONFIG]  with the first cloud on /points, a name that the command's own ROS arguments remap; {frame} in the
                command becomes the frame of that cloud, and {config} a copy of the .rviz file CONFIG, in a temporary
                folder, whose view follows that frame wherever it is in the fixed frame
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path
from threading import Event
from typing import Any, Callable, NoReturn, Sequence

PERIOD = 0.2
"""Seconds between two questions to a node."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Wait, then become the command; ends with code 0 on a signal before that."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if '--' not in words or words[0] not in ('active', 'cloud'):
        sys.exit(__doc__)
    split = words.index('--')
    names, command = words[1:split], words[split + 1 :]
    ended = Event()
    _on_signals(lambda *_: os._exit(0))
    nodes, config = (names, []) if words[0] == 'active' else (None, names)
    frame = _wait(nodes, command, ended)
    _on_signals(lambda *_: os._exit(0))
    if frame is None or ended.is_set():
        sys.exit(0)
    if config:
        command = [word.replace('{config}', _following(config[0], frame)) for word in command]
    command = [word.replace('{frame}', frame) for word in command]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f'{command[0]} cannot be started: {error.strerror}')


def _following(config: str, frame: str) -> str:
    """Path of a copy of `config` whose view has `frame` as its target."""
    copy = Path(tempfile.mkdtemp(prefix='ssrflow_rviz_')) / Path(config).name
    try:
        text = Path(config).read_text()
    except OSError as error:
        sys.exit(f'{config} cannot be read: {error.strerror}')
    copy.write_text(text.replace('Target Frame: <Fixed Frame>', f'Target Frame: {frame}'))
    return str(copy)


def _on_signals(handler: Callable[..., None]) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, handler)


def _wait(names: Sequence[str] | None, command: Sequence[str], ended: Event) -> str | None:
    """Frame of the first cloud, or '' once the nodes `names` are active; None after a signal, which sets `ended`."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    # rclpy's handlers chain to this one; Python's would raise KeyboardInterrupt anywhere.
    _on_signals(lambda *_: ended.set())
    context = rclpy.get_default_context()
    rclpy.init(args=list(command), context=context)
    node = frame = None
    try:
        node = rclpy.create_node('start_when')
        frame = _first_frame(node, command, ended) if names is None else _all_active(node, names, command, ended)
    except ExternalShutdownException:
        pass
    except Exception:
        # rclpy raises various errors where a signal ends its context in the middle of something.
        if rclpy.ok():
            raise
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    # The middleware gives its shared memory back when nothing holds the context any more.
    node = None
    context.destroy()
    gc.collect()
    return frame


def _first_frame(node: Any, command: Sequence[str], ended: Event) -> str | None:
    import rclpy
    from sensor_msgs.msg import PointCloud2

    from . import qos

    frames: list[str] = []
    subscription = node.create_subscription(
        PointCloud2, '/points', lambda cloud: frames.append(cloud.header.frame_id), qos.POINTS
    )
    node.get_logger().info(f"{os.path.basename(command[0])} starts with the first cloud on '{subscription.topic_name}'")
    while rclpy.ok() and not ended.is_set() and not frames:
        rclpy.spin_once(node, timeout_sec=0.5)
    return frames[0] if frames else None


def _all_active(node: Any, names: Sequence[str], command: Sequence[str], ended: Event) -> str | None:
    import rclpy
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState

    waiting = [node.create_client(GetState, f'{name}/get_state') for name in names]
    node.get_logger().info(f'{" ".join(command[:3])} starts when active: {", ".join(names)}')
    while rclpy.ok() and not ended.is_set() and waiting:
        if waiting[0].wait_for_service(timeout_sec=PERIOD):
            answer = waiting[0].call_async(GetState.Request())
            # A node that loads its weights answers late, one that has ended never.
            rclpy.spin_until_future_complete(node, answer, timeout_sec=5.0)
            if answer.done() and answer.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                del waiting[0]
            else:
                waiting[0].remove_pending_request(answer)
                rclpy.spin_once(node, timeout_sec=PERIOD)
    return None if waiting else ''


if __name__ == '__main__':
    main()
