"""The applications in examples/, built and served as static files, in a real Chromium against a running gateway.

All of them are one application, written with different clients: every test runs with each of them.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request as Call
from urllib.request import urlopen
from uuid import uuid4

import pytest
from conftest import ROOT, command
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Route,
    WebSocketRoute,
    expect,
    sync_playwright,
)

from gateway.api.graphql.graphiql.build import find_node

EXAMPLES = ROOT / "examples"
APPLICATIONS = sorted(file.parent.name for file in EXAMPLES.glob("*/vite.config.ts"))
MAX_LINES = 600
GENERATED = {"dist", "gql", "node_modules"}
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ADA = "ada.lovelace@example.com"
expect.set_options(timeout=20_000)  # milliseconds: nothing here takes that long
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccfc0f01f00050101ffa0f3"
    "6a3e0000000049454e44ae426082"
)
RECORD_PROGRESS = """
window.progress = [];
new MutationObserver(() => {
  const shown = document.querySelector("progress");
  if (shown && progress.at(-1) !== shown.value) progress.push(shown.value);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


@dataclass(frozen=True, slots=True)
class World:
    """A running gateway and its sandbox, over HTTP; `reported` are the addresses of users reported as deleted."""

    graphql_url: str
    sandbox_url: str
    reported: set[str] = field(default_factory=set)

    def execute(self, query: str, **variables: Any) -> Any:
        """Execute an operation that must succeed, as another client does, and return its data."""
        result = _fetch(self.graphql_url, {"query": query, "variables": variables})
        assert "errors" not in result, result["errors"]
        return result["data"]

    def wait_until_refused(self, query: str) -> None:
        """Wait until the gateway does not trust a document any more."""
        end = time.monotonic() + 30
        with suppress(HTTPError):
            while "errors" not in _fetch(self.graphql_url, {"query": query}):
                assert time.monotonic() < end, f"{query} is still trusted"
                time.sleep(0.05)

    def fault(self, **fault: Any) -> None:
        """Let the next matching calls to a source fail."""
        _fetch(f"{self.sandbox_url}/faults", fault)

    def end_faults(self) -> None:
        """Let no further call fail."""
        _fetch(f"{self.sandbox_url}/faults", method="DELETE")

    def reset(self) -> None:
        """Delete the lists of calls and faults."""
        self.end_faults()
        _fetch(f"{self.sandbox_url}/calls", method="DELETE")

    def calls(self, method: str) -> list[dict[str, Any]]:
        """Return the calls with a method that the sandbox received since the last reset."""
        return [call for call in _fetch(f"{self.sandbox_url}/calls") if call["method"] == method]

    def has_subscribers(self, number: int) -> bool:
        """Return whether the event log has this number of subscribers."""
        with urlopen(self.graphql_url.replace("/graphql", "/metrics")) as response:  # noqa: S310 - on loopback
            return f"\ngateway_event_subscribers {number}.0\n" in response.read().decode()

    def webhook(self, event: str, data: Any) -> None:
        """Send a webhook, as the reseller source does."""
        _fetch(f"{self.sandbox_url}/webhooks", {"event": event, "data": data})

    def stored(self, source: str, user_id: str) -> Any:
        """Return a user as the sandbox has it stored."""
        return _fetch(f"{self.sandbox_url}/state/{source}/users/{user_id}")


def _fetch(url: str, body: Any = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Call(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - on loopback
    with urlopen(request) as response:  # noqa: S310 - on loopback
        text = response.read()
    return json.loads(text) if text else None


@dataclass(slots=True)
class App:
    """An application that is open in a page, and what went wrong in it."""

    page: Page
    url: str
    world: World
    problems: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> Page:
        """Open a page of the application."""
        self.page.goto(f"{self.url}/#/{path}")
        return self.page

    def wait_for_subscribers(self, number: int) -> None:
        """Wait until the event log has this number of subscribers."""
        for _ in range(600):
            if self.world.has_subscribers(number):
                return
            self.page.wait_for_timeout(50)  # which handles events of the page, as time.sleep would not
        pytest.fail(f"There were never {number} subscribers.")

    @property
    def rows(self) -> Locator:
        """The users in the list."""
        return self.page.get_by_role("list", name="Users").get_by_role("listitem")

    def card(self, source: str) -> Locator:
        """Return the record of one source on the page of a person."""
        return self.page.get_by_role("article", name=source)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; yields the origin."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def demo(**environment: str) -> Iterator[World]:
    """Run a demo."""
    arguments = ("demo", "--http-port", "0", "--grpc-port", "off", "--no-rate-limits")
    with command(*arguments, last="{ user(", **environment) as running:
        yield World(running.address("GraphQL"), running.address("sandbox").removesuffix("/calls"))


@dataclass(frozen=True, slots=True)
class Site:
    """An application, the folder into which it is built, and the origin under which that is served."""

    application: Path
    folder: Path
    origin: str

    def build(self, *command: str, **environment: str) -> None:
        """Build the application with an npm command."""
        node, npm = find_node()
        path = os.pathsep.join([str(node.parent), os.environ["PATH"]])
        done = subprocess.run(
            [*npm, *command, "--", "--outDir", str(self.folder), "--emptyOutDir"],
            cwd=self.application,
            env=os.environ | environment | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def gateway() -> Iterator[World]:
    """A demo for all applications."""
    with demo() as world:
        yield world


@pytest.fixture(scope="module", params=APPLICATIONS)
def built(
    request: pytest.FixtureRequest,
    gateway: World,
    node_in: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """An application, built with types that are generated from the schema, and served under another origin."""
    node_in(EXAMPLES)
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder) as origin:
        site = Site(EXAMPLES / request.param, folder, origin)
        site.build("run", "build", VITE_GATEWAY_URL=gateway.graphql_url)
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, origin: str, world: World) -> Iterator[App]:
    """Open an application in a new browser profile; afterwards there were no errors in the page."""
    world.reset()
    context = browser.new_context()
    app = App(context.new_page(), origin, world)

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            app.problems.append(message.text)

    def record(request: Request) -> None:
        if request.url.startswith(world.graphql_url) and request.method in {"GET", "POST"}:
            app.operations.append(f"{request.url} {request.post_data}")

    context.on("console", note)
    context.on("weberror", lambda error: app.problems.append(str(error.error)))
    context.on("request", record)
    context.add_init_script(RECORD_PROGRESS)
    yield app
    app.page.goto("about:blank")
    app.wait_for_subscribers(0)
    context.close()
    world.reset()
    assert app.problems == []


@pytest.fixture
def app(browser: Browser, built: Site, gateway: World) -> Iterator[App]:
    """The application, in front of the shared demo."""
    with opened(browser, built.origin, gateway) as app:
        yield app


def test_the_list_goes_on_as_it_is_scrolled(app: App) -> None:
    """The list begins with one page of users, and has all of them, each once, after scrolling to its end."""
    query = "query ($after: String) { users(first: 200, after: $after) { nodes { id } pageInfo { hasNextPage } } }"
    users = app.world.execute(query)["users"]
    assert not users["pageInfo"]["hasNextPage"]
    app.open()
    expect(app.rows.first).to_be_visible()
    assert app.rows.count() < len(users["nodes"]) / 2
    for _ in range(20):
        if app.rows.count() == len(users["nodes"]):
            break
        more = app.page.get_by_role("button", name="More")
        shown = app.rows.count()
        more.scroll_into_view_if_needed()
        expect(app.rows).not_to_have_count(shown)
    expect(app.rows).to_have_count(len(users["nodes"]))
    expect(app.page.get_by_role("button", name="More")).to_have_count(0)


def test_filters(app: App) -> None:
    """The list can be restricted to a text and a source, and has removed users on request."""
    page = app.open()
    page.get_by_label("Search").fill("lovelace")
    expect(app.rows).to_have_count(3)
    page.get_by_label("Source").select_option("RESELLER")
    expect(app.rows).to_have_count(1)
    expect(app.rows).to_contain_text("Ada LovelaceReseller")
    page.get_by_label("Source").select_option("ACCOUNT")
    page.get_by_label("Search").fill("rosalind")
    expect(page.get_by_text("There is no such user.")).to_be_visible()
    page.get_by_label("Removed users too").check()
    expect(app.rows).to_contain_text("Rosalind Franklin")


def test_a_person_has_a_record_of_each_source(app: App) -> None:
    """A row leads to all records that have its e-mail address."""
    page = app.open()
    page.get_by_label("Search").fill(ADA)
    expect(app.rows).to_have_count(3)
    app.rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=ADA)).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(3)
    expect(app.card("Account")).to_contain_text("Assembly")
    expect(app.card("Reseller")).to_contain_text("Company")
    expect(app.card("SoftwareOne")).to_contain_text("Accounts")


def test_a_source_that_is_down_is_shown_as_such(app: App) -> None:
    """While a source cannot be read, list and person name it, and show the users of the others."""
    app.world.fault(source="softwareone", method="GET", kind="status", status=401, times=1000)
    page = app.open()
    expect(page.get_by_role("alert")).to_contain_text("SoftwareOne is not available")
    expect(app.rows.first).to_be_visible()
    app.open(f"person/{quote(ADA)}")
    expect(page.get_by_role("alert")).to_contain_text("SoftwareOne is not available")
    expect(page.get_by_role("article")).to_have_count(2)
    app.world.end_faults()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("article")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("path", ["", f"person/{quote(ADA)}"])
def test_a_page_that_cannot_be_read(app: App, path: str) -> None:
    """A page whose request fails says so, and shows what it is about once it is read again with success."""
    requests = f"{app.world.graphql_url}*"  # those by GET too
    app.page.route(requests, lambda route: route.abort())
    page = app.open(path)
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute(requests)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("li, article").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    app.problems[:] = [each for each in app.problems if "Failed to fetch" not in each]  # React logs what is caught


def test_violations_are_shown_at_their_fields(app: App) -> None:
    """A change that breaks rules is not sent to the source; each violation is at its field, and the others are free."""
    app.open(f"person/{quote(ADA)}")
    card = app.card("Account")
    card.get_by_label("E-mail").fill("no address")
    card.get_by_label("User name").fill("a")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    expect(card.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    expect(card.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "false")
    expect(card.locator("em")).to_have_count(2)
    assert app.world.calls("PATCH") == []
    card.get_by_label("E-mail").fill(ADA)
    username = f"ada-{uuid4()}"
    card.get_by_label("User name").fill(username)
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    expect(card.get_by_role("alert")).to_have_count(0)
    assert app.world.stored("account", "acus_adalovelace1")["username"] == username


def test_a_choice_is_cleared_with_null(app: App) -> None:
    """The form sends null for a choice that is cleared, and nothing for fields that were not touched."""
    app.open(f"person/{quote(ADA)}")
    card = app.card("Account")
    department = card.get_by_label("Department")
    before = department.input_value()
    department.select_option("none")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    shown = card.get_by_role("definition").get_by_text("Assembly")
    expect(shown).to_have_count(0)
    department.select_option(before)
    card.get_by_role("button", name="Save").click()
    expect(shown).to_be_visible()
    cleared, set_again = [call["body"] for call in app.world.calls("PATCH")]
    assert "null" in json.dumps(cleared)
    assert "name" not in json.dumps(set_again)


@pytest.mark.parametrize("kind", ["hangup-after", "garbage"])  # the latter is an error that is not retryable
def test_an_unknown_outcome_can_only_be_sent_again(app: App, kind: str) -> None:
    """After an unknown outcome the same change is sent with the same key; the next change has another one."""
    app.world.fault(source="account", method="PATCH", kind=kind, times=9)
    app.open(f"person/{quote(ADA)}")
    card = app.card("Account")
    card.get_by_label("Name", exact=True).fill("Ada King")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("alert")).to_contain_text("It is not known whether this was saved.")
    expect(card.get_by_label("Name", exact=True)).to_be_disabled()
    app.world.end_faults()
    card.get_by_role("button", name="Send again").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    expect(card.get_by_role("heading")).to_contain_text("Ada King")
    card.get_by_label("Name", exact=True).fill("Ada Lovelace")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("heading")).to_contain_text("Ada Lovelace")
    *renamed, back = [call["headers"]["idempotency-key"] for call in app.world.calls("PATCH")]
    assert len(set(renamed)) == 1
    assert back not in renamed


def test_a_lost_response_can_only_be_sent_again(app: App) -> None:
    """If the response to a change is lost, the change is sent with its key again, and carried out once."""
    page = app.open(f"person/{quote(ADA)}")
    card = app.card("Reseller")
    expect(card).to_be_visible()

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route(app.world.graphql_url, lose)
    card.get_by_label("Company").fill(f"Engines {uuid4()}")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("alert")).to_contain_text("It is not known whether this was saved.")
    page.unroute(app.world.graphql_url)
    card.get_by_role("button", name="Send again").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    assert len(app.world.calls("PATCH")) == 1


