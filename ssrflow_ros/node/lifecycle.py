"""Transitions that say why they fail, and a node that activates itself."""
from __future__ import annotations

import functools
import traceback
from typing import Callable

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ..errors import SSRFlowError

Transition = Callable[[LifecycleNode, LifecycleState], TransitionCallbackReturn]


def transition(callback: Transition) -> Transition:
    """Log what a transition callback raises; rclpy would swallow it without a word.

    An SSRFlowError is the user's to put right: one line, FAILURE, the state stays as it was. Anything
    else is a fault of ours: the traceback, ERROR, and rclpy calls on_error.
    """
    @functools.wraps(callback)
    def logged(node: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except SSRFlowError as error:
            node.get_logger().error(f'{callback.__name__}: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            # A signal that ends the context in the middle of a transition is no fault.
            if node.context.ok():
                node.get_logger().error(f'{callback.__name__} failed:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
    return logged


def activate(node: LifecycleNode) -> bool:
    """Configure and activate `node`; whether it is active now."""
    return all(step() == TransitionCallbackReturn.SUCCESS
               for step in (node.trigger_configure, node.trigger_activate))
