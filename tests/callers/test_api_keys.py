"""API keys: which are accepted, and how changes of their file are noticed."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filing import no_file_opens, rewrite

from gateway.callers.api_keys import ApiKeys, new_api_key
from gateway.errors import Unauthenticated
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource

KNOWN = all_scopes(UserSource)

SCOPES = ["users:read", "users:write:account"]


def write_keys(path: Path, *entries: Any) -> Path:
    """Write the entries to the file, and return its path."""
    path.write_text("\n".join(entry.to_toml() for entry in entries))
    return path


async def test_made_filed_and_accepted(tmp_path: Path) -> None:
    """A new key whose entry is in the file identifies its caller and scopes; the file does not contain the key."""
    key, entry = new_api_key("billing", SCOPES, KNOWN, expires=datetime(2999, 1, 1, tzinfo=UTC))
    path = write_keys(tmp_path / "keys.toml", entry)
    principal = ApiKeys(path, KNOWN).principal(key)
    assert (principal.name, principal.scopes) == ("key:billing", frozenset(SCOPES))
    assert key not in path.read_text() + repr(entry)
    assert principal.expires == datetime(2999, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("wrong", ["", "ugk_", "é", "\udcff", "x" * 100_000])
async def test_unknown_keys(tmp_path: Path, wrong: str) -> None:
    """A key that is not in the file is refused with the same message, also if it is similar to one or very long."""
    key, entry = new_api_key("billing", SCOPES, KNOWN)
    keys = ApiKeys(write_keys(tmp_path / "keys.toml", entry), KNOWN)
    for candidate in (wrong, key[:-1], key + "x", entry.sha256):
        with pytest.raises(Unauthenticated, match=r"^The API key was not accepted\.$"):
            keys.principal(candidate)


async def test_an_empty_file(tmp_path: Path) -> None:
    """With a file without entries, no key is accepted."""
    with pytest.raises(Unauthenticated):
        ApiKeys(write_keys(tmp_path / "keys.toml"), KNOWN).principal("")


async def test_expired(tmp_path: Path, clock: Any) -> None:
    """A key is accepted until the second in which it expires."""
    key, entry = new_api_key("billing", SCOPES, KNOWN, expires=datetime.fromtimestamp(2000, UTC))
    keys = ApiKeys(write_keys(tmp_path / "keys.toml", entry), KNOWN, now=clock)
    clock.now = 1999.9
    keys.principal(key)
    clock.now = 2000.0
    with pytest.raises(Unauthenticated):
        keys.principal(key)


async def test_rotated_without_a_restart(tmp_path: Path, clock: Any) -> None:
    """Two keys with one name identify one caller; a key that is removed from the file is refused within a second."""
    (old, old_entry), (new, new_entry) = new_api_key("billing", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = tmp_path / "keys.toml"
    keys = ApiKeys(write_keys(path, old_entry), KNOWN, clock=clock)
    write_keys(path, old_entry, new_entry)
    clock.now += 1.0
    assert keys.principal(old).identity == keys.principal(new).identity
    write_keys(path, new_entry)
    clock.now += 1.0
    keys.principal(new)
    with pytest.raises(Unauthenticated):
        keys.principal(old)


async def test_changes_are_logged(tmp_path: Path, clock: Any, caplog: Any) -> None:
    """A change of the file is logged once, with the names of the callers whose keys it adds, changes and removes."""
    caplog.set_level(logging.INFO, "gateway.callers")
    (_, billing), (_, shop) = new_api_key("billing", SCOPES, KNOWN), new_api_key("shop", SCOPES, KNOWN)
    path = tmp_path / "keys.toml"
    keys = ApiKeys(write_keys(path, billing, shop), KNOWN, clock=clock)
    write_keys(path, shop.model_copy(update={"scopes": frozenset()}), new_api_key("batch", SCOPES, KNOWN)[1])
    for _ in range(3):
        clock.now += 1.0
        assert keys.version
    [record] = caplog.records
    assert (record.added, record.changed, record.removed) == (["key:batch"], ["key:shop"], ["key:billing"])
    assert record.getMessage().endswith("added: key:batch; changed: key:shop; removed: key:billing")


@pytest.mark.parametrize(
    "broken",
    [b"[[keys]", b'[[keys]]\nname = "x"\n', b"\xff\xfe", b'[[keys]]\nname="a"\nsha256="s3cret"\nscopes=[]\n', None],
)
async def test_a_broken_file_changes_nothing(tmp_path: Path, clock: Any, caplog: Any, broken: bytes | None) -> None:
    """While the file is not usable, its former content stays in use; that is logged once, without the content."""
    key, entry = new_api_key("billing", SCOPES, KNOWN)
    path = write_keys(tmp_path / "keys.toml", entry)
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
    write_keys(path, new_api_key("other", [], KNOWN)[1])
    clock.now += 1.0
    with pytest.raises(Unauthenticated):
        keys.principal(key)


async def test_an_unreadable_file(tmp_path: Path, clock: Any, caplog: Any) -> None:
    """A file that cannot be opened for a while is logged once, and is used at the first check after that."""
    (old, old_entry), (new, new_entry) = new_api_key("old", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = tmp_path / "keys.toml"
    keys = ApiKeys(write_keys(path, old_entry), KNOWN, clock=clock)
    write_keys(path, new_entry)
    with no_file_opens():
        for _ in range(3):
            clock.now += 1.0
            assert keys.principal(old).name == "key:old"
    assert len(caplog.records) == 1
    clock.now += 1.0
    assert keys.principal(new).name == "key:billing"
    with pytest.raises(Unauthenticated):
        keys.principal(old)


async def test_the_same_time_and_size(tmp_path: Path, clock: Any) -> None:
    """A changed file is noticed although its size and time of modification are the same."""
    (old, old_entry), (new, new_entry) = new_api_key("billing", SCOPES, KNOWN), new_api_key("billing", SCOPES, KNOWN)
    path = write_keys(tmp_path / "keys.toml", old_entry)
    keys, before = ApiKeys(path, KNOWN, clock=clock), path.stat()
    rewrite(path, new_entry.to_toml())
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    clock.now += 1.0
    keys.principal(new)
    with pytest.raises(Unauthenticated):
        keys.principal(old)


@pytest.mark.parametrize("scopes", [["users:reed"], ["users:read:somewhere"], [""]])
async def test_unknown_scopes(tmp_path: Path, scopes: list[str]) -> None:
    """An unknown scope is an error when a key is created and when the file is read at the start."""
    with pytest.raises(ValueError, match="unknown scope"):
        new_api_key("billing", scopes, KNOWN)
    path = tmp_path / "keys.toml"
    path.write_text(new_api_key("billing", ["users:read"], KNOWN)[1].to_toml().replace("users:read", scopes[0]))
    with pytest.raises(ValueError, match=r"keys\.0\.scopes: .*unknown scope"):
        ApiKeys(path, KNOWN)


async def test_a_missing_file(tmp_path: Path) -> None:
    """A missing file is an error at the start, not at the first request."""
    with pytest.raises(FileNotFoundError):
        ApiKeys(tmp_path / "none.toml", KNOWN)
