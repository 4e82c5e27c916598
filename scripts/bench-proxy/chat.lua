-- What wrk sends, and what it prints for rounds.py: microseconds, and replies a second.
--   wrk … -s chat.lua URL -- QUESTION

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer key"
    wrk.body = '{"model":"m","messages":[{"role":"user","content":"' .. args[1] .. '"}]}'
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("figures %d %d %.1f %d\n",
        latency:percentile(50), latency:percentile(99), summary.requests / summary.duration * 1e6, failed))
end