def test_a_saved_change_is_shown_as_such_although_a_field_of_its_result_failed(app: App) -> None:
    """If only a field of the result of a change could not be read, the change is shown as saved."""
    page = app.open(f"person/{quote(ADA)}")
    card = app.card("Reseller")
    expect(card).to_be_visible()

    def fail_a_field(route: Route) -> None:
        if "mutation" not in (route.request.post_data or ""):
            route.continue_()
            return
        response = route.fetch()
        body = response.json()
        body["data"]["updateResellerUser"]["organization"] = None
        extensions = {"code": "SOURCE_UNAVAILABLE", "retryable": True}
        body["errors"] = [
            {"message": "Not read.", "path": ["updateResellerUser", "organization"], "extensions": extensions}
        ]
        route.fulfill(response=response, json=body)

    page.route(app.world.graphql_url, fail_a_field)
    card.get_by_label("Company").fill(f"Engines {uuid4()}")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    expect(card.get_by_role("alert")).to_have_count(0)
    page.unroute(app.world.graphql_url)
    card.get_by_label("Company").fill("Lovelace & Co")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("definition").get_by_text("Lovelace Looms")).to_be_visible()


def test_a_conflict_shows_what_is_there(app: App) -> None:
    """A taken address is shown at its field; so is a value that somebody else has set after an unknown outcome."""
    app.open(f"person/{quote(ADA)}")
    card = app.card("Account")
    card.get_by_label("E-mail").fill("grace.hopper@example.com")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    expect(card.locator("em")).to_contain_text("already")

    app.world.fault(source="softwareone", method="PUT", kind="hangup-before")
    card = app.card("SoftwareOne")
    card.get_by_label("First name").fill("Augusta")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("alert")).to_contain_text("It is not known")
    rename = 'mutation ($name: String) { updateSoftwareOneUser(id: "USR-0000-0001", input: {firstName: $name}) { id } }'
    app.world.execute(rename, name="Adah")
    card.get_by_role("button", name="Send again").click()
    expect(card.locator("em")).to_contain_text("Adah")
    expect(card.get_by_role("heading")).to_contain_text("Adah")
    card.get_by_role("button", name="Start afresh").click()
    expect(card.get_by_label("First name")).to_have_value("Adah")
    card.get_by_label("First name").fill("Ada")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()


