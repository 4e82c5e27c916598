"""The dashboard for operators: what comes, how long verdicts take, what fails, what state everything is in."""

from panels import STACKED, Dashboard, Panel, quantiles, some

RATE = "[$__rate_interval]"
VERDICTS = f"sum by (stage) (rate(@gate_duration_seconds_count{RATE}))"
# Whether the files' last edit is in force.
SYNC = {"1": (("in force", "已生效"), "green"), "0": (("an edit is refused", "修改被拒"), "red")}

STATE = [
    Panel(
        "stat",
        ("Gateways, by version", "网关数，按版本"),
        (
            "Gateways that Prometheus sees. Fewer than you run: see the alert IntentgateDown. Two versions: a "
            "roll-out is under way, or got stuck.",
            "Prometheus 看到的网关数。比您运行的少：参见告警 IntentgateDown。出现两个版本：正在升级，或升级卡住了。",
        ),
        "none",
        ("sum by (version) (@build_info)", "{{version}}"),
        width=4,
        height=4,
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Mode", "模式"),
        (
            "What the gateways do: `enforce` acts, `shadow` only records, `off` judges nothing. All should show one.",
            "网关的工作方式：enforce 照判断办事，shadow 只记录，off 不判断。所有网关应当一致。",
        ),
        "none",
        (some("sum by (mode) (@gate_mode) > 0", mode="unknown"), "{{mode}}"),
        width=4,
        height=4,
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "stat",
        ("Intents", "意图"),
        (
            "Whether the published intents are those of the folder. Refused: the log lists every problem of the "
            "edit, `intentgate check` too; the intents before it go on serving.",
            "生效的意图是否就是文件夹里的。被拒：日志和 `intentgate check` 会列出全部问题；之前的意图继续工作。",
        ),
        "none",
        ("min(@intents_in_sync)", ""),
        width=4,
        height=4,
        mappings=SYNC,
    ),
    Panel(
        "stat",
        ("Configuration", "配置"),
        (
            "Whether the configuration in force is that of its file. Refused: the log lists every problem of the "
            "edit, `intentgate check` too; the configuration before it goes on.",
            "生效的配置是否就是文件里的。被拒：日志和 `intentgate check` 会列出全部问题；之前的配置继续工作。",
        ),
        "none",
        ("min(@config_in_sync)", ""),
        width=4,
        height=4,
        mappings=SYNC,
    ),
    Panel(
        "stat",
        ("Upstreams left alone", "暂停使用的上游"),
        (
            "Upstreams that failed five times in a row and are tried again only now and then. Above zero: fallbacks "
            "carry the traffic, or customers see errors.",
            "接连失败五次、只偶尔再试的上游数。大于零：备用上游在承担流量，或者客户看到了错误。",
        ),
        "none",
        ("sum(@upstream_open)", ""),
        width=4,
        height=4,
    ),
    Panel(
        "stat",
        ("Started", "启动时间"),
        (
            "When the youngest gateway started. Moments ago, and you did not: look at the system's log for a crash "
            "or for lack of memory.",
            "最晚启动的网关是什么时候启动的。如果就在刚才、而您没有重启：请在系统日志里找崩溃或内存不足。",
        ),
        "dateTimeFromNow",
        ("max(@process_start_time_seconds) * 1000", ""),
        width=4,
        height=4,
    ),
]

