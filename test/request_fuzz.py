"""Random, wrong and concurrent requests to every service of a live node; python test/request_fuzz.py N SEED runs N."""

import random
import sys
import tempfile
from importlib import import_module

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from live import LiveNode, Stream, make_cloud
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter as AParameter
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger

from ssrflow_ros.settings import Settings

POINTS = np.random.default_rng(5).uniform(-30, 30, (100, 3)).astype(np.float32)
IN_FLIGHT = 8
"""Requests of one service at a time: its queue holds ten, and what comes beside it is lost before the node sees it."""
NAMES = [row.name for row in Settings.table()] + [
    'use_sim_time',
    'qos_overrides./points.subscription.depth',
    'start_type_description_service',
    '',
    '.',
    'moving_sped',
    'a.b.c',
    'größe',
    'x' * 3000,
    ' ',
]
TEXTS = [
    '',
    ' ',
    'none',
    'tf',
    'odometry',
    '-1 -1 -1 1 1 1',
    '1 2 3',
    'nan ' * 6,
    'größe',
    'x' * 5000,
    '/no/such',
    'ring time',
]
NUMBERS = [0.0, -1.0, 1e308, float('nan'), float('inf'), 0.5, 1.0, 100.0]
INTEGERS = [0, -1, 1, 7, 2**31, -(2**63), 2**63 - 1]
SHUTDOWNS = (
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    Transition.TRANSITION_INACTIVE_SHUTDOWN,
    Transition.TRANSITION_ACTIVE_SHUTDOWN,
)


def services():
    """Name and type of every service of the node, and what makes a request of it."""
    found = {
        'change_state': (ChangeState, _transition),
        'get_state': (GetState, _nothing(GetState)),
        'get_available_states': (GetAvailableStates, _nothing(GetAvailableStates)),
        'get_available_transitions': (GetAvailableTransitions, _nothing(GetAvailableTransitions)),
        'get_transition_graph': (GetAvailableTransitions, _nothing(GetAvailableTransitions)),
        'describe_parameters': (DescribeParameters, lambda rng: DescribeParameters.Request(names=_names(rng))),
        'get_parameters': (GetParameters, lambda rng: GetParameters.Request(names=_names(rng))),
        'get_parameter_types': (GetParameterTypes, lambda rng: GetParameterTypes.Request(names=_names(rng))),
        'list_parameters': (
            ListParameters,
            lambda rng: ListParameters.Request(prefixes=_names(rng), depth=rng.choice([0, 1, 2, 2**64 - 1])),
        ),
        'set_parameters': (SetParameters, lambda rng: SetParameters.Request(parameters=_parameters(rng))),
        'set_parameters_atomically': (
            SetParametersAtomically,
            lambda rng: SetParametersAtomically.Request(parameters=_parameters(rng)),
        ),
        'reset': (Trigger, _nothing(Trigger)),
        'set_enabled': (SetBool, lambda rng: SetBool.Request(data=rng.random() < 0.7)),
    }
    try:
        kind = import_module('type_description_interfaces.srv').GetTypeDescription
        found['get_type_description'] = (
            kind,
            lambda rng: kind.Request(
                type_name=rng.choice(TEXTS), type_hash=rng.choice(TEXTS), include_type_sources=rng.random() < 0.5
            ),
        )
    except ImportError:
        pass
    return found


