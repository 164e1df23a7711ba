import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filing import no_file_opens, rewrite

from gateway.callers.api_keys import ApiKeys, new_api_key
from gateway.errors import Unauthenticated
from gateway.operation import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

SCOPES = ["users:read", "users:write:account"]


def filed(path: Path, *entries: Any) -> Path:
    path.write_text("\n".join(entry.text() for entry in entries))
    return path


async def test_made_filed_and_accepted(tmp_path: Path) -> None:
    """A fresh key's entry, put into the file, lets its caller in by name and scopes; the file does not have the key."""
    key, entry = new_api_key("billing", SCOPES, KNOWN, expires=datetime(2999, 1, 1, tzinfo=UTC))
    path = filed(tmp_path / "keys.toml", entry)
    principal = ApiKeys(path, KNOWN).principal(key)
    assert (principal.name, principal.scopes) == ("key:billing", frozenset(SCOPES))
    assert key not in path.read_text() + repr(entry)
    assert principal.expires == datetime(2999, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("wrong", ["", "ugk_", "é", "\udcff", "x" * 100_000])
async def test_no_other_key(tmp_path: Path, wrong: str) -> None:
    """What is no key of the file is refused, in words that say nothing more, also when it is nearly one or is huge."""
    key, entry = new_api_key("billing", SCOPES, KNOWN)
    keys = ApiKeys(filed(tmp_path / "keys.toml", entry), KNOWN)
    for tried in (wrong, key[:-1], key + "x", entry.sha256):
        with pytest.raises(Unauthenticated, match=r"^The API key was not accepted\.$"):
            keys.principal(tried)


async def test_no_file_lets_nobody_in(tmp_path: Path) -> None:
    """A file without entries lets nobody in."""
    with pytest.raises(Unauthenticated):
        ApiKeys(filed(tmp_path / "keys.toml"), KNOWN).principal("")


async def test_expired(tmp_path: Path, clock: Any) -> None:
    """A key is good until the second in which it expires."""
    key, entry = new_api_key("billing", SCOPES, KNOWN, expires=datetime.fromtimestamp(2000, UTC))
    keys = ApiKeys(filed(tmp_path / "keys.toml", entry), KNOWN, now=clock)
    clock.now = 1999.9
    keys.principal(key)
    clock.now = 2000.0
    with pytest.raises(Unauthenticated):
        keys.principal(key)


async def test_rotated_without_a_restart(tmp_path: Path, clock: Any) -> None:
    """Two keys of one name are one caller; one that is taken out of the file is refused within about a second."""
    (old, old_entry), (new, new_entry) = new_api_key("billing", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = tmp_path / "keys.toml"
    keys = ApiKeys(filed(path, old_entry), KNOWN, clock=clock)
    filed(path, old_entry, new_entry)
    clock.now += 1.0
    assert keys.principal(old).identity == keys.principal(new).identity
    filed(path, new_entry)
    clock.now += 1.0
    keys.principal(new)
    with pytest.raises(Unauthenticated):
        keys.principal(old)


@pytest.mark.parametrize(
    "broken",
    [b"[[keys]", b'[[keys]]\nname = "x"\n', b"\xff\xfe", b'[[keys]]\nname="a"\nsha256="s3cret"\nscopes=[]\n', None],
)
async def test_a_broken_file_changes_nothing(tmp_path: Path, clock: Any, caplog: Any, broken: bytes | None) -> None:
    """While the file says nothing usable, what it said stays in force; that is logged once, without its content."""
    key, entry = new_api_key("billing", SCOPES, KNOWN)
    path = filed(tmp_path / "keys.toml", entry)
    keys = ApiKeys(path, KNOWN, clock=clock)
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.now += 1.0
            assert keys.principal(key).name == "key:billing"
    assert len(caplog.records) == 1
    assert "s3cret" not in caplog.text
    filed(path, new_api_key("other", [], KNOWN)[1])
    clock.now += 1.0
    with pytest.raises(Unauthenticated):
        keys.principal(key)


async def test_an_unreadable_file(tmp_path: Path, clock: Any, caplog: Any) -> None:
    """A file that cannot be opened for a while is said once, and is in force one look after it can, unchanged."""
    (gone, gone_entry), (key, entry) = new_api_key("gone", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = tmp_path / "keys.toml"
    keys = ApiKeys(filed(path, gone_entry), KNOWN, clock=clock)
    filed(path, entry)
    with no_file_opens():
        for _ in range(3):
            clock.now += 1.0
            assert keys.principal(gone).name == "key:gone"
    assert len(caplog.records) == 1
    clock.now += 1.0
    assert keys.principal(key).name == "key:billing"
    with pytest.raises(Unauthenticated):
        keys.principal(gone)


async def test_the_same_time_and_size(tmp_path: Path, clock: Any) -> None:
    """Other keys of the same length are seen in a file that says it was not modified."""
    (old, old_entry), (new, new_entry) = new_api_key("billing", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = filed(tmp_path / "keys.toml", old_entry)
    keys, before = ApiKeys(path, KNOWN, clock=clock), path.stat()
    rewrite(path, new_entry.text())
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    clock.now += 1.0
    keys.principal(new)
    with pytest.raises(Unauthenticated):
        keys.principal(old)


@pytest.mark.parametrize("scopes", [["users:reed"], ["users:read:somewhere"], [""]])
async def test_unknown_scopes(tmp_path: Path, scopes: list[str]) -> None:
    """A scope that there is not is refused when the file is read at the start, by name."""
    with pytest.raises(ValueError, match="no such scope"):
        new_api_key("billing", scopes, KNOWN)
    path = tmp_path / "keys.toml"
    path.write_text(new_api_key("billing", ["users:read"], KNOWN)[1].text().replace("users:read", scopes[0]))
    with pytest.raises(ValueError, match=r"keys\.0\.scopes: .*no such scope"):
        ApiKeys(path, KNOWN)


async def test_no_file(tmp_path: Path) -> None:
    """A file that is not there at the start is an error then, not at the first request."""
    with pytest.raises(FileNotFoundError):
        ApiKeys(tmp_path / "none.toml", KNOWN)
