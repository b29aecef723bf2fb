"""Becomes another command as soon as what that needs is there. The launch file puts it before RViz and `ros2 bag play`.

    python3 -m ssrflow_ros.node.start_when active /front/ssrflow /rear/ssrflow -- ros2 bag play drive
    python3 -m ssrflow_ros.node.start_when cloud -- rviz2 -f {frame} --ros-args -r /points:=/front/points

active NODE...  once every one of these managed nodes is active
cloud           with the first cloud on /points, a name that the command's own ROS arguments remap; {frame} in the
                command becomes the frame of that cloud
"""
from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any, NoReturn, Sequence

PERIOD = 0.2
"""Seconds between two questions to a node."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Wait, then become the command; ends with code 0 on a signal before that."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: os._exit(0))
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index('--')
    (event, *names), command = words[:split], words[split + 1:]
    frame = _wait(event, names, command)
    if frame is None:
        sys.exit(0)
    command = [word.replace('{frame}', frame) for word in command]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f'{command[0]} cannot be started: {error.strerror}')


def _wait(event: str, names: Sequence[str], command: Sequence[str]) -> str | None:
    """Frame of the first cloud, '' if none was waited for; None after a signal."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    # rclpy's handlers chain to these; Python's would raise KeyboardInterrupt anywhere.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: None)
    context = rclpy.get_default_context()
    rclpy.init(args=list(command), context=context)
    node = rclpy.create_node('start_when')
    try:
        frame = _first_frame(node, command) if event == 'cloud' else _all_active(node, names, command)
    except ExternalShutdownException:
        frame = None
    except Exception:
        # rclpy raises various errors where a signal ends its context in the middle of something.
        if rclpy.ok():
            raise
        frame = None
    node.destroy_node()
    rclpy.try_shutdown()
    # The middleware gives its shared memory back when nothing holds the context any more.
    node = None
    context.destroy()
    gc.collect()
    return frame


def _first_frame(node: Any, command: Sequence[str]) -> str | None:
    import rclpy
    from sensor_msgs.msg import PointCloud2

    from . import qos
    frames: list[str] = []
    subscription = node.create_subscription(
        PointCloud2, '/points', lambda cloud: frames.append(cloud.header.frame_id), qos.POINTS)
    node.get_logger().info(f"{os.path.basename(command[0])} starts with the first cloud on '{subscription.topic_name}'")
    while rclpy.ok() and not frames:
        rclpy.spin_once(node, timeout_sec=0.5)
    return frames[0] if frames else None


def _all_active(node: Any, names: Sequence[str], command: Sequence[str]) -> str | None:
    import rclpy
    from lifecycle_msgs.msg import State
    from lifecycle_msgs.srv import GetState
    waiting = [node.create_client(GetState, f'{name}/get_state') for name in names]
    node.get_logger().info(f'{" ".join(command[:3])} starts when active: {", ".join(names)}')
    while rclpy.ok() and waiting:
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
