-- What wrk sends and how it reports: called by bench/load/wrk.py as `-- METHOD BODY_BYTES HOSTS ROUTES`.
-- HOSTS 0 sends one fixed request (wrk then never enters Lua); otherwise the requests go round over HOSTS virtual hosts and,
-- within them, over ROUTES paths, prepared once here. Ends with one line of JSON that starts with RESULT.

function init(args)
  wrk.method = args[1]
  local bytes, hosts, routes = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  if bytes > 0 then
    wrk.body = string.rep("x", bytes)
  end
  if hosts > 0 then
    local prepared, at = {}, 0
    for i = 0, hosts - 1 do
      wrk.headers["Host"] = string.format("h%d.example", i)
      prepared[i] = wrk.format(nil, string.format("/r%d", (i * 7) % routes))
    end
    function request()
      at = (at + 1) % hosts
      return prepared[at]
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,' ..
    '"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write, errors.status,
    errors.timeout, latency:percentile(50), latency:percentile(99)))
end
