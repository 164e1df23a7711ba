"""After a scripted incident, the questions of operators are answered from the log, metrics, traces or `/status` alone.

Each answer is computed by a function of `questions.py` out of one kind of evidence; here it is compared with what the
script of the incident did.
"""

import asyncio
from pathlib import Path

import pytest
from incident import questions
from incident.driver import run_incident
from incident.evidence import Evidence
from incident.facts import Facts
from incident.questions import Period

TOLERANCE = 3.0  # seconds: the gateway notices some changes a second later, and a busy machine is slow

Incident = tuple[Evidence, Facts]


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Incident:
    """The evidence of one incident, and what happened in it."""
    folder: Path = tmp_path_factory.mktemp("incident")
    return asyncio.run(run_incident(folder))


@pytest.fixture
def evidence(incident: Incident) -> Evidence:
    """What operators have."""
    return incident[0]


@pytest.fixture
def facts(incident: Incident) -> Facts:
    """What happened."""
    return incident[1]


def _within(found: Period, facts: Facts, *phases: str) -> bool:
    """Whether a period began in the first of the phases, and ended in or after the last one."""
    first, last = facts.phases[phases[0]], facts.phases[phases[-1]]
    began = first.start - TOLERANCE <= found.start <= first.end + TOLERANCE
    return began and found.end is not None and last.start - TOLERANCE <= found.end <= last.end + TOLERANCE


def test_the_log_explains_a_failed_request(evidence: Evidence, facts: Facts) -> None:
    """The id of a failed request leads to its caller, its operation, its code, and the cause with the URL."""
    happened = questions.what_happened(evidence.log, facts.requests["failed"])
    assert (happened.caller, happened.operation, happened.codes) == ("key:shop", "AccountPage", ["SOURCE_UNAVAILABLE"])
    assert facts.account_address in happened.cause
    assert "refused" in happened.cause


def test_the_log_has_the_outcome_of_changes(evidence: Evidence, facts: Facts) -> None:
    """Of each change the log states whether it was carried out, was not, or may have been."""
    answers = {
        name: questions.was_carried_out(evidence.log, facts.requests[name]) for name in ("saved", "unknown", "invalid")
    }
    assert answers == {"saved": "yes", "unknown": "unknown", "invalid": "no"}


def test_the_log_has_when_a_source_was_down(evidence: Evidence, facts: Facts) -> None:
    """The log states since when the account source was not called, and when it was called again."""
    [period] = questions.periods(evidence.log, "circuit_open", "account")
    assert _within(period, facts, "down", "html")


def test_the_log_has_why_a_source_failed(evidence: Evidence, facts: Facts) -> None:
    """The log has the causes of the failures of the account source: first refused connections, then HTML."""
    found = questions.causes(evidence.log, "account")
    assert all(facts.account_address in url and "?" not in url for url, _ in found)
    refused, html = (
        [number for number, (_, cause) in enumerate(found) if text in cause] for text in ("refused", "HTML")
    )
    assert refused[0] < html[0]


def test_the_log_has_when_redis_was_away(evidence: Evidence, facts: Facts) -> None:
    """The log states when Redis was lost and when it could be used again."""
    found = questions.periods(evidence.log, "redis_lost", "")
    # Redis is also lost while it does not respond for a second, which is so where the machine is busy.
    assert sum(_within(period, facts, "redis away", "redis away") for period in found) == 1


def test_the_log_has_whose_token_a_source_refused(evidence: Evidence, facts: Facts) -> None:
    """The log states when SoftwareOne refused the configured token, and when it accepted it again."""
    [period] = questions.periods(evidence.log, "credentials_refused", "softwareone")
    assert _within(period, facts, "credentials", "credentials")


def test_the_log_has_which_source_is_out_of_budget(evidence: Evidence, facts: Facts) -> None:
    """The log states when the reseller source refused calls because of its rate limit."""
    [period] = questions.periods(evidence.log, "out_of_budget", "reseller")
    assert (
        facts.phases["out of budget"].start - TOLERANCE <= period.start <= facts.phases["out of budget"].end + TOLERANCE
    )


def test_the_log_has_whose_key_was_revoked(evidence: Evidence) -> None:
    """The log names the caller whose API key was removed."""
    assert questions.removed_keys(evidence.log) == ["key:partner"]


