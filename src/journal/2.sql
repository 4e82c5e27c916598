-- The ids of a request, beside request_id, which is what its client knows it by: the client's own where it sent one,
-- else the gateway's.
-- The gateway's, which no other request has.
ALTER TABLE request ADD COLUMN gate_id TEXT;
-- The one that the upstream gave its reply.
ALTER TABLE request ADD COLUMN upstream_id TEXT;
