-- The ids of a request, beside request_id, which is what its client knows it by: the client's own where it sent one,
-- else the gateway's.
-- The gateway's, which no other request has.
ALTER TABLE request ADD COLUMN gate_id TEXT;
-- The one that the upstream gave its reply.
ALTER TABLE request ADD COLUMN upstream_id TEXT;
-- The request_id of the saved call that this one repeats: together they are one, and its sums stand there.
ALTER TABLE request ADD COLUMN repeat_of TEXT;
-- Calls that were saved before any reply was known, until they get their completion tokens. It is short.
CREATE INDEX request_incomplete ON request (model)
    WHERE saved_prompt_tokens IS NOT NULL AND saved_completion_tokens IS NULL;