TRAFFIC = [
    Panel(
        "timeseries",
        ("Requests by decision", "请求，按处理"),
        (
            "Requests of judged protocols that have ended. `refused` got an error of the gateway; the panel of "
            "refusals says why. A drop to nothing: look at the chat front end and the network before the gateway.",
            "已结束的、需要判断的请求。“拒收”得到的是网关的错误，原因见“网关返回的错误”。忽然归零：先查聊天前端和网络。",
        ),
        "reqps",
        (some(f"sum by (decision) (rate(@requests_total{RATE}))", decision="forward"), "{{decision}}"),
        width=8,
        custom=STACKED,
    ),
    Panel(
        "timeseries",
        ("Requests by protocol", "请求，按协议"),
        (
            "The API that clients speak. One that nobody should use: limit who has a key.",
            "客户端使用的接口。出现了不该有人用的：请管好密钥。",
        ),
        "reqps",
        (some(f"sum by (protocol) (rate(@requests_total{RATE}))", protocol="chat_completions"), "{{protocol}}"),
        width=8,
        custom=STACKED,
    ),
    Panel(
        "timeseries",
        ("In flight", "正在进行"),
        (
            "Requests that run, streams included, by gateway. Near `limits.requests` new ones get 503: raise it, add "
            "a gateway, or find out why the upstream is slow.",
            "每个网关正在进行的请求，含流。接近 `limits.requests` 时新请求得到 503：请调高、加网关，或查上游为什么慢。",
        ),
        "short",
        ("sum by (instance) (@requests_in_flight)", "{{instance}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Duration of requests", "请求耗时"),
        (
            "From a request's headers to the end of its reply, by decision. Forwarded ones take as long as the "
            "upstream; answered and declined ones milliseconds: if those rise, see the time of a verdict.",
            "从收到请求头到回复结束，按处理。转发的取决于上游；直接答复和婉拒的只要几毫秒：升高时看“判断耗时”。",
        ),
        "s",
        *quantiles("request_duration_seconds", "decision", decision="answer"),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Errors of the gateway", "网关返回的错误"),
        (
            "Requests that got an error, by its code. `invalid_api_key`, `rate_limited` and `unreadable_request` are "
            "clients' doing; `gateway_busy` wants capacity or a higher `limits.requests`; `upstream_…` is the upstream's.",
            "得到错误的请求，按错误代码。invalid_api_key、rate_limited、unreadable_request 是客户端造成的；"
            "gateway_busy 要扩容或调高 `limits.requests`；upstream 开头的是上游的问题。",
        ),
        "reqps",
        (some(f"sum by (code) (rate(@requests_refused_total{RATE}))", code="none yet"), "{{code}}"),
        width=12,
    ),
]

