"""The dashboard for the business: what was saved, at what price, and what it may have cost in customers."""

from panels import DAILY, Dashboard, Panel, each_day, share, some, zero

LOCAL = '{decision=~"answer|reject"}'
FORWARD = '{decision="forward"}'
SAVED = "sum(increase(@llm_calls_saved_total[$__range]))"
# What a program sends once more is no question of its own, and no other customer's.
REPEATS = "sum(increase(@repeats_total[$__range]))"
ENDED = f'(sum(increase(@requests_total{{decision=~"forward|answer|reject"}}[$__range])) - {REPEATS})'
REJECTED = (
    '(sum(increase(@requests_total{decision="reject"}[$__range]))'
    ' - sum(increase(@repeats_total{decision="reject"}[$__range])))'
)
PASSED = 'sum(increase(@requests_total{decision=~"forward|answer"}[$__range]))'


def mean_seconds(decisions: str) -> str:
    took, count = (f"sum(increase(@request_duration_seconds_{part}{decisions}[$__range]))" for part in ("sum", "count"))
    return f"{took} / ({count} > 0)"


FASTER = f"({mean_seconds(FORWARD)}) - ({mean_seconds(LOCAL)})"
# The mean reply, had what was replied here taken the mean of forwarded ones, by the mean reply as it was.
FORWARDED = f"sum(increase(@request_duration_seconds_count{FORWARD}[$__range]))"
SECONDS = (
    f"sum(increase(@request_duration_seconds_sum{FORWARD}[$__range])) + {SAVED} * ({mean_seconds(LOCAL)})"
)
TIMES_AS_FAST = f"({mean_seconds(FORWARD)}) * ({FORWARDED} + {SAVED}) / ({SECONDS})"
COST_SAVED = "sum by (currency) (increase(@cost_saved_total[$__range]))"
COST_SPENT = "sum by (currency) (increase(@upstream_cost_total[$__range]))"
# Wrong rejections by the reviews, as a share of the shop's business; without reviews what is promised.
REVIEWED = "(sum(@rejections_reviewed) > 0)"
WRONG = f"((max by (bound) (@false_rejections_ratio) and on() {REVIEWED}) * on() group_left() {REJECTED})"
PROMISED = f'label_replace(max(@false_reject_target_ratio), "bound", "promised", "", "") unless on() {REVIEWED}'
TURNED_AWAY = f"{WRONG} / ({WRONG} + on() group_left() {PASSED} > 0) or {PROMISED}"

HEADLINE = [
    Panel(
        "stat",
        ("Share of the cost saved", "费用省下的比例"),
        (
            "What the saved calls would have cost, of that and what was spent upstream together: the cost without the "
            "gateway. By `[prices]`; both rest on the same prices. Repeats of a call within a minute are not counted. "
            "`no price`: no model has a price yet; write one.",
            "省下的调用本来要花的钱，占它与上游花费之和（即不用网关时的费用）的比例，按 `[prices]` 计算，两者用同样的价格。"
            "一分钟内重复的请求不计。显示 no price：还没有模型写了价格，请写上。",
        ),
        "percentunit",
        (
            some(f"{COST_SAVED} / ({COST_SAVED} + {COST_SPENT} > 0)", currency="no price"),
            "{{currency}}",
        ),
        height=5,
        fields={"decimals": 1},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Mean reply, times as fast", "平均答复快到几倍"),
        (
            "The mean time to a whole reply without the gateway by that with it. Without it, what is replied here "
            "would have taken the mean of forwarded requests. Zero until both kinds occurred.",
            "没有网关时完整答复的平均时间，除以有网关时的。假设没有网关时，这里答的要用转发请求的平均时间。两种请求都出现之前为零。",
        ),
        "short",
        (some(f"{TIMES_AS_FAST} > 0"), ""),
        height=5,
        fields={"decimals": 1},
    ),
    Panel(
        "stat",
        ("Customers turned away, of the shop's business", "被错拒的顾客，占店里的事"),
        (
            "What it cost: wrong rejections as a share of all questions that were the shop's business, by the reviews "
            "of a random sample, with the ends of their 95 % interval. Until somebody has reviewed any it is what "
            "`gate.false_reject_target` promises at most: set `gate.audit_share` and run `intentgate review`.",
            "代价：错误的婉拒占所有店里的事的比例，按随机样本的人工复核，附 95 % 区间的两端。"
            "还没有人复核时，显示 `gate.false_reject_target` 承诺的上限：请设置 `gate.audit_share` 并运行 `intentgate review`。",
        ),
        "percentunit",
        (TURNED_AWAY, "{{bound}}"),
        height=5,
        fields={"decimals": 2},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Asked again after a rejection", "婉拒后又问"),
        (
            "The share of rejections after which the same customer put a similar question within minutes: a user whom "
            "the front end names, or a conversation that holds the rejected question; never an address alone. Some are "
            "persistence, some are customers who were turned away: read them in `intentgate report`.",
            "婉拒之后，同一位客户几分钟内又问了类似问题的比例。同一位：前端给了名字的用户，或含有被婉拒问题的同一段对话；"
            "单凭地址不算。有的是坚持闲聊，有的是被误拒的客户：请在 `intentgate report` 里看原文。",
        ),
        "percentunit",
        (share("sum(increase(@rejections_asked_again_total[$__range]))", REJECTED), ""),
        height=5,
        fields={"decimals": 1},
    ),
]

