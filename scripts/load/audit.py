"""What clients saw, held against what was asked, and against what the gateway has recorded."""

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from .client import Seen
from .traffic import DECISIONS, Plan
from .upstream import BEHAVIOURS, reply

# Codes of replies that the gateway makes where a request itself is at fault.
REFUSALS = {
    "bad_json": {"unreadable_request"},
    "too_large": {"body_too_large"},
    "unknown_path": {"path_not_served"},
    "wrong_method": {"method_not_allowed"},
}
# Where the upstream fails before its reply.
FAILURES = {
    "hang_before": {"upstream_timeout"},
    "reset_before": {"upstream_broke_off"},
    "close_before": {"upstream_broke_off"},
    "garbage_before": {"upstream_broke_off"},
}
# While the upstream is down or frozen, or left alone after failures.
OUTAGE = {"upstream_unreachable", "upstream_broke_off", "upstream_timeout", "upstream_unavailable"}
# How the gateway ends a stream of events that broke off; whoever left may have got a part of it.
ERROR_EVENT = re.compile(rb'(?:\A|\n\n)(event: error\n)?data: \{[^\n]*"error"[^\n]*\n{0,2}\Z')
# Errors that the soak brings about by its edits.
EXPECTED_ERRORS = ("the edit of the intents is refused", "the edit of the configuration is refused")


@dataclass(slots=True)
class Record:
    """What is kept of an exchange until the end."""

    plan_id: str
    kind: str
    protocol: str
    behaviour: str
    manner: str
    sent: bool
    status: int
    decision: str | None
    end: str  # as in `Seen`; `error` where a stream ended with an event that is an error
    code: str | None  # of an error that the gateway made
    digest: str
    local: bool  # a reply without the upstream
    calm: bool  # no outage at the time
    before: str  # what the connection was used for before


class Violations:
    """Broken promises by kind, with examples of each."""

    def __init__(self):
        self.found = defaultdict(list)

    def check(self, holds: bool, kind: str, what=""):
        if not holds:
            self.found[kind].append(str(what))

    def __bool__(self):
        return bool(self.found)

    def lines(self, examples: int | None = 5) -> list[str]:
        return [
            line
            for kind, found in sorted(self.found.items())
            for line in [f"{len(found)} × {kind}", *(f"    {example}" for example in found[:examples])]
        ]


def look(plan: Plan, seen: Seen, calm: bool, mild: bool, violations: Violations) -> Record:
    """Holds one reply against its request. `mild`: no edit of gate or limits is in force."""
    record = Record(
        plan.id,
        plan.kind,
        plan.protocol,
        plan.behaviour,
        plan.manner,
        seen.sent,
        seen.status,
        seen.headers.get("x-intentgate-decision"),
        seen.end,
        None,
        hashlib.sha256(plan.body).hexdigest(),
        bool(seen.status) and "x-soak-from" not in seen.headers,
        calm,
        seen.before,
    )
    told = (
        f"{plan.id} {plan.kind} {plan.manner} {plan.behaviour}: {seen.status} {record.decision} {seen.end}, "
        f"{len(seen.body)} bytes, after [{seen.before}]"
    )
    violations.check(seen.end != "stuck", "no end within a minute", told)
    if not seen.status:
        # A reply that breaks off in the moment that it begins may take its head with it.
        excused = plan.manner == "leave_sending" or BEHAVIOURS[plan.behaviour].ends == "broken" or not calm
        violations.check(seen.end != "cut" or excused, "closed without a reply", told)
        return record
    violations.check(seen.headers.get("x-request-id") == plan.id, "a reply with another's request id", told)
    expected = DECISIONS.get(plan.kind)
    if record.decision and expected:
        allowed = {expected} if mild and calm else {expected, "forward"}
        violations.check(record.decision in allowed, "another decision than the question's", told)
    if not record.local:
        look_at_upstream(plan, seen, record, calm, violations, told)
    elif record.decision in ("answer", "reject"):
        violations.check(seen.status == 200 and seen.end != "cut", "a local reply broke off", told)
        if seen.end == "complete":
            violations.check(
                speaks(plan, seen.body), "a local reply in no shape of its protocol", f"{told} {seen.body[:300]}"
            )
    elif seen.end == "complete":
        look_at_refusal(plan, seen, record, calm, mild, violations, told)
    else:
        violations.check(seen.end == "left", "a refusal broke off", told)
    return record


