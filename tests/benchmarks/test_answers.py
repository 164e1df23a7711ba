"""What the sources answer, and how every server's answer is read."""

import re
from pathlib import Path

import orjson
import pytest

from benchmarks import peers, tailcall
from benchmarks.answers import KINDS, Answers, record
from benchmarks.dialects import SourceShaped
from benchmarks.nginx import configuration
from benchmarks.operations import OPERATIONS, Lookups, user_id


@pytest.fixture(scope="module")
def answers() -> Answers:
    return record(60)


def test_a_list_needs_all_lookups(answers: Answers, tmp_path: Path) -> None:
    """50 users refer to 15 roles and 15 departments, each with an answer of its own and in the list of its kind."""
    answers.write(tmp_path, {50})
    listed = orjson.loads((tmp_path / "users" / "50").read_bytes())
    assert [one["id"] for one in listed["data"]] == [user_id(n) for n in range(50)]
    assert listed["page_info"]["has_next_page"] is True
    for kind, folder in (("role", "roles"), ("department", "departments")):
        ids = {one[kind]["id"] for one in listed["data"]}
        whole = orjson.loads((tmp_path / folder / "all").read_bytes())
        assert len(ids) == KINDS
        assert ids == {one["id"] for one in whole["data"]}
        assert all(orjson.loads((tmp_path / folder / one).read_bytes())["id"] == one for one in ids)
    assert all(one["role"]["permissions"] is None for one in listed["data"])
    assert all(one["permissions"] and one["owner"] for one in answers.roles)


def test_every_user_has_an_answer(answers: Answers, tmp_path: Path) -> None:
    """nginx writes the id that it was asked for into the one recorded user, before and after the change."""
    text = configuration(answers, 1234, tmp_path)
    assert text.count('{"id":"$id"') == 2
    assert answers.user["id"] not in text
    assert '"name":"Ada King"' in text


def test_the_sources_own_shape_is_read_into_ours() -> None:
    """What a gateway that hands on the source's shape says is the same, in the words of our API."""
    said = {
        "sourceId": "acus_1",
        "status": "active",
        "user": {"name": "Ada", "email": "ada@example.com"},
        "role": {"name": "Admin", "full": {"permissions": ["a:b"], "owner": {"type": "system"}}},
        "department": {"name": "Assembly", "full": {"location": {"name": "Hall 1"}}},
    }
    assert SourceShaped().read(orjson.dumps({"data": {"users": {"data": [said]}}})) == {
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
    """Hive and Tailcall are asked by documents of their own, and for lists by the same one in both ways."""
    documents = peers.documents()
    assert documents.keys() == {one.name for one in OPERATIONS}
    assert documents["users"] == documents["users-equal"]
    assert documents["update"].startswith("mutation Update(")


def test_the_configuration_is_filled_in() -> None:
    """Nothing of Tailcall's template is left open, by id and by list."""
    for lookups in Lookups:
        text = tailcall.configuration(1234, "http://127.0.0.1:99", lookups)
        assert "port: 1234" in text
        assert not re.search(r"@[A-Z]+@", text)
    assert "batchKey" not in tailcall.configuration(1, "http://127.0.0.1:9", Lookups.BEST)