def test_the_log_has_who_overspent(evidence: Evidence, facts: Facts) -> None:
    """The log names the caller that spent its allowance, with every request that was refused because of that."""
    assert questions.refused_callers(evidence.log) == {"key:batch": facts.numbers["overspent"]}


def test_the_log_has_which_frontend_fails(evidence: Evidence) -> None:
    """The log has the name and the version of the frontend that sends the failing operation."""
    assert questions.failing_clients(evidence.log, "SaveProfile", "BAD_USER_INPUT") == {("shop-web", "2.0.0")}


def test_the_log_has_who_left(evidence: Evidence, facts: Facts) -> None:
    """The log has the request whose client disconnected before the response."""
    assert questions.who_left(evidence.log) == [facts.requests["left"]]


def test_the_log_has_which_origin_was_refused(evidence: Evidence) -> None:
    """The log has the origin of the page whose request was refused."""
    assert questions.refused_origins(evidence.log) == {"https://page.example"}


def test_the_metrics_have_which_source_is_slow(evidence: Evidence, facts: Facts) -> None:
    """The metrics show which source was slow, since when, and until when."""
    assert questions.slowest_source(evidence.metrics) == "account"
    period = questions.slow_since(evidence.metrics, "account")
    assert period.start <= facts.phases["slow"].end
    assert period.end is not None
    assert period.end >= facts.phases["slow"].start


def test_the_metrics_have_who_is_slow(evidence: Evidence) -> None:
    """The metrics show that requests waited for sources, and not for the gateway."""
    assert questions.are_sources_or_gateway_slow(evidence.metrics) == "sources"


def test_the_metrics_have_which_operations_fail(evidence: Evidence, facts: Facts) -> None:
    """The metrics have how often each operation failed, by the name of its trusted document."""
    failed = questions.failing_operations(evidence.metrics)
    assert failed.most_common(1)[0][0] == "AccountPage"
    assert failed["Export"] == facts.numbers["overspent"]


def test_the_metrics_have_which_surfaces_fail(evidence: Evidence) -> None:
    """The metrics show that GraphQL failed, and that gRPC did not."""
    assert questions.failing_surfaces(evidence.metrics) == {"http"}


def test_the_metrics_have_which_webhooks_were_refused(evidence: Evidence, facts: Facts) -> None:
    """The metrics have how many webhooks were refused, and why."""
    assert questions.refused_webhooks(evidence.metrics) == {"unsigned": facts.numbers["forged"]}


def test_a_trace_has_what_a_request_waited_for(evidence: Evidence, facts: Facts) -> None:
    """The trace of a slow request shows the source that it waited for, and what share of its time that was."""
    source, share = questions.time_of(evidence.spans, facts.traces["slow"])
    assert source == "account"
    assert share > 0.5


def test_traces_have_whether_retries_helped(evidence: Evidence, facts: Facts) -> None:
    """The traces show how many requests succeeded only because a call was repeated."""
    assert questions.saved_by_retries(evidence.spans) == facts.numbers["retried"]


def test_traces_have_which_calls_were_shared(evidence: Evidence, facts: Facts) -> None:
    """Of two identical reads at the same time, the trace of one links to the call of the other."""
    assert questions.did_a_shared_call_serve(evidence.spans, facts.traces["slow"])


def test_a_client_that_leaves_is_no_error(evidence: Evidence, facts: Facts) -> None:
    """The span of a request whose client disconnected is no error."""
    assert not questions.was_leaving_an_error(evidence.spans, facts.requests["left"])


def test_the_status_has_which_source_is_down(evidence: Evidence) -> None:
    """During the incident `/status` shows which source fails, the state of its circuit, and the cause."""
    name, circuit, cause = questions.failing_source_now(evidence.during)
    assert (name, circuit) == ("account", "open")
    assert "refused" in cause


def test_the_status_has_who_spends_the_budget(evidence: Evidence) -> None:
    """`/status` names the caller that caused most calls to the sources."""
    assert questions.spender(evidence.status) == "key:batch"


def test_the_status_has_the_slowest_operation(evidence: Evidence) -> None:
    """`/status` names the operation that was slowest: that which waited for the rate limit of its source."""
    assert questions.slowest_operation(evidence.status) == "ResellerPage"


def test_the_status_has_the_replicas(evidence: Evidence) -> None:
    """`/status` shows the one replica that runs, and its version."""
    [(_, version)] = questions.running_replicas(evidence.status)
    assert version