def look_at_upstream(plan, seen, record, calm, violations, told):
    status, ends, _ = BEHAVIOURS[plan.behaviour]
    violations.check(
        record.decision == "forward" or plan.protocol == "none",
        "an upstream's reply that is not marked as forwarded",
        told,
    )
    violations.check(seen.status == status, "another status than the upstream's", told)
    whole = reply(plan.behaviour, plan.id, plan.stream)
    ours = ERROR_EVENT.search(seen.body) if ends != "whole" or not calm else None
    theirs = seen.body[: ours.start()] if ours else seen.body
    rest = b"" if whole.startswith(theirs) else theirs[len(os.path.commonprefix([whole, theirs])) :]
    violations.check(not rest, "bytes that the upstream did not send", f"{told} {rest[:200]}")
    held = plan.behaviour not in ("broken_sse", "long_line")
    half = ours and held and theirs and not whole.startswith(theirs + b"\n\n")
    violations.check(not half, "half an event before the error", f"{told} {theirs[-200:]}")
    if ours and record.end == "complete":
        record.end = "error"
    elif record.end == "complete" and seen.body != whole:
        # A stream in no protocol that is known, which ends where its connection does, cannot be told from a whole one.
        untold = plan.behaviour == "close_delimited" and plan.stream and plan.protocol == "none" and not calm
        violations.check(untold, "a broken reply that ended like a whole one", told)
    if record.end == "cut":
        violations.check(ends == "broken" or not calm, "a whole reply was cut", told)


def look_at_refusal(plan, seen, record, calm, mild, violations, told):
    try:
        error = json.loads(seen.body)["error"]
        record.code = error.get("code") or error["type"]
        assert error["message"] and seen.status >= 400
    except (ValueError, KeyError, TypeError, AssertionError):
        violations.check(False, "a refusal in no known shape", f"{told} {seen.body[:300]}")
        return
    if plan.protocol == "messages":
        return  # its errors have no code; the log is asked instead
    told = f"{told} {record.code}"
    allowed = set(REFUSALS.get(plan.kind, ()))
    if plan.manner == "stall_sending":
        # What passes unread waits for the upstream, which waits for the body.
        allowed |= {"body_timeout", "upstream_timeout"}
    if plan.kind not in REFUSALS or record.decision == "forward":
        allowed |= FAILURES.get(plan.behaviour, set()) | {"upstream_unavailable"} | (set() if calm else OUTAGE)
    if not mild:
        allowed |= {"gateway_busy"}
    violations.check(record.code in allowed, "refused for no reason", told)


def speaks(plan: Plan, body: bytes) -> bool:
    """Whether a reply made by the gateway is whole and has words, in the protocol's shape."""
    text = body.decode()
    try:
        if not plan.stream:
            said = json.loads(text)
            words = {
                "chat_completions": lambda: said["choices"][0]["message"]["content"],
                "completions": lambda: said["choices"][0]["text"],
                "responses": lambda: said["output"][0]["content"][0]["text"],
                "messages": lambda: said["content"][0]["text"],
            }[plan.protocol]()
            return bool(words)
        data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        ends = {"responses": '"response.completed"', "messages": '"message_stop"'}.get(plan.protocol)
        if ends is None:
            return data.pop() == "[DONE]" and all(json.loads(event)["choices"] is not None for event in data)
        return ends in data[-1] and all(json.loads(event)["type"] for event in data)
    except (ValueError, KeyError, IndexError, TypeError):
        return False


