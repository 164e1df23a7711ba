"""The URLs of pictures."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.api.pictures.links import PATH, PictureLink, PictureLinks
from gateway.errors import Forbidden, GatewayError, NotFound
from gateway.users.model import Actor, MarketplaceAccount, User, UserSource

HOUR = 3600.0
SECRET = b"a secret of some length"
ICON = "https://market.test/public/v1/accounts/users/USR-0000-0001/icon"
ADA = User(UserSource.SOFTWAREONE, "USR-0000-0001", email="ada@example.com", image_url=ICON, image_version="3")


@dataclass
class Clock:
    """The time, in seconds."""

    now: float = 1_000 * HOUR + 10

    def __call__(self) -> float:
        return self.now


class Store:
    """Has every picture that is not at another host."""

    def locate(self, address: str) -> str | None:
        return None if "other.test" in address or address.startswith("javascript:") else address


def make(clock: Clock, secret: bytes = SECRET, **options: Any) -> PictureLinks:
    """URLs that are valid for two hours."""
    store: Any = Store()
    stores = dict.fromkeys((UserSource.ACCOUNT, UserSource.SOFTWAREONE), store)
    return PictureLinks(secret, stores, lifetime=2 * HOUR, clock=clock, **options)


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def links(clock: Clock) -> PictureLinks:
    """URLs by that clock."""
    return make(clock)


def token(links: PictureLinks, record: Any = ADA) -> str:
    """The last segment of the URL."""
    url = links.url(record)
    assert url is not None
    assert url.startswith(PATH)
    return url.removeprefix(PATH)


def test_it_names_the_picture(links: PictureLinks) -> None:
    """A URL leads to the picture of the record for which it was made."""
    assert links.read(token(links)) == PictureLink(UserSource.SOFTWAREONE, ICON, "", "3")
    account = MarketplaceAccount("ACC-1", image_url="https://market.test/a")
    assert links.read(token(links, account)).location == "https://market.test/a"
    actor = Actor("TKN-1", image_url="https://market.test/t")
    assert links.read(token(links, actor)).location == "https://market.test/t"


def test_it_shows_nothing(links: PictureLinks) -> None:
    """Neither the id, nor the e-mail address, nor the address at the source can be read in a URL."""
    text = token(links)
    content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for shown in (b"USR", b"0001", b"ada", b"market", b"icon", b"softwareone"):
        assert shown not in content
        assert shown not in text.encode()


def test_it_stays_the_same_for_half_of_its_lifetime(links: PictureLinks, clock: Clock) -> None:
    """Within a window the URL of a picture is the same, so that a browser caches it; then it is another one."""
    first = token(links)
    clock.now += HOUR - 11
    assert token(links) == first
    clock.now += 2
    assert token(links) != first


def test_it_expires(links: PictureLinks, clock: Clock) -> None:
    """A URL is valid until the end of the next window: for an hour at least, and for two at most."""
    first = token(links)
    clock.now = 1_002 * HOUR - 1
    assert links.read(first)
    clock.now += 1
    with pytest.raises(Forbidden, match="expired"):
        links.read(first)


def test_another_lifetime_does_not_prolong_it(links: PictureLinks, clock: Clock) -> None:
    """A URL expires when the gateway that made it intended, whatever lifetime a replica has."""
    first = token(links)
    longer = PictureLinks(SECRET, {}, lifetime=48 * HOUR, clock=clock)
    clock.now += 2 * HOUR
    with pytest.raises(Forbidden):
        longer.read(first)


def test_no_other_url_is_accepted(links: PictureLinks, clock: Clock) -> None:
    """A URL of which one character was altered, removed or added is refused, and so is that of another secret."""
    valid = token(links)
    altered = {valid[:n] + ("A" if valid[n] != "A" else "B") + valid[n + 1 :] for n in range(len(valid))}
    wrong = {"", "a", "=", "é", "!" + valid, valid + "=", valid + "A", valid[:-1], valid.swapcase(), "A" * 10_000}
    for text in altered | wrong | {token(make(clock, b"another secret here"))}:
        with pytest.raises(NotFound):
            links.read(text)


def test_replicas_accept_each_other(links: PictureLinks, clock: Clock) -> None:
    """Two replicas with the same secret make the same URLs."""
    assert token(make(clock)) == token(links)


@pytest.mark.parametrize("base_url", ["", "https://seen.test/users"])
def test_base_url(clock: Clock, base_url: str) -> None:
    """A URL begins with the configured base URL, else with the one that the client uses."""
    url = make(clock).url(ADA, base_url)
    assert url is not None
    assert url.startswith(f"{base_url}{PATH}")
    public = make(clock, public_url="https://public.test/").url(ADA, base_url)
    assert public == "https://public.test" + url.removeprefix(base_url)


def test_another_version_is_another_url(links: PictureLinks) -> None:
    """When the source sends another version of a picture, its URL is another one."""
    assert token(links) != token(links, User(ADA.source, ADA.source_id, image_url=ICON, image_version="4"))


def test_a_change_without_a_version_is_another_url(links: PictureLinks) -> None:
    """If the source sends no version, each change that was made here gives the picture another URL."""
    plain = User(ADA.source, ADA.source_id, image_url=ICON)
    seen = {token(links, plain)}
    for _ in range(3):
        links.on_change(plain)
        assert token(links, plain) == token(links, plain)
        seen.add(token(links, plain))
    assert len(seen) == 4


def test_an_address_that_expires(links: PictureLinks) -> None:
    """An address with a signature is not in the URL, which therefore stays the same: it names the user instead."""
    urls = {
        token(links, User(UserSource.ACCOUNT, "acus_1", image_url=f"https://account.test/p?X-Signature={n}"))
        for n in range(2)
    }
    assert [links.read(text) for text in urls] == [PictureLink(UserSource.ACCOUNT, "", "acus_1", "")]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (None, None),
        ("", None),
        ("https://other.test/p?s=1", "https://other.test/p?s=1"),
        ("javascript:alert(1)", None),
    ],
)
def test_addresses_that_are_not_fetched(links: PictureLinks, address: str | None, url: str | None) -> None:
    """A picture at another host keeps its URL; there is none without a picture, or for what is no http URL."""
    assert links.url(User(UserSource.ACCOUNT, "acus_1", image_url=address), "https://seen.test") == url


def test_a_source_without_pictures(clock: Clock) -> None:
    """A path of a source whose pictures cannot be fetched is no URL."""
    assert PictureLinks(SECRET, {}, lifetime=HOUR, clock=clock).url(ADA) == ICON
    with pytest.raises(GatewayError):
        PictureLinks(SECRET, {}, lifetime=HOUR, clock=clock).read("AAAA")


def test_a_source_that_is_not_configured_any_more(links: PictureLinks, clock: Clock) -> None:
    """A URL from the time when a source was configured is refused."""
    with pytest.raises(NotFound):
        PictureLinks(SECRET, {}, lifetime=2 * HOUR, clock=clock).read(token(links))