def fuzz(live, count, seed):
    """Send `count` requests while clouds come, each of which must be answered; then the books must balance."""
    rng, stream = random.Random(seed), Stream(live)
    clients = [(live.node.create_client(kind, f'/ssrflow/{name}'), make) for name, (kind, make) in services().items()]
    for client, _ in clients:
        live.wait(client.service_is_ready, f'{client.srv_name}')
    offered = {name for name, _ in live.node.get_service_names_and_types_by_node('ssrflow', '/')}
    assert offered == {client.srv_name for client, _ in clients}, 'every service is asked'
    weights = [4 if make is _transition else 1 for _, make in clients]
    waiting = {make: [] for _, make in clients}
    for number in range(count):
        client, make = rng.choices(clients, weights)[0]
        open_ones = waiting[make]
        open_ones.append(client.call_async(make(rng)))
        if number % 5 == 0:
            cloud = make_cloud(POINTS[: rng.choice([0, 3, 50, 100])], 0)
            if rng.random() < 0.1:
                cloud.point_step = rng.choice([0, 3, 2**31])
            stream.send(cloud)
        if len(open_ones) >= IN_FLIGHT:
            live.wait(lambda ones=open_ones: sum(one.done() for one in ones) >= IN_FLIGHT // 2, 'answers')
            waiting[make] = [future for future in open_ones if not future.done()]
    for futures in waiting.values():
        live.wait(lambda futures=futures: all(future.done() for future in futures), 'the last answers')
    return stream


def bring_up(live):
    """Make it active and enabled, with its settings as on its first day, whatever it is."""

    def change(*steps):
        for step in steps:
            request = ChangeState.Request(transition=Transition(id=step))
            assert live.call(ChangeState, '/ssrflow/change_state', request).success

    state = live.call(GetState, '/ssrflow/get_state', GetState.Request()).current_state.label
    change(*{'unconfigured': (1,), 'inactive': (), 'active': (4,)}[state])
    defaults = [
        AParameter(name, value=value).to_parameter_msg()
        for name, value in (
            ('use_sim_time', False),
            *((row.name, row.default) for row in Settings.table() if row.live or row.idle),
        )
    ]
    answer = live.call(SetParameters, '/ssrflow/set_parameters', SetParameters.Request(parameters=defaults))
    assert all(result.successful for result in answer.results), answer
    change(3)
    live.call(SetBool, '/ssrflow/set_enabled', SetBool.Request(data=True))


def open_clouds(live):
    """Clouds that came in and were neither published nor dropped."""
    values = live.diagnostics()
    drops = sum(int(count) for key, count in values.items() if key.startswith('drops/'))
    return int(values['clouds_in']) - int(values['clouds_out']) - drops


def check_after(live, stream):
    """It works as on its first day, and every cloud is accounted for."""
    bring_up(live)
    live.wait_until_connected()
    live.call(Trigger, '/ssrflow/reset', Trigger.Request())
    begun = int(live.diagnostics()['clouds_out'])
    live.wait(lambda: _answered(live, stream, begun), 'flow as before')
    live.wait(lambda: open_clouds(live) == 0, 'the books to balance')


def _answered(live, stream, begun):
    stream.send(make_cloud(POINTS, 0))
    return int(live.diagnostics()['clouds_out']) > begun


def run(folder, count, seed):
    """The log of a node that got through `count` requests."""
    live = LiveNode(folder)
    try:
        live.listen(PointCloud2, '/ssrflow/flow')
        live.listen(DiagnosticArray, '/diagnostics')
        live.wait_until_connected()
        live.wait(live.diagnostics, 'diagnostics')
        check_after(live, fuzz(live, count, seed))
        assert live.call(
            ChangeState,
            '/ssrflow/change_state',
            ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN)),
        ).success
        fuzz(live, min(count, 300), seed + 1)
        assert live.stop() == 0
        return live.log.read_text()
    finally:
        live.close()


def _nothing(kind):
    return lambda rng: kind.Request()


def _transition(rng):
    number = rng.choice([*range(10), 10, 60, 255])
    label = rng.choice(['', '', '', 'configure', 'activate', 'deactivate', 'cleanup', 'nonsense', 'transition_success'])
    return ChangeState.Request(transition=Transition(id=0 if number in SHUTDOWNS else number, label=label))


def _names(rng):
    return rng.choices(NAMES, k=rng.choice([0, 1, 1, 2, 5]))


def _parameters(rng):
    return [Parameter(name=name, value=_value(rng)) for name in _names(rng)]


def _value(rng):
    value = ParameterValue(
        type=rng.choice([*range(10), 10, 255]),
        bool_value=rng.random() < 0.5,
        integer_value=rng.choice(INTEGERS),
        double_value=rng.choice(NUMBERS),
        string_value=rng.choice(TEXTS),
        byte_array_value=[b'a'],
        integer_array_value=INTEGERS,
        double_array_value=NUMBERS,
        string_array_value=TEXTS,
        bool_array_value=[True],
    )
    if rng.random() < 0.5:
        value.type = rng.choice(
            [ParameterType.PARAMETER_BOOL, ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_STRING]
        )
    return value


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        log = run(folder, int(sys.argv[1]), int(sys.argv[2]))
        print(log[-20000:])
        print(len(log.splitlines()), 'lines,', log.count('Traceback'), 'tracebacks')
