"""The checks of `gateway check`: of each source, of the receiver of webhooks, and of Redis."""

from gateway.app.checks.checks import run_checks
from gateway.app.checks.row import CheckRow, Problem

__all__ = ["CheckRow", "Problem", "run_checks"]
