"""Transitions that say why they fail, a node that activates itself, and requests that cannot end it."""

from __future__ import annotations

import functools
import traceback
from abc import ABC, abstractmethod
from typing import Any, Callable, TypeVar

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.service import Service

from ..errors import SSRFlowError
from ..settings import Settings
from .qos_events import Mismatches


class ManagedNode(LifecycleNode, ABC):
    """A managed node, with what its parts ask it for.

    mismatches  the ends of its topics that do not meet.
    """

    mismatches: Mismatches

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """As the parameters are now."""

    @abstractmethod
    def undo(self, transition: str) -> None:
        """Take back what a transition had done before it failed."""


AnyNode = TypeVar('AnyNode', bound=ManagedNode)
Transition = Callable[[AnyNode, LifecycleState], TransitionCallbackReturn]


def transition(callback: Transition[AnyNode]) -> Transition[AnyNode]:
    """Log what a transition callback raises; rclpy would swallow it without a word.

    An SSRFlowError, or an override of rclpy's own that rclpy refuses, is the user's to put right: one line,
    FAILURE, the state stays as it was, and `node.undo` takes back what had been done. Anything else is a
    fault of ours: the traceback, ERROR, and rclpy calls on_error.
    """

    @functools.wraps(callback)
    def logged(node: AnyNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except (SSRFlowError, ParameterException) as error:
            node.get_logger().error(f'{callback.__name__}: {error}')
            node.undo(callback.__name__)
            return TransitionCallbackReturn.FAILURE
        except Exception:
            # A signal that ends the context in the middle of a transition is no fault.
            if node.context.ok():
                node.get_logger().error(f'{callback.__name__} failed:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR

    return logged


def activate(node: LifecycleNode) -> bool:
    """Configure and activate `node`; whether it is active now."""
    return all(step() == TransitionCallbackReturn.SUCCESS for step in (node.trigger_configure, node.trigger_activate))


def answer_every_request(node: LifecycleNode) -> None:
    """From now on no request ends `node`, however wrong it is: rclpy lets what goes wrong in a service end the process.

    A change of state that is not possible now is refused, with one line in the log. Of anything else that fails the
    answer is what there was of it; parameters are refused with the reason.
    """
    for service in node.services:
        callback = service.callback
        if service.srv_type is ChangeState:
            callback = _refusing(node, callback)
        service.callback = _guarded(node, service, callback)


def _refusing(node: LifecycleNode, callback: Callable) -> Callable:
    @functools.wraps(callback)
    def change_state(request: Any, response: Any) -> Any:
        # rclpy has no public way to the state machine.
        machine, wanted = node._state_machine, request.transition
        possible = {label: number for number, label, *_ in machine.available_transitions}
        if wanted.label in possible if wanted.label else wanted.id in possible.values():
            return callback(request, response)
        node.get_logger().warning(
            f'change_state: there is no transition {wanted.label or wanted.id!r} from {machine.current_state[1]}: '
            f'possible are {", ".join(f"{label} ({number})" for label, number in possible.items()) or "none"}'
        )
        response.success = False
        return response

    return change_state


def _guarded(node: LifecycleNode, service: Service, callback: Callable) -> Callable:
    @functools.wraps(callback)
    def answer(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:
            # A signal that ends the context in the middle of it is no fault.
            if node.context.ok():
                reason = ' '.join(f'{type(error).__name__}: {error}'.split())
                node.get_logger().error(f'{service.srv_name}: a request that cannot be answered: {reason}')
                _refuse(request, response, reason)
            return response

    return answer


def _refuse(request: Any, response: Any, reason: str) -> None:
    """Fill in an answer of the parameter services, where what was asked for is told one by one."""
    refused = SetParametersResult(successful=False, reason=reason)
    if isinstance(response, SetParameters.Response):
        response.results = [*response.results, *[refused] * (len(request.parameters) - len(response.results))]
    elif isinstance(response, SetParametersAtomically.Response):
        response.result = refused