def settle(
    records: list[Record], events: list[dict], strays: list[str], journal: list[str], violations: Violations
) -> Counter:
    """Holds the gateway's log and the upstreams' journals against what clients saw; the outcomes by their number."""
    requests = defaultdict(list)
    for event in events:
        if event.get("message") == "request":
            requests[event["request_id"]].append(event)
        elif event["level"] == "ERROR":
            violations.check(event["message"].startswith(EXPECTED_ERRORS), "an error in the log", event)
    violations.check(not strays, "lines in the log that are no events", "; ".join(strays[:5]))
    arrived = defaultdict(list)
    for line in journal:
        request_id, digest = line.split()
        arrived[request_id].append(digest)
    for record in records:
        settle_one(record, requests.pop(record.plan_id, []), arrived.pop(record.plan_id, []), violations)
    foreign = [i for i in requests if i.startswith("soak-")]
    violations.check(not foreign and not arrived, "recorded, but never asked", [*foreign, *arrived][:5])
    return Counter(
        e["outcome"] for e in events if e.get("message") == "request" and e["request_id"].startswith("soak-")
    )


def settle_one(record: Record, recorded: list[dict], arrived: list[str], violations: Violations):
    violations.check(len(recorded) <= 1, "recorded more than once", record)
    if not recorded:
        # What the system still held when a client reset its connection, the gateway never saw.
        excused = record.end == "left" and "abort" in record.manner and not record.status
        at_once = record.end == "left" and not record.status
        violations.check(excused, "not recorded, its client left at once" if at_once else "not recorded", record)
        return
    event = recorded[0]
    outcome, decision, told = event["outcome"], event.get("decision"), f"{record} {recorded[0]}"
    violations.check(event["protocol"] == record.protocol, "recorded for another protocol", told)
    if record.status:
        violations.check(event["status"] == record.status, "recorded with another status", told)
        violations.check(decision == record.decision, "recorded with another decision", told)
    if record.end == "cut" and not record.status and record.manner != "leave_sending":
        violations.check(event["status"] < 400, "a refusal that its client never got", told)
    if record.end == "complete":
        refused = record.local and record.decision not in ("answer", "reject")
        fits = outcome not in ("complete", "cut") if refused else outcome == "complete"
        violations.check(fits, "a complete reply recorded otherwise", told)
        if refused and record.protocol != "messages":
            violations.check(outcome == record.code, "a refusal recorded by another code", told)
    elif record.end in ("cut", "error"):
        broke = outcome.startswith("upstream_") or (
            record.manner == "leave_sending" and outcome in ("cut", "body_incomplete")
        )
        violations.check(broke, "a reply that broke off recorded otherwise", told)
    if record.calm and BEHAVIOURS[record.behaviour].ends != "whole" and decision == "forward":
        violations.check(outcome != "complete", "a broken reply recorded as complete", told)
    settle_upstream(record, event, arrived, violations, told)


def settle_upstream(record: Record, event: dict, arrived: list[str], violations: Violations, told: str):
    # One who leaves in `shadow` mode leaves before the decision, which the upstream does not wait for.
    undecided = event.get("decision") is None and event["outcome"] == "cut"
    if record.protocol != "none" and event.get("decision") != "forward" and not undecided:
        violations.check(not arrived, "reached the upstream, but was not forwarded", told)
        return
    # 429 and 503 say that nothing was done, so that the question may be sent again.
    again = record.behaviour.startswith(("error_429", "error_503"))
    violations.check(len(arrived) <= 1 or again, "reached the upstream more than once", f"{told} {len(arrived)}")
    if event["outcome"] == "complete":
        violations.check(bool(arrived), "forwarded, but never reached the upstream", told)
    violations.check(set(arrived) <= {record.digest}, "reached the upstream with another body", told)
