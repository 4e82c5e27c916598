"""The files below deploy/, held against the tools and the schemas of those who read them."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from grafana import DASHBOARDS, ROOT, panels
from prometheus import SHIPPED, promtool, rules

HERE = Path(__file__).parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
ALERTS = [rule["alert"] for rule in rules() if "alert" in rule]
every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
every_alert = pytest.mark.parametrize("alert", ALERTS)


# --- Grafana ----------------------------------------------------------------------------------------------------


def test_the_dashboards_are_what_their_script_writes():
    subprocess.run([sys.executable, DEPLOY / "grafana" / "build.py", "--check"], check=True)


def test_the_dashboards_have_the_types_of_grafana(tmp_path_factory):
    # Below this folder, so that the compiler finds the package.
    check = HERE / "node_modules" / ".dashboards.ts"
    literals = [f"const _{i}: Checked = {json.dumps(d)};" for i, d in enumerate(DASHBOARDS.values())]
    check.write_text((HERE / "schema.ts").read_text() + "\n".join(literals) + "\nexport {};\n")
    tsc = [HERE / "node_modules" / ".bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck"]
    tsc += ["--module", "esnext", "--moduleResolution", "bundler", "--ignoreConfig", check]
    checked = subprocess.run(tsc, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout[:5000]


def test_no_two_dashboards_have_one_uid():
    uids = [dashboard["uid"] for dashboard in DASHBOARDS.values()]
    assert len(set(uids)) == len(uids)
    assert all(8 <= len(uid) <= 40 for uid in uids), uids


@every_dashboard
def test_every_panel_says_what_it_shows_in_which_unit(name):
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(DASHBOARDS[name]):
        assert panel["title"] and len(panel["description"]) >= 15, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        for target in panel["targets"]:
            selected = re.findall(r"{[^}]*}", target["expr"])
            assert selected and all('job=~"$job",instance=~"$instance"' in one for one in selected), target["expr"]


@every_dashboard
def test_no_two_panels_overlap(name):
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARDS[name]["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARDS[name]["panels"])


@pytest.mark.parametrize("name", [name for name in DASHBOARDS if not name.endswith(".zh")])
def test_both_languages_ask_the_same(name):
    def asked(dashboard):
        return [[target["expr"] for target in panel["targets"]] for panel in panels(dashboard)]

    assert asked(DASHBOARDS[name]) == asked(DASHBOARDS[f"{name}.zh"])


# --- Prometheus -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_the_configuration_is_accepted(name, tmp_path):
    # The token of compose is a mounted secret, which is not here.
    text = (SHIPPED / name).read_text().replace("/run/secrets/token", str(tmp_path / "token"))
    (tmp_path / "token").write_text("token")
    for rule_file in yaml.safe_load(text)["rule_files"]:
        (tmp_path / rule_file).write_text((SHIPPED / rule_file).read_text())
    (tmp_path / name).write_text(text)
    passed(promtool("check", "config", "--lint-fatal", tmp_path / name))


def test_the_rules_are_accepted_and_named_by_the_convention():
    passed(promtool("check", "rules", "--lint-fatal", SHIPPED / "rules.yml", SHIPPED / "alerts.yml"))
    for rule in rules():
        if "record" in rule:
            level, metric, operations = rule["record"].split(":")
            assert level.startswith("job") and metric.startswith("intentgate_") and operations
            assert all(f"{label}" in rule["expr"] for label in level.split("_"))


def test_every_alert_fires_and_resolves():
    passed(promtool("test", "rules", SHIPPED / "alerts_test.yml"))


@every_alert
def test_every_alert_has_a_test_of_both(alert):
    tests = yaml.safe_load((SHIPPED / "alerts_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == alert]
    assert [len(case["exp_alerts"]) for case in cases] == [1, 0]


@every_alert
def test_every_alert_says_what_to_do_in_both_languages(alert):
    annotations = next(rule["annotations"] for rule in rules() if rule.get("alert") == alert)
    for ending, page in (("", "docs/monitoring.md"), ("_zh", "docs/monitoring.zh-CN.md")):
        assert annotations[f"summary{ending}"] and "{{ $value" in annotations[f"description{ending}"]
        assert annotations[f"runbook{ending}"].endswith(f"{page}#{alert.lower()}")
        assert f"### {alert}\n" in (ROOT / page).read_text()


def passed(tool: subprocess.CompletedProcess):
    assert tool.returncode == 0, tool.stdout + tool.stderr


# --- Compose ----------------------------------------------------------------------------------------------------


def test_compose_is_as_specified():
    compose = PyCompose.from_yaml(COMPOSE.read_text())
    assert compose.service_names() == ["gateway", "prometheus", "grafana"]


def test_what_compose_mounts_is_there():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists(), volume
        assert ":" in service["image"] or "build" in service, "an image without a version"
        assert "healthcheck" in service
    # What serves has a version of its own schema.
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]["@grafana/schema"]
    assert services["grafana"]["image"] == f"grafana/grafana:{pinned}"
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/intentgate.yml").read_text())
    [mounted] = [v.split(":")[1] for v in services["grafana"]["volumes"] if v.startswith("./grafana/dashboards")]
    assert provider["providers"][0]["options"]["path"] == mounted


def test_metrics_stay_inside():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert services["gateway"]["ports"] == ["8080:8080"]
    assert all(p.startswith("127.0.0.1:") for name in ("prometheus", "grafana") for p in services[name]["ports"])
