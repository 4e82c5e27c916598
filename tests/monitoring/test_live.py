"""Every query of every panel, every rule and every alert, asked of a real Prometheus that scrapes a real gateway."""

import time

import pytest
from conftest import JOB, instance
from grafana import DASHBOARDS, queries, selectors, value_of_variable
from prometheus import promtool, rules
from traffic import CURRENCY

# Their value is zero while all is well, whatever the traffic was.
QUIET = ["Questions that wait for the model", "In flight", "Records for the journal (B)"]
every_query = pytest.mark.parametrize("query", queries(), ids=lambda query: query.name)
every_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("record") or rule.get("alert"))


@every_query
def test_no_panel_is_without_data_on_a_fresh_install(idle, query):
    assert idle.results[query], query.filled(".+", ".+")


@every_query
def test_no_panel_is_without_data_under_traffic(busy, query):
    assert busy.results[query], query.filled(".+", ".+")


@every_query
def test_every_panel_reads_metrics_that_are_there(busy, query):
    filled = query.filled(JOB, value_of_variable(instance(busy.shop)))
    read = selectors(filled)
    assert read, filled
    assert not missing(busy.prometheus, read)


@every_query
def test_every_panel_shows_the_traffic(busy, query):
    if any(title in query.name for title in QUIET):
        return
    values = [value for _, values in busy.results[query] for value in values]
    assert any(value > 0 for value in values), f"{query.filled('.+', '.+')}: nothing but zeros"


def test_no_call_that_was_saved_is_missing(busy):
    """A series that begins with its first request would lose that to `increase`."""
    [query] = [query for query in busy.results if query.name.startswith("savings: LLM calls saved (A)")]
    [(_, [shown])] = busy.results[query]
    counted = sum(busy.shop.gateway.series("intentgate_llm_calls_saved_total").values())
    assert shown == pytest.approx(counted, rel=0.1)


def test_the_headline_is_what_the_counters_say(busy):
    """The shares of cost and of time, and the customers that they cost, reckoned from the counters themselves."""
    total = busy.shop.gateway.series

    def of(name: str, **labels: str) -> float:
        found = total(name).items()
        return sum(value for series, value in found if frozenset(labels.items()) <= series)

    def shown(title: str) -> dict:
        [query] = [query for query in busy.results if query.name.startswith(f"savings: {title}")]
        return {labels.get("bound") or labels.get("currency"): values[-1] for labels, values in busy.results[query]}

    saved, spent = of("intentgate_cost_saved_total"), of("intentgate_upstream_cost_total")
    assert shown("Share of the cost saved")[CURRENCY] == pytest.approx(saved / (saved + spent), rel=0.05)

    def mean(*decisions: str) -> float:
        sums = [sum(of(f"intentgate_request_duration_seconds_{part}", decision=d) for d in decisions) for part in ("sum", "count")]
        return sums[0] / sums[1]

    calls, forwarded = of("intentgate_llm_calls_saved_total"), of("intentgate_request_duration_seconds_count", decision="forward")
    without = mean("forward")
    with_it = (forwarded * without + calls * mean("answer", "reject")) / (forwarded + calls)
    [times] = shown("Mean reply, times as fast").values()
    assert times == pytest.approx(without / with_it, rel=0.1) and times > 1

    rejected = of("intentgate_requests_total", decision="reject") - of("intentgate_repeats_total", decision="reject")
    passed = of("intentgate_requests_total", decision="forward") + of("intentgate_requests_total", decision="answer")
    wrong = of("intentgate_false_rejections_ratio", bound="estimate") * rejected
    turned_away = shown("Customers turned away")
    assert set(turned_away) == {"estimate", "low", "high"}
    assert turned_away["estimate"] == pytest.approx(wrong / (wrong + passed), rel=0.1)
    assert of("intentgate_repeats_total") > 0


def test_without_reviews_the_promise_stands_beside_them(idle):
    [query] = [query for query in idle.results if query.name.startswith("savings: Customers turned away")]
    [(labels, [promised])] = idle.results[query]
    assert (labels["bound"], promised) == ("promised", 0.02)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_variables_of_a_dashboard_find_the_gateway(busy, name):
    for variable in DASHBOARDS[name]["templating"]["list"]:
        if variable["type"] == "query":
            series = variable["query"]["query"].removeprefix("label_values(").rsplit(",", 1)[0]
            found = busy.prometheus.query(series.replace("$job", ".+"))
            label = variable["query"]["query"].rsplit(", ", 1)[1].rstrip(")")
            assert {labels[label] for labels, _ in found} == {{"job": JOB, "instance": instance(busy.shop)}[label]}


@every_rule
def test_every_rule_is_evaluated_on_metrics_that_are_there(busy, rule):
    name = rule.get("record") or rule["alert"]
    if "record" in rule:
        busy.prometheus.wait(name)
        assert busy.prometheus.query(rule["expr"])
    assert not missing(busy.prometheus, selectors(rule["expr"]))
    state = busy.prometheus.rules()[name]
    assert state["health"] == "ok", state.get("lastError")


def test_the_metrics_pass_the_lint_of_prometheus(busy):
    lint = promtool("check", "metrics", input=busy.shop.gateway.metrics())
    assert lint.returncode == 0, lint.stdout + lint.stderr


def missing(prometheus, read: set[str]) -> list[str]:
    """Which of these are no series, now or in the minutes before."""
    return sorted(one for one in read if not prometheus.query(f"last_over_time({one}[15m])", time.time()))
