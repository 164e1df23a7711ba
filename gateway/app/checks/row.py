"""The result of one check: a row of the table that `gateway check` prints."""

from dataclasses import dataclass, field
from typing import Any

from gateway.errors import GatewayError
from gateway.users.probe import Probe

__all__ = ["CheckRow", "Problem"]

_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one part of what is checked does not work, and what to do about it.

    `code` is that of the error, None where no call failed. `method` and `url` are those of the call, and `status` the
    HTTP status of its response.
    """

    part: str
    cause: str
    advice: str = ""
    code: str | None = None
    method: str = ""
    url: str = ""
    status: int | None = None

    @classmethod
    def of(cls, probe: Probe, error: GatewayError) -> "Problem":
        """Return the problem that the error of a probe shows."""
        failed = error.failed_call
        if failed is None:
            return cls(probe.part, error.message, code=error.code)
        advice = failed.advice
        status = error.origin.http_status
        if status == _FORBIDDEN and "proxy" not in advice and probe.permission not in advice:
            advice = f"{advice} (it needs {probe.permission})"
        return cls(probe.part, failed.cause, advice, error.code, failed.method, probe.url, status)

    def __str__(self) -> str:
        address = " ".join(filter(None, (self.method, self.url)))
        texts = (self.code, address, self.cause)
        return ": ".join(filter(None, texts)) + (f"; {self.advice}" if self.advice else "")


@dataclass(slots=True)
class CheckRow:
    """What was checked of `name`, at `url`. `latency` is that of its first call, in seconds.

    `works` are the parts that work, `notes` what does not make the check fail.
    """

    name: str
    url: str = ""
    latency: float | None = None
    calls_left: int | None = None
    works: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.problems

    @property
    def is_unauthorized(self) -> bool:
        """Whether the source responded, and refused the call for lack of a credential."""
        return any(problem.status == _UNAUTHORIZED for problem in self.problems)

    def fail(self, part: str, cause: str, advice: str = "", *, url: str = "") -> None:
        """Add a problem that is not the error of a call."""
        self.problems.append(Problem(part, cause, advice, url=url or self.url))

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object; its `code`, `cause`, `advice` and `url` are those of the first problem."""
        first = self.problems[0] if self.problems else None
        return {
            "name": self.name,
            "url": first.url if first and first.url else self.url,
            "ok": self.ok,
            "code": first.code if first else None,
            "cause": first.cause if first else None,
            "advice": first.advice if first else None,
            "latency_ms": None if self.latency is None else round(self.latency * 1000, 1),
            "calls_left": self.calls_left,
            "works": self.works,
            "problems": [
                {
                    "part": each.part,
                    "code": each.code,
                    "method": each.method or None,
                    "url": each.url or None,
                    "cause": each.cause,
                    "advice": each.advice or None,
                }
                for each in self.problems
            ],
            "notes": self.notes,
        }
