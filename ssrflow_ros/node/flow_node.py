"""The executable `flow_node`: what must happen before anything large is loaded, then the node."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Callable, NoReturn

from ..process_memory import bound_memory, loading, run_on_jemalloc
from ..settings import Settings

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow


def main(args: list[str] | None = None, make_scene_flow: Callable[[Settings], SceneFlow] | None = None) -> NoReturn:
    """Run the node until SIGINT or SIGTERM; ends the process with 0, or with 1 if it could not start.

    make_scene_flow  what gives the method; SceneFlow, unless told otherwise.
    """
    # Loading rclpy takes up to a second, in which there is nothing yet that could be left unclean.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: os._exit(0))
    run_on_jemalloc()
    # Idle OpenMP threads that spin take the core from others; read once, when torch is loaded.
    os.environ.setdefault('GOMP_SPINCOUNT', '0')
    bound_memory()
    with loading():
        from .managed_node import FlowNode
        from .process import run_until_signal

    run_until_signal(lambda: FlowNode(make_scene_flow or _make_scene_flow), args)


def _make_scene_flow(settings: Settings) -> SceneFlow:
    with loading():
        from ..scene_flow import SceneFlow  # loads torch: some seconds, so only when the node is configured

    return SceneFlow(settings)


if __name__ == '__main__':
    main()
