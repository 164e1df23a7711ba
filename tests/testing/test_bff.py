"""The tests of examples/bff pass, as a reader runs them."""

from collections.abc import Callable

from conftest import ROOT


def test_the_example(run_tests_in: Callable[..., str]) -> None:
    """The back end for a front end works: sessions, GraphQL as their users, handlers with the typed service."""
    output = run_tests_in(ROOT / "examples/bff")
    assert "10 passed" in output, output
