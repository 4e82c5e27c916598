"""Panels of Grafana's dashboards, as plain values in its JSON schema.

A query names a metric by `@`: `@requests_total{decision="reject"}` is that of the gateways chosen at the top of the
dashboard. Every text is a pair, English and Chinese; `Dashboard.json` picks one.
"""

import re

GATEWAYS = 'job=~"$job",instance=~"$instance"'
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The version of the schema that Grafana 12 and 13 write.
SCHEMA_VERSION = 42

# Where a legend is a label alone, these words stand for its values.
WORDS = {
    "decision": {
        "forward": ("forwarded", "转发"),
        "answer": ("answered here", "直接答复"),
        "reject": ("declined", "婉拒"),
        "refused": ("refused", "拒收"),
        "none": ("client left", "客户端先离开"),
    },
    "kind": {
        "prompt": ("prompt", "输入"),
        "cached_prompt": ("prompt, cached", "输入（缓存）"),
        "completion": ("completion", "输出"),
    },
    "bound": {
        "estimate": ("estimate", "估计"),
        "low": ("at least", "至少"),
        "high": ("at most", "至多"),
        "promised": ("promised at most", "承诺至多"),
    },
    "verdict": {"right": ("rightly declined", "婉拒得对"), "wrong": ("wrongly declined", "误拒")},
    "source": {
        "told": ("told by the upstream", "上游告知"),
        "counted": ("counted here", "本地统计"),
        "unknown": ("unknown", "未知"),
    },
    "result": {"ok": ("ok", "生效"), "refused": ("refused", "被拒"), "written": ("written", "写入"), "dropped": ("dropped", "丢弃")},
}
# Amounts carry the sign of the currency that their label names.
SIGNS = {"CNY": "¥", "JPY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "HKD": "HK$", "TWD": "NT$", "KRW": "₩", "INR": "₹"}


# --- Queries ----------------------------------------------------------------------------------------------------


def promql(query: str) -> str:
    def selector(match: re.Match) -> str:
        name, labels = match[1], match[2]
        prefix = "" if name.startswith("process_") else "intentgate_"
        return f"{prefix}{name}{{{GATEWAYS}{',' + labels if labels else ''}}}"

    return re.sub(r"@(\w+)(?:{([^}]*)})?", selector, query)


def zero(value: int = 0, **labels: str) -> str:
    """`value` while the gateway is seen, so that a panel tells nothing happened from nothing is known."""
    query = "0 * sum(@build_info)" + (f" + {value}" if value else "")
    for label, text in labels.items():
        query = f'label_replace({query}, "{label}", "{text}", "", "")'
    return query


def some(query: str, **labels: str) -> str:
    """The query; where it finds nothing, zero with these labels."""
    return f"{query} or on() {zero(**labels)}"


def share(part: str, whole: str) -> str:
    """`part / whole`; zero while there is no whole."""
    return some(f"{part} / ({whole} > 0)")


def each_day(query: str, **labels: str) -> str:
    """Of a query over `[DAY]`: a value for each day, the present one included.

    Grafana asks at each midnight; the window reaches forward from there.
    """
    seen = zero(**labels).replace("@build_info", "max_over_time(@build_info[DAY])")
    return f"{query} or on() {seen}".replace("[DAY]", "[1d] offset -1d")


def quantiles(histogram: str, by: str = "", **labels: str) -> list[tuple[str, str]]:
    """Targets for p50, p95 and p99, each by a label where one is named; zero where nothing was measured."""
    groups, prefix = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    rates = f"sum by ({groups}) (rate(@{histogram}_bucket[$__rate_interval]))"
    # A comparison with NaN drops it.
    return [
        (some(f"(histogram_quantile({quantile}, {rates}) >= 0)", **labels), f"{prefix}p{100 * quantile:.0f}")
        for quantile in (0.5, 0.95, 0.99)
    ]


# --- Panels -----------------------------------------------------------------------------------------------------


class Panel:
    """One panel: kind, texts, unit, and targets as pairs of query and legend."""

    def __init__(self, kind, title, description, unit, *targets, width=6, height=8, **more):
        self.kind, self.title, self.description, self.unit = kind, title, description, unit
        self.targets, self.width, self.height, self.more = targets, width, height, more

    def json(self, at: dict, number: int, pick) -> dict:
        instant = self.kind in ("stat", "bargauge")
        targets = [self.target(i, *target, instant, pick) for i, target in enumerate(self.targets)]
        defaults = {"unit": self.unit} | FIELDS[self.kind] | self.more.get("fields", {})
        mappings = self.more.get("mappings")
        if mappings:
            options = {value: {"text": pick(text), "color": color} for value, (text, color) in mappings.items()}
            defaults["mappings"] = [{"type": "value", "options": options}]
        if "custom" in self.more:
            defaults["custom"] = defaults.get("custom", {}) | self.more["custom"]
        panel = {
            "id": number,
            "type": self.kind,
            "title": pick(self.title),
            "description": pick(self.description),
            "datasource": DATASOURCE,
            "gridPos": at,
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides(pick)},
            "options": OPTIONS[self.kind] | self.more.get("options", {}),
            "targets": targets,
        }
        if "interval" in self.more:
            panel["interval"] = self.more["interval"]
        return panel

    def target(self, index: int, query: str, legend, instant: bool, pick) -> dict:
        return {
            "refId": chr(ord("A") + index),
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": promql(query),
            "legendFormat": legend if isinstance(legend, str) else pick(legend),
            "instant": instant,
            "range": not instant,
            "format": "heatmap" if self.kind == "heatmap" else "time_series",
        }

    def overrides(self, pick) -> list:
        overrides = []
        for label in (legend[2:-2] for _, legend in self.targets if isinstance(legend, str)):
            for value, words in WORDS.get(label, {}).items():
                overrides.append(override("byName", value, "displayName", pick(words)))
        if self.more.get("money"):
            for currency, sign in SIGNS.items():
                overrides.append(override("byRegexp", f"/{currency}/", "unit", f"currency:{sign}"))
        return overrides