OVERVIEW = [
    Panel(
        "stat",
        ("Needed no LLM", "不需要大模型的比例"),
        (
            "Of all questions that got a reply, the share that was answered or declined here. Zero while the mode is "
            "shadow or off. If it is far below the share of off-topic questions that you expect, run `intentgate "
            "report` and see which questions no intent covers.",
            "所有得到回复的问题里，由网关直接答复或婉拒的比例。模式是 shadow 或 off 时为零。如果远低于您预计的无关问题比例，"
            "请运行 `intentgate report`，看看哪些问题没有意图覆盖。",
        ),
        "percentunit",
        (share(SAVED, ENDED), ""),
        width=4,
        height=5,
    ),
    Panel(
        "stat",
        ("LLM calls saved", "省下的大模型调用"),
        (
            "Requests that were answered or declined here and so never reached the upstream; beside them the repeats "
            "of such calls within a minute, which saved nothing more.",
            "由网关直接答复或婉拒、没有发给上游的请求数；旁边是一分钟内重复的，它们没有再省下什么。",
        ),
        "short",
        (some(SAVED), ("saved", "省下")),
        (some(REPEATS), ("repeats", "重复")),
        width=4,
        height=5,
        fields={"decimals": 0},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Money saved", "省下的费用"),
        (
            "What the saved calls would have cost by `[prices]`: prompt tokens as counted, completion tokens as long "
            "as replies to forwarded questions are on average. `no price`: no model has a price yet; write one.",
            "按 `[prices]` 计算，省下的调用本来要花多少钱：输入 token 是数出来的，输出 token 按转发问题的平均回复长度估计。"
            "显示 no price：还没有模型写了价格，请写上。",
        ),
        "short",
        (some(COST_SAVED, currency="no price"), "{{currency}}"),
        width=4,
        height=5,
        fields={"decimals": 2},
        options={"textMode": "value_and_name"},
        money=True,
    ),
    Panel(
        "stat",
        ("Money spent upstream", "上游花费"),
        (
            "What the upstream's tokens cost by `[prices]`. Compare it with your bill: a gap means a price that is "
            "out of date, a model without a price, or usage that is counted and not told.",
            "按 `[prices]` 计算的上游 token 费用。请与账单核对：有差距，说明价格过时、有模型没写价格，或用量是本地统计而非上游告知。",
        ),
        "short",
        (some(COST_SPENT, currency="no price"), "{{currency}}"),
        width=4,
        height=5,
        fields={"decimals": 2},
        options={"textMode": "value_and_name"},
        money=True,
    ),
    Panel(
        "stat",
        ("Tokens saved", "省下的 token"),
        (
            "Tokens of the saved calls: the prompt of the whole request as the upstream's tokenizer counts it, and "
            "the completion that was to be expected.",
            "省下的调用的 token 数：输入是用上游的分词器数整个请求得到的，输出是预计值。",
        ),
        "short",
        ("sum by (kind) (increase(@tokens_saved_total[$__range]))", "{{kind}}"),
        width=4,
        height=5,
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Waiting time saved", "省下的等待时间"),
        (
            "How much sooner a customer has the whole reply where no LLM is needed: the mean of forwarded requests "
            "minus the mean of those answered here, per call, and times all saved calls. Zero until both kinds occurred.",
            "不需要大模型时，客户早多久收到完整回复：转发请求的平均耗时减去本地回复的平均耗时；每次，以及乘以所有省下的调用。"
            "两种请求都出现之前为零。",
        ),
        "s",
        (some(FASTER), ("per call", "每次")),
        (some(f"({FASTER}) * {SAVED}"), ("in total", "合计")),
        width=4,
        height=5,
        options={"textMode": "value_and_name"},
    ),
]