GATE = [
    Panel(
        "timeseries",
        ("Time of a verdict, by stage", "判断耗时，按阶段"),
        (
            "From prompt to decision, waiting included. The encoder's p50 should be some milliseconds. If p99 grows "
            "and the queue with it, the processor is short: give it cores, `model.threads`, or a second gateway.",
            "从拿到问题到作出判断，含排队。encoder 的 p50 应在几毫秒。如果 p99 和队列一起上升，说明处理器不够：加核、调 `model.threads`，或加网关。",
        ),
        "s",
        *quantiles("gate_duration_seconds", "stage", stage="encoder"),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Share by stage", "各阶段的比例"),
        (
            "Which stage verdicts rest on: `cache` was judged before, `static` is beyond doubt without the encoder. "
            "More `encoder` than usual: new kinds of questions, or an edit that makes intents harder to tell apart.",
            "判断由哪个阶段作出：cache 是判断过的，static 不用编码器就毫无疑问。encoder 比平时多：出现了新类型的问题，或某次修改让意图更难区分。",
        ),
        "percentunit",
        (some(f"{VERDICTS} / on() group_left() (sum({VERDICTS}) > 0)", stage="encoder"), "{{stage}}"),
        width=12,
        custom=STACKED,
    ),
    Panel(
        "timeseries",
        ("Questions that wait for the model", "等待模型的问题"),
        (
            "The queue before the encoder, by gateway. It should be near zero; at `model.queue` questions are "
            "forwarded unjudged.",
            "每个网关编码器前的队列。应接近零；到了 `model.queue`，问题会未经判断就转发。",
        ),
        "short",
        ("sum by (instance) (@model_queue_length)", "{{instance}}"),
        width=6,
    ),
    Panel(
        "timeseries",
        ("Verdicts kept", "缓存的判断"),
        (
            "Verdicts in the cache, by gateway; a question that is asked again is answered from there. Each edit "
            "of the intents empties it.",
            "每个网关缓存的判断数；再次出现的问题直接用它。每次修改意图都会清空。",
        ),
        "short",
        (some("sum by (instance) (@verdict_cache_entries)", instance="none"), "{{instance}}"),
        width=6,
    ),
    Panel(
        "heatmap",
        ("Log-odds that decided", "作出判断的对数几率"),
        (
            "How far questions are the shop's business: low is off-topic, high is business. Two bands with little "
            "between them are good; a band at the threshold that `intentgate check` prints wants examples.",
            "问题有多像店里的事：低是无关，高是店里的事。两条带分得开为好；如果在 `intentgate check` 给出的阈值处出现一条带，需要补例句。",
        ),
        "short",
        (f"sum by (le) (increase(@gate_log_odds_bucket{RATE}))", "{{le}}"),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Decisions by reason", "判断的理由"),
        (
            "Why decisions fell as they did; the README explains the words. A reason that jumps after an edit is "
            "where to look with `intentgate ask`.",
            "为什么这样处理；各词的意思见 README。某次修改后突然增多的理由，可用 `intentgate ask` 细看。",
        ),
        "reqps",
        (some(f"sum by (reason) (rate(@decisions_total{RATE}))", reason="none yet"), "{{reason}}"),
        width=12,
        custom=STACKED,
    ),
    Panel(
        "timeseries",
        ("Grey, mixed and long questions", "拿不准、混合和过长的问题"),
        (
            "Between the two thresholds, by what `gate.grey` did; with an off-topic part beside business; longer "
            "than the model reads. Many grey ones want examples; many mixed ones may be attempts to use the LLM for free.",
            "介于两个阈值之间的（按 `gate.grey` 的处理）、夹带无关内容的、超过模型长度的。拿不准的多，要补例句；混合的多，可能有人想白用大模型。",
        ),
        "reqps",
        (f"sum by (action) (rate(@questions_grey_total{RATE}))", ("grey: {{action}}", "拿不准：{{action}}")),
        (f"sum(rate(@questions_mixed_total{RATE}))", ("mixed", "混合")),
        (f"sum(rate(@questions_truncated_total{RATE}))", ("too long", "过长")),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Forwarded unjudged, by reason", "未判断就转发，按原因"),
        (
            "`queue_full`, `over_budget`, `model_failed` and `not_ready` are failures of the gate: see the alert "
            "IntentgateGateBypassing. `unknown_shape` may be somebody who gets around it; "
            "`gate.unknown_shape = \"refuse\"` stops that.",
            "queue_full、over_budget、model_failed、not_ready 是网关自己的故障：参见告警 IntentgateGateBypassing。"
            "unknown_shape 可能是有人在绕过判断；`gate.unknown_shape = \"refuse\"` 可以阻止。",
        ),
        "reqps",
        (f"sum by (reason) (rate(@gate_bypassed_total{RATE}))", "{{reason}}"),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Not acted upon", "没有照办的判断"),
        (
            "Decisions that were only recorded: in `shadow` mode, or as a sample for the audit. With "
            "`gate.audit_share` set and nothing here, nothing was rejected.",
            "只记录、没有照办的判断：shadow 模式，或抽样审核。设了 `gate.audit_share` 而这里为零，说明没有要婉拒的问题。",
        ),
        "reqps",
        (
            some(
                f"sum by (decision, reason) (rate(@gate_waived_total{RATE}))", decision="reject", reason="none yet"
            ),
            ("{{decision}} ({{reason}})", "{{decision}}（{{reason}}）"),
        ),
        width=12,
    ),
]