def override(matcher: str, which: str, name: str, value: str) -> dict:
    return {"matcher": {"id": matcher, "options": which}, "properties": [{"id": name, "value": value}]}


PALETTE = {"mode": "palette-classic-by-name"}
# What a series over time looks like; bars, where it is counts of a day.
LINE = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": False}
BARS = {"drawStyle": "bars", "barAlignment": 1, "fillOpacity": 80, "lineWidth": 0}
STACKED = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
DAILY = {"interval": "1d", "custom": BARS | {"stacking": STACKED["stacking"]}}

FIELDS = {
    "timeseries": {"min": 0, "color": PALETTE, "custom": LINE},
    "stat": {"color": {"mode": "fixed", "fixedColor": "text"}},
    "bargauge": {"min": 0, "color": PALETTE},
    "heatmap": {},
}
LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
OPTIONS = {
    "timeseries": {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": LAST,
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "bargauge": {
        "reduceOptions": LAST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "left",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 300,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "exponent": 0.5, "fill": "dark-blue", "reverse": False, "steps": 64},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "none"},
    },
}


# --- Dashboards -------------------------------------------------------------------------------------------------


class Dashboard:
    """Rows of panels, each a title and its panels; a line of the grid is 24 wide."""

    def __init__(self, uid: str, title, description, since: str, rows: list):
        self.uid, self.title, self.description, self.since, self.rows = uid, title, description, since, rows

    def json(self, language: str) -> dict:
        def pick(text) -> str:
            return text[0] if language == "en" else text[1]

        return {
            "uid": self.uid + ("" if language == "en" else f"-{language}"),
            "title": pick(self.title),
            "description": pick(self.description),
            "tags": ["intentgate", language],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "time": {"from": self.since, "to": "now"},
            "timezone": "browser",
            "refresh": "1m",
            "links": [links(pick(("Other dashboards", "其他面板")), language)],
            "templating": {"list": variables(pick)},
            "annotations": {"list": []},
            "panels": self.panels(pick),
        }

    def panels(self, pick) -> list:
        panels, y = [], 0
        for title, members in self.rows:
            at = {"h": 1, "w": 24, "x": 0, "y": y}
            row = {"type": "row", "title": pick(title), "collapsed": False, "panels": []}
            panels.append({"id": len(panels) + 1, "gridPos": at} | row)
            x, y, height = 0, y + 1, 0
            for panel in members:
                if x + panel.width > 24:
                    x, y, height = 0, y + height, 0
                at = {"h": panel.height, "w": panel.width, "x": x, "y": y}
                panels.append(panel.json(at, len(panels) + 1, pick))
                x, height = x + panel.width, max(height, panel.height)
            y += height
        return panels


def variables(pick) -> list:
    common = {"type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1, "multi": True, "includeAll": True}
    # Whatever is there, and not the long list of it.
    common |= {"allValue": ".+", "current": {"text": ["All"], "value": ["$__all"]}}

    def values(name: str, label, of: str) -> dict:
        query = {"query": of, "refId": f"variable-{name}"}
        return {"name": name, "label": pick(label), "query": query} | common

    return [
        {"name": "datasource", "label": pick(("Data source", "数据源")), "type": "datasource", "query": "prometheus"},
        values("job", ("Job", "任务"), "label_values(intentgate_build_info, job)"),
        values("instance", ("Gateway", "网关"), 'label_values(intentgate_build_info{job=~"$job"}, instance)'),
    ]


def links(title: str, language: str) -> dict:
    link = {"type": "dashboards", "title": title, "tooltip": "", "icon": "external link", "tags": ["intentgate", language]}
    return link | {"asDropdown": False, "includeVars": True, "keepTime": True, "targetBlank": False}