CUSTOMERS = [
    Panel(
        "stat",
        ("Rejections that are wrong", "误拒比例"),
        (
            "By the reviews of a random sample (`gate.audit_share`, then `intentgate review`): the share of "
            "rejections that should have been forwarded, with its 95 % interval. 0 % to 100 % means that nothing is "
            "reviewed yet. If the lower end is above what you can live with, mend the intents that `intentgate "
            "report` names, or lower `gate.false_reject_target`.",
            "根据随机样本的人工复核（`gate.audit_share`，再运行 `intentgate review`）：婉拒里本该转发的比例，以及 95 % 置信区间。"
            "0 % 到 100 % 表示还没有复核。如果下限高于您能接受的程度，请修改 `intentgate report` 列出的意图，"
            "或调低 `gate.false_reject_target`。",
        ),
        "percentunit",
        (
            f"max by (bound) (@false_rejections_ratio) or on() "
            f"({zero(bound='low')} or {zero(1, bound='high')})",
            "{{bound}}",
        ),
        width=8,
        height=5,
        fields={"decimals": 1},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Rejections reviewed", "已复核的婉拒"),
        (
            "Would-be rejections that a person has judged. A hundred make the interval beside it usable; if there "
            "are none, set `gate.audit_share` and run `intentgate review`.",
            "由人判断过的“本该婉拒”的问题数。满一百个，旁边的区间才有用；一个都没有时，请设置 `gate.audit_share` 并运行 `intentgate review`。",
        ),
        "short",
        ("sum by (verdict) (@rejections_reviewed)", "{{verdict}}"),
        width=8,
        height=5,
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Asked for a person after a rejection", "婉拒后转人工"),
        (
            "The share of rejections after which the customer asked for a person. If it rises, customers do not "
            "accept the replies: look at which intents below.",
            "婉拒之后客户要求转人工的比例。上升说明客户不接受这样的答复：看下面是哪些意图。",
        ),
        "percentunit",
        (share("sum(increase(@rejections_handed_over_total[$__range]))", REJECTED), ""),
        width=8,
        height=5,
        fields={"decimals": 1},
    ),
]

