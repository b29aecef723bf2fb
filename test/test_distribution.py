"""What differs between the ROS 2 distributions, and that it is handled in one place."""

from types import SimpleNamespace

import pytest

from ssrflow_ros.node import distribution


@pytest.mark.parametrize(
    'distro, variable',
    [
        ('humble', 'ROS_LOCALHOST_ONLY'),
        ('jazzy', 'ROS_AUTOMATIC_DISCOVERY_RANGE'),
        ('lyrical', 'ROS_AUTOMATIC_DISCOVERY_RANGE'),
    ],
)
def test_this_machine_only(monkeypatch, distro, variable):
    monkeypatch.setenv('ROS_DISTRO', distro)
    assert list(distribution.this_machine_only()) == [variable]


def test_either_variable_tells_of_a_profile():
    assert distribution.profile({}) == ''
    for name in distribution.PROFILE_VARIABLES:
        assert distribution.profile({name: 'a.xml'}) == 'a.xml'
    assert distribution.profile(distribution.with_profile('b.xml')) == 'b.xml'


class OnePhase:
    """A node as in Humble: what is refused is not set, and no second callback exists."""

    def add_on_set_parameters_callback(self, callback):
        self.callback = callback

    def set(self, value):
        return self.callback([value]).successful


class TwoPhases(OnePhase):
    """A node as in Iron and later."""

    def add_post_set_parameters_callback(self, callback):
        self.after = callback

    def set(self, value):
        result = self.callback([value])
        if result.successful:
            self.after([value])
        return result.successful


@pytest.mark.parametrize('kind', [OnePhase, TwoPhases])
def test_a_change_is_applied_once_and_only_if_it_passes(kind):
    node, applied = kind(), []
    distribution.check_then_apply(node, lambda values: SimpleNamespace(successful=values[0] > 0), applied.append)
    assert node.set(1) and not node.set(-1)
    assert applied == [[1]]
