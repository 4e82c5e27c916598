-- One row a judged request, in the order in which their replies ended.
CREATE TABLE request (
    -- Microseconds of Unix time when the request's headers were there.
    at                      INTEGER NOT NULL,
    request_id              TEXT    NOT NULL,
    -- The same number for the same conversation and the same caller; hashes, salted with what `meta` holds.
    conversation            INTEGER,
    caller                  INTEGER,
    -- The name of the client's key.
    client                  TEXT,
    protocol                TEXT    NOT NULL,
    -- As the client asked for it.
    model                   TEXT,
    -- forward, answer, reject; refused where the gateway turned it away, none where the client left first.
    decision                TEXT    NOT NULL,
    -- What would have been done, and why it was not: shadow, audit.
    would_be                TEXT,
    waived                  TEXT,
    -- The share of rejections that was drawn for the audit when this one was.
    audit_share             REAL,
    -- The label of the metrics: an intent, background, none.
    intent                  TEXT    NOT NULL,
    -- The intent, or the kind of the background.
    topic                   TEXT,
    -- The likeliest intent of the shop, whatever the decision.
    nearest                 TEXT,
    reason                  TEXT,
    log_odds                REAL,
    threshold               REAL,
    mixed                   INTEGER NOT NULL,
    -- cache, static, encoder.
    stage                   TEXT,
    gate_us                 INTEGER,
    first_byte_us           INTEGER,
    total_us                INTEGER NOT NULL,
    -- Of the reply; 0 where the client left before there was one.
    status                  INTEGER NOT NULL,
    upstream_status         INTEGER,
    -- complete, cut, or the code of an error.
    outcome                 TEXT    NOT NULL,
    -- What the upstream billed: told by it, or counted here.
    usage                   TEXT,
    prompt_tokens           INTEGER,
    cached_tokens           INTEGER,
    completion_tokens       INTEGER,
    cost                    REAL,
    -- What it would have billed: the prompt counted here, the completion expected.
    saved_prompt_tokens     INTEGER,
    saved_completion_tokens REAL,
    saved_cost              REAL,
    currency                TEXT,
    -- The request_id of the rejection that this question follows: asked again, or handed to a person.
    again_of                TEXT,
    handed_over_of          TEXT,
    -- Only where journal.questions is on.
    question                TEXT
);
CREATE INDEX request_at ON request (at);
-- Reviews find what they speak of; in a journal of enforced decisions it is short.
CREATE INDEX request_waived ON request (request_id) WHERE waived IS NOT NULL;

-- What a person says of a question that would have been rejected.
CREATE TABLE review (
    request_id TEXT    PRIMARY KEY,
    -- Microseconds of Unix time.
    at         INTEGER NOT NULL,
    -- Whether the rejection would have been wrong.
    wrong      INTEGER NOT NULL
);

-- What the journal itself needs: salt.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