UPSTREAM = [
    Panel(
        "timeseries",
        ("First byte of the upstream", "上游首字节"),
        (
            "From the request sent to the reply's headers. If it grows, the upstream is busy or the network is "
            "slow: nothing in the gateway waits here.",
            "从发出请求到收到回复头。升高说明上游繁忙或网络慢：网关本身在这里不等待。",
        ),
        "s",
        *quantiles("upstream_first_byte_seconds"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Whole replies of the upstream", "上游的完整回复"),
        (
            "From the request sent to the end of its reply. If it grows and the first byte does not, replies are "
            "longer, or clients read slowly.",
            "从发出请求到回复结束。它升高而首字节没有：回复变长了，或客户端读得慢。",
        ),
        "s",
        *quantiles("upstream_duration_seconds"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Requests to upstreams, by result", "发往上游的请求，按结果"),
        (
            "As they were sent, retries included. `status_429`: the upstream's limit is reached; `connect_failed`, "
            "`timed_out`, `broke_off`, `status_5xx`: it fails. See the alert IntentgateUpstreamFailing.",
            "实际发出的请求，含重试。status_429：到了上游的限额；connect_failed、timed_out、broke_off、status_5xx：上游故障。"
            "参见告警 IntentgateUpstreamFailing。",
        ),
        "reqps",
        (
            some(
                f"sum by (upstream, result) (rate(@upstream_requests_total{RATE}))", upstream="any", result="none yet"
            ),
            "{{upstream}} {{result}}",
        ),
        width=8,
        custom=STACKED,
    ),
    Panel(
        "timeseries",
        ("Failed requests, by error", "失败的请求，按错误"),
        (
            "Requests for which no upstream had a whole reply, by the error that the client saw. The log has each "
            "with its request id.",
            "没有从上游得到完整回复的请求，按客户端看到的错误。日志里有每一个的请求号。",
        ),
        "reqps",
        (some(f"sum by (code) (rate(@upstream_errors_total{RATE}))", code="none yet"), "{{code}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Sent once more, by reason", "重发，按原因"),
        (
            "Requests that went to a fallback or were repeated, by what the time before came to. Steady: the first "
            "upstream is not fit for the load.",
            "转到备用上游或重发的请求，按上一次的结果。一直有：第一个上游承受不了这样的量。",
        ),
        "reqps",
        (some(f"sum by (reason) (rate(@upstream_retries_total{RATE}))", reason="none yet"), "{{reason}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Left alone after failures", "因失败暂停使用"),
        (
            "1 while an upstream is left alone. If the last one is, customers get errors: see the alert "
            "IntentgateUpstreamOpen.",
            "上游被暂停时为 1。如果最后一个也被暂停，客户会看到错误：参见告警 IntentgateUpstreamOpen。",
        ),
        "none",
        ("max by (upstream) (@upstream_open)", "{{upstream}}"),
        width=8,
        fields={"max": 1},
    ),
    Panel(
        "timeseries",
        ("Tokens of upstreams", "上游的 token"),
        (
            "Tokens that upstreams billed. Cached prompt tokens are part of the prompt's. A jump without more "
            "requests: longer conversations, or a longer system prompt.",
            "上游计费的 token。缓存的输入包含在输入里。请求没变多而它跳升：对话变长，或系统提示变长。",
        ),
        "short",
        (f"sum by (kind) (rate(@upstream_tokens_total{RATE}))", "{{kind}}"),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Usage of replies, by source", "回复的用量来源"),
        (
            "How the tokens of replies are known. Rising `unknown`: replies without usage that were not read, or "
            "broke off; their cost is missing.",
            "回复的 token 数从哪里得知。“未知”增多：没有用量、也没能统计的回复，其费用会缺失。",
        ),
        "reqps",
        (f"sum by (source) (rate(@upstream_usage_total{RATE}))", "{{source}}"),
        width=12,
        custom=STACKED,
    ),
]

FILES = [
    Panel(
        "timeseries",
        ("Reloads", "重新加载"),
        (
            "Edits of intents and configuration, taken or refused. An edit that you made and that is not here was "
            "not seen: send SIGHUP, and look whether the gateway watches the folder you edit.",
            "意图和配置的修改，生效或被拒。改了却没有出现在这里：请发送 SIGHUP，并检查网关看的是不是您改的文件夹。",
        ),
        "short",
        (f"sum by (result) (increase(@intents_reloads_total{RATE}))", ("intents: {{result}}", "意图：{{result}}")),
        (f"sum by (result) (increase(@config_reloads_total{RATE}))", ("configuration: {{result}}", "配置：{{result}}")),
        width=8,
    ),
    Panel(
        "timeseries",
        ("In sync", "是否同步"),
        (
            "1 while what serves is what the files say, by gateway; 0 after an edit that was refused.",
            "生效的与文件一致时为 1，按网关；修改被拒后为 0。",
        ),
        "none",
        ("min by (instance) (@intents_in_sync)", ("intents {{instance}}", "意图 {{instance}}")),
        ("min by (instance) (@config_in_sync)", ("configuration {{instance}}", "配置 {{instance}}")),
        width=8,
        fields={"max": 1},
    ),
    Panel(
        "timeseries",
        ("Published intents", "生效的意图"),
        (
            "By action. A step down that nobody made: a file was lost.",
            "按处理方式。无缘无故减少：有文件丢了。",
        ),
        "short",
        ("max by (action) (@intents)", "{{action}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Records for the journal", "请求记录：写入和丢弃"),
        (
            "Written, and dropped because the disk or the database did not keep up; `not entered` are in no savings "
            "either. Reports miss them, requests are not touched. See the alert IntentgateJournalDropping.",
            "写入的，和因为磁盘或数据库跟不上而丢弃的；“未入账”的也不计入节省。报告会缺少它们，请求不受影响。"
            "参见告警 IntentgateJournalDropping。",
        ),
        "cps",
        (f"sum by (result) (rate(@journal_records_total{RATE}))", "{{result}}"),
        (some(f"sum(rate(@ledger_dropped_total{RATE}))"), ("not entered", "未入账")),
        width=12,
    ),
    Panel(
        "timeseries",
        ("Size of the journal", "请求记录：大小"),
        (
            "Bytes of the database, by gateway; `journal.keep` and `journal.max_size` bound it.",
            "每个网关的数据库字节数；上限由 `journal.keep` 和 `journal.max_size` 决定。",
        ),
        "bytes",
        ("sum by (instance) (@journal_size_bytes)", "{{instance}}"),
        width=12,
    ),
]

PROCESS = [
    Panel(
        "timeseries",
        ("CPU", "处理器"),
        (
            "Cores in use, by gateway. At the host's cores verdicts are slow and questions pass unjudged.",
            "每个网关占用的核数。用满时判断变慢，问题会未经判断就通过。",
        ),
        "none",
        (f"sum by (instance) (rate(@process_cpu_seconds_total{RATE}))", "{{instance}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("Memory", "内存"),
        (
            "Resident memory, by gateway: about 150 MiB, twice that while intents are fitted, and what streams "
            "hold. Steady growth at the same load is a fault; please report it.",
            "每个网关的常驻内存：约 150 MiB，拟合意图时加倍，另加流占用的。同样的负载下一直增长属于故障，请报告。",
        ),
        "bytes",
        ("sum by (instance) (@process_resident_memory_bytes)", "{{instance}}"),
        width=8,
    ),
    Panel(
        "timeseries",
        ("File descriptors", "文件描述符"),
        (
            "Open ones, and the limit. A stream takes two; near the limit new connections fail: raise `LimitNOFILE`.",
            "已打开的数量和上限。一个流占两个；接近上限时新连接会失败：请调高 `LimitNOFILE`。",
        ),
        "short",
        ("sum by (instance) (@process_open_fds)", ("open {{instance}}", "已打开 {{instance}}")),
        ("min(@process_max_fds)", ("limit", "上限")),
        width=8,
    ),
]

OPERATIONS = Dashboard(
    "intentgate-operations",
    ("intentgate: operations", "intentgate：运行"),
    (
        "What comes, how long verdicts take, what fails, and what state everything is in.",
        "来了什么、判断多快、哪里出错、各部分是什么状态。",
    ),
    "now-1h",
    [
        (("State", "状态"), STATE),
        (("Traffic", "流量"), TRAFFIC),
        (("The gate", "判断"), GATE),
        (("Upstreams", "上游"), UPSTREAM),
        (("Intents, configuration and journal", "意图、配置和请求记录"), FILES),
        (("Process", "进程"), PROCESS),
    ],
)
