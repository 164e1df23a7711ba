"""The recorded responses of the sources, and the conversion of the responses of servers."""

import re
from pathlib import Path

import orjson
import pytest

from benchmarks import peers, tailcall
from benchmarks.dialects import SourceShaped
from benchmarks.nginx import configuration
from benchmarks.operations import OPERATIONS, Lookups, user_id
from benchmarks.source_responses import REFERENCE_COUNT, SourceResponses, record


@pytest.fixture(scope="module")
def source_responses() -> SourceResponses:
    return record(60)


def test_a_list_needs_all_lookups(source_responses: SourceResponses, tmp_path: Path) -> None:
    """50 users refer to 15 roles and 15 departments; each has a response by id and is in the list of its kind."""
    source_responses.write(tmp_path, {50})
    listed = orjson.loads((tmp_path / "users" / "50").read_bytes())
    assert [user["id"] for user in listed["data"]] == [user_id(n) for n in range(50)]
    assert listed["page_info"]["has_next_page"] is True
    for kind, folder in (("role", "roles"), ("department", "departments")):
        ids = {user[kind]["id"] for user in listed["data"]}
        listing = orjson.loads((tmp_path / folder / "all").read_bytes())
        assert len(ids) == REFERENCE_COUNT
        assert ids == {item["id"] for item in listing["data"]}
        assert all(orjson.loads((tmp_path / folder / record_id).read_bytes())["id"] == record_id for record_id in ids)
    assert all(user["role"]["permissions"] is None for user in listed["data"])
    assert all(role["permissions"] and role["owner"] for role in source_responses.roles)


def test_every_user_id_has_a_response(source_responses: SourceResponses, tmp_path: Path) -> None:
    """nginx inserts the requested id into the one recorded user, before and after the change."""
    text = configuration(source_responses, 1234, tmp_path)
    assert text.count('{"id":"$id"') == 2
    assert source_responses.user["id"] not in text
    assert '"name":"Ada King"' in text


def test_the_shape_of_the_source_is_converted() -> None:
    """A response in the shape of the source is converted to the shape of the gateway."""
    source_user = {
        "sourceId": "acus_1",
        "status": "active",
        "user": {"name": "Ada", "email": "ada@example.com"},
        "role": {"name": "Admin", "full": {"permissions": ["a:b"], "owner": {"type": "system"}}},
        "department": {"name": "Assembly", "full": {"location": {"name": "Hall 1"}}},
    }
    assert SourceShaped().parse_response(orjson.dumps({"data": {"users": {"data": [source_user]}}})) == {
        "users": {
            "nodes": [
                {
                    "sourceId": "acus_1",
                    "name": "Ada",
                    "email": "ada@example.com",
                    "status": "ACTIVE",
                    "role": {"name": "Admin", "permissions": ["a:b"], "owner": {"type": "SYSTEM"}},
                    "department": {"name": "Assembly", "location": {"name": "Hall 1"}},
                }
            ]
        }
    }


def test_every_operation_has_a_document_in_the_sources_shape() -> None:
    """There is a document in the shape of the source for each operation; both lists use the same one."""
    documents = peers.documents()
    assert documents.keys() == {operation.name for operation in OPERATIONS}
    assert documents["users"] == documents["users-equal"]
    assert documents["update"].startswith("mutation Update(")


def test_the_configuration_is_filled_in() -> None:
    """All names in the template of Tailcall are replaced, by id and by list."""
    for lookups in Lookups:
        text = tailcall.configuration(1234, "http://127.0.0.1:99", lookups)
        assert "port: 1234" in text
        assert not re.search(r"@[A-Z]+@", text)
    assert "batchKey" not in tailcall.configuration(1, "http://127.0.0.1:9", Lookups.BEST)