DAYS = [
    Panel(
        "timeseries",
        ("LLM calls saved by day", "每天省下的调用"),
        (
            "Answered here and declined, a bar a day; the last one is today so far. A step on the day of an edit is "
            "the edit's: `intentgate eval --compare` shows which questions changed sides.",
            "每天直接答复和婉拒的数量，最后一根是今天到目前为止。某次修改当天出现台阶，就是修改造成的：`intentgate eval --compare` 会列出判断变了的问题。",
        ),
        "short",
        (
            each_day("sum by (decision) (increase(@llm_calls_saved_total[DAY]))", decision="answer"),
            "{{decision}}",
        ),
        width=12,
        **DAILY,
    ),
    Panel(
        "timeseries",
        ("Questions by day", "每天的问题"),
        (
            "What was decided, a bar a day. `refused` are requests that the gateway turned away with an error.",
            "每天各种处理的数量。“拒收”是网关以错误拒绝的请求。",
        ),
        "short",
        (each_day("sum by (decision) (increase(@requests_total[DAY]))", decision="forward"), "{{decision}}"),
        width=12,
        **DAILY,
    ),
    Panel(
        "timeseries",
        ("Money by day", "每天的费用"),
        (
            "Saved and spent, a bar a day, by `[prices]`. Both rest on the same prices, so their ratio holds also "
            "where a price is off.",
            "按 `[prices]` 计算，每天省下的和花掉的。两者用同样的价格，所以价格不准时比例仍然可信。",
        ),
        "short",
        (
            each_day("sum by (currency) (increase(@cost_saved_total[DAY]))", currency="no price"),
            ("{{currency}} saved", "{{currency}} 省下"),
        ),
        (
            each_day("sum by (currency) (increase(@upstream_cost_total[DAY]))", currency="no price"),
            ("{{currency}} spent", "{{currency}} 花费"),
        ),
        width=8,
        fields={"decimals": 2},
        money=True,
        **DAILY,
    ),
    Panel(
        "timeseries",
        ("Tokens saved by day", "每天省下的 token"),
        (
            "Prompt tokens counted, completion tokens expected, a bar a day. Prompts that grow from day to day are "
            "conversations that grow longer, or a longer system prompt.",
            "每天的输入 token（数出来的）和输出 token（预计的）。输入逐日增长，说明对话变长了，或系统提示变长了。",
        ),
        "short",
        (each_day("sum by (kind) (increase(@tokens_saved_total[DAY]))", kind="prompt"), "{{kind}}"),
        width=8,
        **DAILY,
    ),
    Panel(
        "timeseries",
        ("After a rejection, by day", "婉拒之后，按天"),
        (
            "Rejections, and those after which the customer asked again or asked for a person, a bar a day. If the "
            "latter two grow faster than the first, customers are turned away.",
            "每天的婉拒数，以及之后又问、要求转人工的数量。后两者增长比前者快，说明有客户被误拒。",
        ),
        "short",
        (
            each_day('sum(increase(@requests_total{decision="reject"}[DAY]))'),
            ("declined", "婉拒"),
        ),
        (each_day("sum(increase(@rejections_asked_again_total[DAY]))"), ("asked again", "又问")),
        (each_day("sum(increase(@rejections_handed_over_total[DAY]))"), ("asked for a person", "转人工")),
        width=8,
        interval="1d",
        custom=DAILY["custom"] | {"stacking": {"mode": "none", "group": "A"}},
    ),
]

INTENTS = [
    Panel(
        "bargauge",
        ("LLM calls saved by intent", "省下的调用，按意图"),
        (
            "The fifteen intents that saved most. `background` are off-topic questions that no intent of the shop "
            "describes; where it leads, intents of your own give better replies.",
            "省下最多的十五个意图。background 是店里没有写意图的无关问题；如果它排在最前，自己写意图可以给出更合适的答复。",
        ),
        "short",
        (
            some("topk(15, sum by (intent) (increase(@llm_calls_saved_total[$__range])))", intent="none yet"),
            "{{intent}}",
        ),
        width=8,
        height=12,
        fields={"decimals": 0},
    ),
    Panel(
        "bargauge",
        ("Forwarded by intent", "转发的问题，按意图"),
        (
            "The fifteen intents that customers ask the LLM most about. One with a fixed reply saves all of its "
            "calls: `action = \"answer\"`. `none`: forwarded unjudged.",
            "客户最常问大模型的十五个意图。答复固定的，写上 `action = \"answer\"` 就能省下全部调用。none：未经判断就转发。",
        ),
        "short",
        (
            some(
                'topk(15, sum by (intent) (increase(@requests_total{decision="forward"}[$__range])))', intent="none yet"
            ),
            "{{intent}}",
        ),
        width=8,
        height=12,
        fields={"decimals": 0},
    ),
    Panel(
        "bargauge",
        ("Asked again or for a person, by intent", "又问或转人工，按意图"),
        (
            "Intents by whose rejections customers were not content. Look at their examples first: some of them are "
            "likely the shop's business.",
            "被婉拒后客户不满意的意图。请先检查它们的例句：其中一些很可能是店里的事。",
        ),
        "short",
        (
            some(
                "topk(15, sum by (intent) (increase(@rejections_asked_again_total[$__range])))", intent="none yet"
            ),
            ("{{intent}}: again", "{{intent}}：又问"),
        ),
        (
            some(
                "topk(15, sum by (intent) (increase(@rejections_handed_over_total[$__range])))", intent="none yet"
            ),
            ("{{intent}}: a person", "{{intent}}：转人工"),
        ),
        width=8,
        height=12,
        fields={"decimals": 0},
    ),
]

