"""The numbers and names of docs/freshness.md are those of the code."""

import re
from collections.abc import Callable

import pytest
from conftest import ROOT

from gateway.app.change_intake import poll_intervals
from gateway.events.feeds import ChangeFeeds
from gateway.freshness import StaleReason
from gateway.principal import ANYONE
from gateway.settings import Settings
from gateway.settings.sources import AccountSettings
from gateway.sources.http import bucket
from gateway.users.ids import Kind
from gateway.users.kept import staleness
from gateway.users.kept.lifetimes import UNPROVEN_LIFETIME, KeepRule, Lifetimes
from gateway.users.listing.prefetched import PrefetchedUsers
from gateway.users.model import UserSource
from gateway.users.reading import KeepMode

TEXT = (ROOT / "docs/freshness.md").read_text()
DEFAULTS = AccountSettings()
SOURCE = UserSource.ACCOUNT
CONFIGURED, CALLER = ANYONE.credential(SOURCE), "hash of the credential of a caller"


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without marks of code."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def lifetimes(*, reported: bool) -> Lifetimes:
    """Return the lifetimes by the default settings."""
    rule = KeepRule(DEFAULTS.keep, DEFAULTS.keep_if_error)
    return Lifetimes({SOURCE: rule}, reference=Settings().reference_ttl, is_reported=lambda _: reported)


LIFETIMES: dict[str, Callable[[], float]] = {
    "a user, while": lambda: lifetimes(reported=True).of_user(SOURCE, CONFIGURED),
    "a user, otherwise": lambda: lifetimes(reported=False).of_user(SOURCE, CONFIGURED),
    "a user that is read with": lambda: lifetimes(reported=True).of_user(SOURCE, CALLER),
    "a page": lambda: lifetimes(reported=True).of_list(SOURCE),
    "that there is no": lambda: lifetimes(reported=True).of_absence(SOURCE),
    "the rest of a page": lambda: min(PrefetchedUsers().seconds, lifetimes(reported=True).of_list(SOURCE)),
    "reference data": lambda: lifetimes(reported=True).reference,
}


@pytest.mark.parametrize("kept", LIFETIMES)
def test_lifetimes(kept: str) -> None:
    """The table of lifetimes has those of the code, and bounds that follow from them."""
    [(_, lifetime, bound)] = [row for row in rows("How old it can be") if row[0].startswith(kept)]
    seconds = LIFETIMES[kept]()
    assert float(lifetime.split(" ")[0]) == seconds
    if seconds != DEFAULTS.keep:
        assert bound.startswith(f"{seconds:g} s")


def test_the_rest_of_a_page() -> None:
    """The page also has for how long the rest of a page is used where lists are not kept."""
    [(_, lifetime, bound)] = [row for row in rows("How old it can be") if row[0].startswith("the rest of a page")]
    assert f"({PrefetchedUsers().seconds:g} with off, shadow and KEEP=0)" in lifetime
    assert f"({PrefetchedUsers().seconds:g} s)" in bound


def test_no_lifetime_is_missing() -> None:
    """Each row of the table is checked, and each setting that it names is the one of its value."""
    assert len(rows("How old it can be")) == len(LIFETIMES)
    assert "600 (`GATEWAY_<SOURCE>__KEEP`)" in TEXT
    assert f"{DEFAULTS.keep_if_error:g} s after the lifetime (`GATEWAY_<SOURCE>__KEEP_IF_ERROR`)" in TEXT


def test_how_long_changes_count_as_reported() -> None:
    """They do for as many intervals as the page states, from the begin of the last successful poll on."""
    [intervals] = re.findall(r"last successful poll began within (\d+) intervals", TEXT)
    [(bound, least)] = re.findall(r"(\d+) times `POLL_INTERVAL` \((\d+) s at least\)", TEXT)
    assert intervals == bound
    # Also when the changes are no longer reported, a record that was read just before is given.
    assert float(least) == lifetimes(reported=False).of_user(SOURCE, CONFIGURED)
    now = 1000.0
    feeds = ChangeFeeds({SOURCE: 15}, lambda: now)
    assert not feeds.is_reported(SOURCE)
    feeds.complete(SOURCE, now)
    now += 15 * int(intervals) - 0.01
    assert feeds.is_reported(SOURCE)
    assert 0 < feeds.seconds_left(SOURCE) < 0.02
    now += 0.02
    assert not feeds.is_reported(SOURCE)
    assert feeds.seconds_left(SOURCE) == 0


@pytest.mark.parametrize("row", rows("For each source and configuration"), ids=" ".join)
def test_each_configuration(row: list[str]) -> None:
    """How long users are kept follows from whether the source is polled, and whose credential it is called with."""
    source, polling, configuration, seen, kept = row
    credential = CALLER if "forward" in configuration else CONFIGURED
    found = 0.0
    if "KEEP=0" not in configuration:
        found = lifetimes(reported=polling != "off").of_user(SOURCE, credential)
    assert kept == f"{found:g} s"
    assert ("I" in seen.split(", ")[0]) is (found == DEFAULTS.keep) or "webhook" in seen
    if found == UNPROVEN_LIFETIME:
        assert seen.endswith("short")
    assert source in {*UserSource, "each"}


def test_all_configurations() -> None:
    """Each source has a row with polling and one without, and webhooks have both where they exist."""
    found = {(row[0], row[1]) for row in rows("For each source and configuration")}
    assert {(source.value, polling) for source in UserSource for polling in ("on", "off")} <= found
    assert poll_intervals(Settings()) == {}


def test_modes() -> None:
    """The table of modes has each of them, and the default."""
    lines = re.findall(r"^\| `([a-z]+)`(, the default)? \|", TEXT, re.MULTILINE)
    assert {name for name, _ in lines} == set(KeepMode)
    assert [name for name, default in lines if default] == [Settings().keep_mode]


def test_reasons() -> None:
    """docs/metrics.md has each reason for which something is given past its lifetime."""
    [row] = re.findall(r"^\| `gateway_kept_stale_age_seconds` .*", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert set(row.rpartition(": ")[2].strip(" |").split(", ")) == set(StaleReason)


def test_what_is_never_stale() -> None:
    """Roles are never given past their lifetime, nor anything that was read with the credential of a caller."""
    found = lifetimes(reported=True)
    assert [kind for kind in Kind if not found.may_be_stale(kind, CONFIGURED)] == [Kind.ROLE]
    assert not any(found.may_be_stale(kind, CALLER) for kind in Kind)


def test_reads_in_the_background_and_before_a_deadline() -> None:
    """The page has the share of the rate limit that is kept back, and the times and numbers of such reads."""
    assert f"{staleness._EARLY:g} s at most" in TEXT
    assert ("a tenth of the time" in TEXT, staleness._EARLY_SHARE) == (True, 0.1)
    assert f"and {staleness._MAX_BACKGROUND} for each source" in TEXT
    assert ("the last quarter of them" in TEXT, bucket._RESERVE) == (True, 4)