def test_changes_of_others_appear_by_themselves(app: App) -> None:
    """Users that are created, changed and deleted elsewhere appear, change and disappear without a request."""
    app.open()
    expect(app.rows.first).to_be_visible()
    app.wait_for_subscribers(1)
    sent = len(app.operations)
    name = f"New {uuid4()}"
    create = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }"
    created = app.world.execute(create, input={"name": name, "email": f"{name[4:]}@example.com"})["createAccountUser"]
    expect(app.rows.first).to_contain_text(name)
    rename = 'mutation ($id: ID!) { updateAccountUser(id: $id, input: {name: "Renamed Elsewhere"}) { id } }'
    app.world.execute(rename, id=created["id"])
    expect(app.rows.first).to_contain_text("Renamed Elsewhere")
    listed = app.world.execute("{ users(first: 5, filter: {sources: [RESELLER]}) { nodes { sourceId email } } }")
    # The sandbox still has those whose deletion it reported: each application takes another one.
    deleted = next(user for user in listed["users"]["nodes"] if user["email"] not in app.world.reported)
    app.world.reported.add(deleted["email"])
    expect(app.rows.filter(has_text=deleted["email"])).to_have_count(1)
    app.world.webhook("reseller.user.deleted", app.world.stored("reseller", deleted["sourceId"]))
    expect(app.rows.filter(has_text=deleted["email"])).to_have_count(0)
    assert len(app.operations) == sent