TRUST = [
    Panel(
        "stat",
        ("Reply expected of a saved call", "省下的调用预计的回复长度"),
        (
            "Completion tokens of forwarded replies, mean and standard deviation; the mean is what each saved call "
            "is credited with. Zero until a forwarded reply told its usage.",
            "转发回复的输出 token 数，平均值和标准差；每次省下的调用按平均值计算。还没有转发回复告知用量时为零。",
        ),
        "short",
        ("avg(@completion_tokens_mean)", ("tokens, mean", "token，平均")),
        ("avg(@completion_tokens_stddev)", ("standard deviation", "标准差")),
        width=8,
        height=5,
        fields={"decimals": 0},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("How usage is known", "用量从哪里得知"),
        (
            "Replies of the upstream by where their token counts come from. `counted` is within a few per cent; "
            "`unknown` replies are in no figure. For streams of Chat Completions let clients set "
            "`stream_options.include_usage`.",
            "上游回复的 token 数从哪里得知。“本地统计”误差在百分之几以内；“未知”的不计入任何数字。"
            "Chat Completions 的流式请求，请让客户端设置 `stream_options.include_usage`。",
        ),
        "short",
        ("sum by (source) (increase(@upstream_usage_total[$__range]))", "{{source}}"),
        width=8,
        height=5,
        fields={"decimals": 0},
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Requests without a price", "没有价格的请求"),
        (
            "Requests, saved or forwarded, whose model has no price under `[prices]`: money is too low by them. Add "
            "the model, or a name that ends in `*`.",
            "模型在 `[prices]` 里没有价格的请求（省下的和转发的）：费用因此偏低。请补上这个模型，或写以 `*` 结尾的名字。",
        ),
        "short",
        ("sum(increase(@unpriced_requests_total[$__range]))", ""),
        width=4,
        height=5,
        fields={"decimals": 0},
    ),
    Panel(
        "stat",
        ("Mode", "模式"),
        (
            "What the gateways do: `enforce` acts, `shadow` only records, `off` judges nothing. Savings come from "
            "`enforce` alone.",
            "网关的工作方式：enforce 照判断办事，shadow 只记录，off 不判断。只有 enforce 才有节省。",
        ),
        "short",
        (some("sum by (mode) (@gate_mode) > 0", mode="unknown"), "{{mode}}"),
        width=4,
        height=5,
        options={"textMode": "value_and_name"},
    ),
]

SAVINGS = Dashboard(
    "intentgate-savings",
    ("intentgate: savings", "intentgate：节省"),
    (
        "What the gateway saved, and what it may have cost in turned-away customers.",
        "网关省下了什么，又可能误拒了多少客户。",
    ),
    "now-7d",
    [
        (("In short: cost, time, and the customers that it cost", "总的来说：费用、时间，和代价"), HEADLINE),
        (("Saved in the time chosen", "所选时间内的节省"), OVERVIEW),
        (("The other side: customers turned away", "另一面：误拒的客户"), CUSTOMERS),
        (("By day", "按天"), DAYS),
        (("By intent", "按意图"), INTENTS),
        (("What the figures rest on", "这些数字的依据"), TRUST),
    ],
)
