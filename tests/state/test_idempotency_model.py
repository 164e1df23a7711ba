"""The store against a model of it, step by step, in both forms."""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from state.conftest import InMemory, InRedis

from gateway.state.idempotency import Begun, InProgress, PayloadConflict, Replay
from gateway.state.redis.client import connect

SCOPES = st.sampled_from(["s", "t"])
FINGERPRINTS = st.sampled_from(["f", "f", "f", "g"])
ANSWERS = st.sampled_from([b"", b"1", b"2"])
OWNERS = st.integers(0, 7)


class Record:
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.owner: str | None = None
        self.leased = False
        self.answer: bytes | None = None


class Machine(RuleBasedStateMachine):
    """The model is a plain dict of records; `owners` are all tokens ever given, so that stale ones are tried too."""

    url: str | None = None

    @initialize()
    def begin_empty(self) -> None:
        self.runner = asyncio.Runner()
        self.model: dict[str, Record] = {}
        self.owners: list[str] = ["nobody"]
        self.client = connect(self.url) if self.url else None
        self.records: Any = InRedis(self.client) if self.client is not None else InMemory()
        if self.client is not None:
            self.runner.run(self.client.flushdb())

    def do(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def owned(self, scope: str, owner: str) -> Record | None:
        record = self.model.get(scope)
        return record if record is not None and record.owner == owner else None

    @rule(scope=SCOPES, fingerprint=FINGERPRINTS)
    def begin(self, scope: str, fingerprint: str) -> None:
        known = self.model.get(scope)
        result = self.do(self.records.store.begin(scope, fingerprint))
        record = self.model.setdefault(scope, Record(fingerprint))
        if record.fingerprint != fingerprint:
            assert result == PayloadConflict()
        elif record.answer is not None:
            assert result == Replay(record.answer)
        elif record.leased:
            assert isinstance(result, InProgress)
        else:
            assert isinstance(result, Begun)
            assert result.owner not in self.owners
            assert result.again is (known is not None)
            record.owner, record.leased = result.owner, True
            self.owners.append(result.owner)

    @rule(scope=SCOPES, owner=OWNERS, answer=ANSWERS)
    def finish(self, scope: str, owner: int, answer: bytes) -> None:
        token = self.owners[-1 - owner % len(self.owners)]
        result = self.do(self.records.replica.finish(scope, token, answer))
        record = self.owned(scope, token)
        if record is not None and record.answer is None:
            record.answer, record.leased = answer, False
        assert result is (record is not None and record.answer == answer)

    @rule(scope=SCOPES, owner=OWNERS)
    def abandon(self, scope: str, owner: int) -> None:
        token = self.owners[-1 - owner % len(self.owners)]
        self.do(self.records.store.abandon(scope, token))
        record = self.owned(scope, token)
        if record is not None and record.answer is None:
            record.owner, record.leased = None, False

    @rule(scope=SCOPES, owner=OWNERS)
    def renew(self, scope: str, owner: int) -> None:
        token = self.owners[-1 - owner % len(self.owners)]
        result = self.do(self.records.store.renew(scope, token))
        record = self.owned(scope, token)
        held = record is not None and record.answer is None
        if held:
            record.leased = True
        assert result is held

    @rule()
    def lapse(self) -> None:
        self.do(self.records.lapse())
        for record in self.model.values():
            record.leased = False

    @rule()
    def forget(self) -> None:
        self.do(self.records.forget())
        self.model.clear()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            if self.client is not None:
                self.runner.run(self.client.aclose())
            self.runner.close()


@pytest.mark.parametrize("form", ["memory", "redis"])
def test_model(form: str, request: pytest.FixtureRequest) -> None:
    """In any order of steps, with stale owners, lapses and forgetting, the store does what its model does."""
    url = request.getfixturevalue("redis_url") if form == "redis" else None
    machine = type("Bound", (Machine,), {"url": url})
    run_state_machine_as_test(machine, settings=settings(max_examples=50, deadline=None))
