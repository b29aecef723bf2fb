"""The live node: `points` in, the same clouds with the velocity of every point out.

A managed (lifecycle) node. What each state holds:

| state        | holds                                                             |
|--------------|-------------------------------------------------------------------|
| unconfigured | parameters, services, diagnostics                                 |
| inactive     | + the method (weights loaded, warmed up), publishers              |
| active       | + subscriptions and the workers' threads; the network on the device |

Topics, units and what happens to bad input: docs/node.md.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Callable

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger

from ..errors import InputError
from ..process_memory import give_back_code, give_back_heap
from ..settings import Settings
from . import livox_topic, qos
from .diagnostics import Diagnostics
from .ego_sources import EgoSource, make_ego_source
from .flow_stream import FlowStream
from .lifecycle import ManagedNode, answer_every_request, transition
from .objects_frame import ObjectsFrame
from .parameters import check_settable, declare_settings, follow_changes
from .publishing import Outputs
from .qos_events import Mismatches
from .statistics import Statistics
from .warm_up import warm_up
from .watch import Watch

if TYPE_CHECKING:
    from ..scene_flow import SceneFlow


_GIVE_BACK = 60.0  # s between two times that free memory goes back to the system


class FlowNode(ManagedNode):
    """Estimates the flow of the newest sweep; `make_scene_flow(settings)` gives the method.

    Raises SSRFlowError if a parameter is unusable.
    """

    def __init__(self, make_scene_flow: Callable[[Settings], SceneFlow]):
        super().__init__('ssrflow')
        self._make_scene_flow = make_scene_flow
        self._settings = declare_settings(self)
        self._statistics = Statistics()
        self._enabled = True
        self._method: SceneFlow | None = None
        self._outputs: Outputs | None = None
        self._source: EgoSource | None = None
        self._frame: ObjectsFrame | None = None
        self._stream: FlowStream | None = None
        self._points: list[Subscription] = []
        follow_changes(self, self._apply, lambda: self._stream is not None)
        self._diagnostics = Diagnostics(self._statistics, self.get_fully_qualified_name().strip('/'))
        self._diagnostics_out = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(SetBool, '~/set_enabled', self._on_set_enabled)
        answer_every_request(self)
        self.mismatches = Mismatches(self)
        self._watch = Watch(self)
        # Steady time, so that the diagnostics go on while a simulated clock stands.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(1.0, self._report, clock=steady)
        self._giving_back = self.create_timer(_GIVE_BACK, give_back_heap, clock=steady)

    @property
    def settings(self) -> Settings:
        """As the parameters are now."""
        return self._settings

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """As rclpy does, and so the services that set parameters; what cannot be set is refused with the cure."""
        try:
            check_settable(self, parameter_list)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return super().set_parameters_atomically(parameter_list)

    def destroy_node(self) -> None:
        """Give the worker a moment to finish its sweep, since it publishes; whoever ends the node is in a hurry."""
        self._stop(timeout=1.0)
        super().destroy_node()

    # --- transitions: SUCCESS, or FAILURE and the state stays, or ERROR and on_error tidies up ------

    @transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and warm up, then announce the outputs."""
        self._method = self._make_scene_flow(self._settings)
        if not (self._compile() and warm_up(self._method, self._settings, self.context.ok)):
            return TransitionCallbackReturn.FAILURE
        give_back_code()
        self._outputs = Outputs(self, self._statistics)
        return super().on_configure(state)

    @transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the device and begin to listen."""
        assert self._method is not None and self._outputs is not None  # it is inactive
        self._method.inference.onload()
        self._source, self._frame = make_ego_source(self), ObjectsFrame(self)
        self._stream = FlowStream(self, self._method, self._statistics, self._source, self._outputs, self._frame)
        self._stream.enabled = self._enabled
        self._points = [
            self.create_subscription(
                PointCloud2,
                'points',
                self._stream.push,
                qos.POINTS,
                event_callbacks=self.mismatches.of_subscription('points'),
                qos_overriding_options=qos.overridable(),
            ),
            *livox_topic.subscribe(self, 'points', self._stream.push, self._stream.refuse),
        ]
        self.get_logger().info(
            f"ready: waiting for clouds on '{self.resolve_topic_name('points')}', "
            f'ego-motion from {self._settings.ego_motion}'
        )
        return super().on_activate(state)

    @transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening, finish the sweep at hand, and free the device's memory."""
        self._stop()
        self._offload()
        return super().on_deactivate(state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the weights."""
        self._free()
        return super().on_cleanup(state)

    @transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state: stop, forget, and fall silent."""
        self._stop()
        self._free()
        self._timer.cancel()
        return super().on_shutdown(state)

    @transition
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that failed half-way: back to unconfigured, with nothing left over."""
        self._stop()
        self._free()
        return super().on_error(state)

    def undo(self, transition: str) -> None:
        """Take back what a transition had done before it failed."""
        if transition == 'on_activate':
            self._stop()
            self._offload()
        elif transition == 'on_configure':
            self._free()

    def _compile(self) -> bool:
        """The loops, where this machine has yet to; whether nobody has ended the node meanwhile."""
        from ..compilation import ColdKernels  # loads numba, which the method has done by now

        cold = ColdKernels()
        if cold.message:
            self.get_logger().info(cold.message)
        for done, _ in enumerate(cold, 1):
            if not self.context.ok():
                return False
            if done * 4 // len(cold) > (done - 1) * 4 // len(cold):
                self.get_logger().info(f'compiled: {done} of {len(cold)} files of loops')
        return True

    def _stop(self, timeout: float = 10.0) -> None:
        for subscription in self._points:
            self.destroy_subscription(subscription)
        # After a signal nobody waits for it, and the log has no way to /rosout any more.
        if self._stream is not None and not self._stream.stop(timeout) and self.context.ok():
            self.get_logger().warning('the sweep at hand takes long: going on without it')
        for source in (self._source, self._frame):
            if source is not None:
                source.destroy()
        self._points = []
        self._stream = self._source = self._frame = None
        # A stopped stream is a circle, since its workers call back. The collector counts objects, and does not see the
        # 30 MB of arrays that hang on them.
        gc.collect()

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._offload()
        self._outputs = self._method = None

    def _offload(self) -> None:
        if self._method is not None:
            self._method.inference.offload()

    # --- services, parameters, diagnostics -----------------------------------------------------------

    def _on_reset(self, request: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        answer.success = self._stream is not None
        answer.message = 'everything forgotten: a new start' if answer.success else 'not active: nothing to forget'
        if self._stream is not None:
            self._stream.reset()
        return answer

    def _on_set_enabled(self, request: SetBool.Request, answer: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        if self._stream is not None:
            self._stream.enabled = self._enabled
        answer.success, answer.message = True, 'enabled' if self._enabled else 'disabled: clouds are dropped'
        return answer

    def _apply(self, settings: Settings) -> None:
        self._settings = settings
        if self._method is not None:
            self._method.settings = settings

    def _report(self) -> None:
        state = 'active' if self._stream is not None else 'inactive' if self._outputs is not None else 'unconfigured'
        listeners = self._outputs.listeners() if self._outputs is not None else 0
        network = self._method.inference if self._method is not None else None
        array = DiagnosticArray(status=[self._diagnostics.status(self._settings, listeners, state, network)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_out.publish(array)
        self.mismatches.tell()
        stream = self._stream
        self._watch.look(state, *((stream.age, stream.frame) if stream is not None else (None, None)))
