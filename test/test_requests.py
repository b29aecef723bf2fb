"""No request ends the node, however wrong: random ones, and changes of state that are not possible."""

import pytest

pytest.importorskip('rclpy')

from request_fuzz import run  # noqa: E402


@pytest.mark.parametrize('count', [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_node_lives_through_random_requests_and_its_books_balance(tmp_path, count):
    log = run(tmp_path, count, seed=7)
    assert 'Traceback' not in log