def test_a_created_user_is_not_in_a_list_of_others(app: App) -> None:
    """A user that does not match the filter of a list does not appear in it."""
    page = app.open()
    page.get_by_label("Source").select_option("RESELLER")
    expect(app.rows.filter(has_not_text="Reseller")).to_have_count(0)
    app.wait_for_subscribers(1)
    create = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }"
    app.world.execute(create, input={"name": "Not listed", "email": f"{uuid4()}@example.com"})
    # The change after it is an event after it: when that one is shown, the first one has arrived.
    [user] = app.world.execute("{ users(first: 1, filter: {sources: [RESELLER]}) { nodes { id } } }")["users"]["nodes"]
    rename = 'mutation ($id: ID!) { updateResellerUser(id: $id, input: {firstName: "Later"}) { id } }'
    app.world.execute(rename, id=user["id"])
    expect(app.rows.first).to_contain_text("Later")
    expect(app.rows.filter(has_text="Not listed")).to_have_count(0)


def test_changes_during_a_lost_connection_are_read(app: App) -> None:
    """When the connection for live updates was lost, the list is read again, and later changes appear as before."""
    ends: list[WebSocketRoute] = []

    def connect(connection: WebSocketRoute) -> None:
        ends[:] = [connection, connection.connect_to_server()]

    app.page.route_web_socket("**/graphql", connect)
    app.open()
    expect(app.rows.first).to_be_visible()
    app.wait_for_subscribers(1)
    page_end, gateway_end = ends
    gateway_end.close()
    page_end.close(code=1012)
    app.wait_for_subscribers(0)
    create = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { id } }"
    app.world.execute(create, input={"name": "Missed", "email": f"{uuid4()}@example.com"})
    expect(app.rows.first).to_contain_text("Missed")
    app.wait_for_subscribers(1)
    app.world.execute(create, input={"name": "Not missed", "email": f"{uuid4()}@example.com"})
    expect(app.rows.first).to_contain_text("Not missed")


