//! Entries → rows.

use rusqlite::{Connection, params};

use super::Entry;

const INSERT: &str = "INSERT INTO request (
    at, request_id, conversation, caller, client, protocol, model, decision, would_be, waived, audit_share,
    intent, topic, nearest, reason, log_odds, threshold, mixed, stage, gate_us, first_byte_us, total_us,
    status, upstream_status, outcome, usage, prompt_tokens, cached_tokens, completion_tokens, cost,
    saved_prompt_tokens, saved_completion_tokens, saved_cost, currency, again_of, handed_over_of, question,
    gate_id, upstream_id, repeat_of
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Writes all of them, or none.
///
/// # Errors
/// The database's own.
pub(super) fn insert<'e>(
    database: &Connection,
    entries: impl Iterator<Item = &'e Entry>,
) -> rusqlite::Result<()> {
    let transaction = database.unchecked_transaction()?;
    let mut insert = transaction.prepare_cached(INSERT)?;
    for e in entries {
        insert.execute(params![
            e.at,
            e.request_id,
            e.conversation,
            e.caller,
            e.client,
            e.protocol,
            e.model,
            e.decision,
            e.would_be,
            e.waived,
            e.audit_share,
            e.intent,
            e.topic,
            e.nearest,
            e.reason,
            e.log_odds,
            e.threshold,
            e.mixed,
            e.stage,
            e.gate_us,
            e.first_byte_us,
            e.total_us,
            e.status,
            e.upstream_status,
            e.outcome,
            e.usage,
            e.prompt_tokens,
            e.cached_tokens,
            e.completion_tokens,
            e.cost,
            e.saved_prompt_tokens,
            e.saved_completion_tokens,
            e.saved_cost,
            e.currency,
            e.again_of,
            e.handed_over_of,
            e.question,
            e.gate_id,
            e.upstream_id,
            e.repeat_of,
        ])?;
    }
    drop(insert);
    transaction.commit()
}
