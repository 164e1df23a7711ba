"""Operators get to know which documents are executed by graphql-core, and why."""

import hashlib
import logging

import pytest
from prometheus_client import generate_latest

from gateway import Gateway, Settings


async def test_not_compiled(caplog: pytest.LogCaptureFixture) -> None:
    """Each such document is counted and logged once, with its reason and its hash; some kinds only at DEBUG."""
    large = f"{{ {' '.join(f'a{number}: __typename' for number in range(1_200))} }}"
    introspection = "{ __schema { queryType { name } } }"
    with caplog.at_level(logging.DEBUG, "gateway.graphql"):
        async with Gateway(Settings(limits={"aliases": 5_000, "fields": 5_000, "root_fields": 5_000})) as gateway:
            for document in (large, large, introspection, "{ __typename }"):
                result = await gateway.execute(document)
                assert not result.errors
            metrics = generate_latest(gateway.metrics.registry).decode()
    found = [(each.levelname, vars(each)["reason"], vars(each)["document"]) for each in caplog.records]
    assert found == [
        ("INFO", "size", hashlib.sha256(large.encode()).hexdigest()),
        ("DEBUG", "__schema", hashlib.sha256(introspection.encode()).hexdigest()),
    ]
    assert 'gateway_documents_uncompiled_total{reason="size"} 1.0' in metrics