def test_a_created_user_is_in_the_list(app: App) -> None:
    """The form for a new user leads to it, and the list has it at once."""
    page = app.open()
    expect(app.rows.first).to_be_visible()
    app.wait_for_subscribers(1)
    page.get_by_role("link", name="New user").click()
    page.get_by_label("E-mail").fill(ADA)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("already linked")
    name = f"Mary {uuid4()}"
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("E-mail").fill(f"{name[5:]}@example.com")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.get_by_role("link", name="Users", exact=True).click()
    expect(app.rows.first).to_contain_text(name)


def test_a_picture_is_uploaded_with_progress(app: App) -> None:
    """The upload of a picture shows how far it is, and the page shows the new picture afterwards."""
    page = app.open(f"person/{quote(ADA)}")
    card = app.card("SoftwareOne")
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000},
    )
    icon = PNG + bytes(400_000)
    card.get_by_label("New picture").set_input_files({"name": "ada.png", "mimeType": "image/png", "buffer": icon})
    expect(card.get_by_text("Picture saved.")).to_be_visible()
    expect(card.locator("img")).to_have_js_property("naturalWidth", 1)
    shown = page.evaluate("progress")
    assert shown == sorted(shown)
    assert any(0 < share < 1 for share in shown)
    [put] = app.world.calls("PUT")
    assert [part["size"] for part in put["body"] if part["name"] == "icon"] == [len(icon)]


