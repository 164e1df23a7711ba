"""The idempotency stores in memory and in Redis, compared step by step with a model."""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from state.conftest import MemoryRecords, RedisRecords

from gateway.state.idempotency import Begun, InProgress, PayloadConflict, Progress, Replay
from gateway.state.redis.client import connect

RECORD_IDS = st.sampled_from(["s", "t"])
FINGERPRINTS = st.sampled_from(["f", "f", "f", "g"])
RESULTS = st.sampled_from([b"", b"1", b"2"])
OWNER_INDEXES = st.integers(0, 7)


class ModelRecord:
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.owner: str | None = None
        self.leased = False
        self.repeated = False
        self.doubtful = False
        self.confirmed = False
        self.result: bytes | None = None


class Machine(RuleBasedStateMachine):
    """The model is a dict of records; `owners` are all owner ids ever given, so that stale ones are tried too."""

    url: str | None = None

    @initialize()
    def begin_empty(self) -> None:
        self.runner = asyncio.Runner()
        self.model: dict[str, ModelRecord] = {}
        self.owners: list[str] = ["nobody"]
        self.client = connect(self.url) if self.url else None
        self.records: Any = RedisRecords(self.client) if self.client is not None else MemoryRecords()
        if self.client is not None:
            self.runner.run(self.client.flushdb())

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def held_record(self, record_id: str, owner: str) -> ModelRecord | None:
        record = self.model.get(record_id)
        return record if record is not None and record.owner == owner else None

    @rule(record_id=RECORD_IDS, fingerprint=FINGERPRINTS)
    def begin(self, record_id: str, fingerprint: str) -> None:
        owner = f"owner {len(self.owners)}"
        result = self.run(self.records.store.begin(record_id, fingerprint, owner))
        record = self.model.setdefault(record_id, ModelRecord(fingerprint))
        if record.fingerprint != fingerprint:
            assert result == PayloadConflict()
        elif record.result is not None:
            assert result == Replay(record.result)
        elif record.leased:
            assert isinstance(result, InProgress)
        else:
            assert isinstance(result, Begun)
            assert (result.doubtful_for is not None, result.confirmed) == (record.doubtful, record.confirmed)
            record.repeated, record.doubtful = record.doubtful, True
            record.owner, record.leased = owner, True
            self.owners.append(owner)

    @rule(record_id=RECORD_IDS, index=OWNER_INDEXES, stored=RESULTS)
    def finish(self, record_id: str, index: int, stored: bytes) -> None:
        owner = self.owners[-1 - index % len(self.owners)]
        result = self.run(self.records.replica.finish(record_id, owner, stored))
        record = self.held_record(record_id, owner)
        if record is not None and record.result is None:
            record.result, record.leased = stored, False
        assert result is (record is not None and record.result == stored)

    @rule(record_id=RECORD_IDS, index=OWNER_INDEXES, progress=st.sampled_from(Progress))
    def abandon(self, record_id: str, index: int, progress: Progress) -> None:
        owner = self.owners[-1 - index % len(self.owners)]
        self.run(self.records.store.abandon(record_id, owner, progress))
        record = self.held_record(record_id, owner)
        if record is None or record.result is not None:
            return
        record.owner, record.leased = None, False
        record.confirmed = record.confirmed or progress is Progress.CONFIRMED
        if progress in {Progress.NOT_SENT, Progress.NOT_EXECUTED} and not record.repeated:
            record.doubtful = False
            if progress is Progress.NOT_SENT:
                del self.model[record_id]

    @rule(record_id=RECORD_IDS, index=OWNER_INDEXES)
    def renew(self, record_id: str, index: int) -> None:
        owner = self.owners[-1 - index % len(self.owners)]
        result = self.run(self.records.store.renew(record_id, owner))
        record = self.held_record(record_id, owner)
        held = record is not None and record.result is None
        if held:
            record.leased = True
        assert result is held

    @rule()
    def end_leases(self) -> None:
        self.run(self.records.end_leases())
        for record in self.model.values():
            record.leased = False

    @rule()
    def expire(self) -> None:
        self.run(self.records.expire())
        self.model.clear()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            if self.client is not None:
                self.runner.run(self.client.aclose())
            self.runner.close()


@pytest.mark.parametrize("storage", ["memory", "redis"])
def test_model(storage: str, request: pytest.FixtureRequest) -> None:
    """In any order of steps, with stale owners, ended leases and expiry, the store behaves as the model."""
    url = request.getfixturevalue("redis_url") if storage == "redis" else None
    machine = type("Bound", (Machine,), {"url": url})
    run_state_machine_as_test(machine, settings=settings(max_examples=50, deadline=None))