def test_a_file_that_is_no_picture_is_refused(app: App) -> None:
    """A file that is no picture is a violation at the field, and another one can be selected at once."""
    app.open(f"person/{quote(ADA)}")
    card = app.card("SoftwareOne")
    picture = card.get_by_label("New picture")
    picture.set_input_files({"name": "ada.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(card.locator("em")).to_have_text("Please choose a picture.")
    assert app.world.calls("PUT") == []
    picture.set_input_files({"name": "ada.png", "mimeType": "image/png", "buffer": PNG})
    expect(card.get_by_text("Picture saved.")).to_be_visible()
    expect(card.locator("em")).to_have_count(0)


@pytest.mark.parametrize("path", ["", f"person/{quote(ADA)}", "new"])
def test_pages_fit_a_phone(app: App, path: str) -> None:
    """No page is wider than a phone."""
    app.page.set_viewport_size({"width": 390, "height": 844})
    page = app.open(path)
    expect(page.locator("li, article, form").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_copy_works_where_only_its_documents_are_trusted(
    browser: Browser, built: Site, gateway: World, tmp_path: Path
) -> None:
    """A copy takes its types from a gateway, and sends no document where only those of its manifest are trusted."""
    copy, folder = tmp_path / "copy", tmp_path / "site"
    manifest = copy / "src/gql/persisted-documents.json"
    shutil.copytree(built.application, copy, ignore=shutil.ignore_patterns(*GENERATED))
    shutil.copytree(EXAMPLES / "shared", copy / "shared")
    (copy / "node_modules").symlink_to(EXAMPLES / "node_modules")
    folder.mkdir()
    manifest.parent.mkdir()
    manifest.write_text('{"none": "{ __typename }"}')
    trust = {"GATEWAY_DOCUMENTS__TRUST": "enforce", "GATEWAY_DOCUMENTS__MANIFESTS": str(manifest)}
    with serving(folder) as origin, demo(GATEWAY_DOCUMENTS__RELOAD="0.1", **trust) as world:
        environment = {"VITE_GATEWAY_URL": world.graphql_url, "VITE_TRUSTED_DOCUMENTS": "1"}
        Site(copy, folder, origin).build("run", "build", SCHEMA=gateway.graphql_url, **environment)
        world.wait_until_refused("{ __typename }")  # its manifest is that of the build now
        with opened(browser, origin, world) as app:
            app.open()
            expect(app.rows.first).to_be_visible()
            app.wait_for_subscribers(1)
            app.open(f"person/{quote(ADA)}")
            card = app.card("SoftwareOne")
            card.get_by_label("First name").fill("Augusta")
            card.get_by_role("button", name="Save").click()
            expect(card.get_by_text("Saved.")).to_be_visible()
            card.get_by_label("New picture").set_input_files(
                {"name": "ada.png", "mimeType": "image/png", "buffer": PNG}
            )
            expect(card.get_by_text("Picture saved.")).to_be_visible()
            assert not [text for text in app.operations if "fragment" in text]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_each_application_is_small(name: str) -> None:
    """Each application has less than 600 lines, its configuration included."""
    folder = EXAMPLES / name
    files = [
        file for file in folder.rglob("*") if file.is_file() and not GENERATED & set(file.relative_to(folder).parts)
    ]
    assert 0 < sum(len(file.read_text().splitlines()) for file in files) < MAX_LINES
