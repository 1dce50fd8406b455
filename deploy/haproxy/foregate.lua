-- Asks Foregate whether a request may pass (HAProxy >= 2.6).
-- Used as `http-request lua.foregate ADDRESS HEADER,HEADER,...`: where Foregate listens, and the headers that the application
-- is to get from it. A 200 lets the request on with those headers set, and with the client's own copy of every header that
-- Foregate sent removed; any other answer goes to the client whole.

-- What Foregate decides on, and nothing more: no body, no Upgrade, no header that the client could smuggle in.
local asked = {
  "cookie", "authorization", "dpop", "accept", "accept-language", "user-agent", "origin", "x-requested-with", "x-request-id",
  "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-site", "traceparent", "access-control-request-method",
  "x-http-method-override", "x-http-method", "x-method-override",
  "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "x-forwarded-method", "x-forwarded-uri",
}

-- HTTP/1.1 framing of the answer to us says nothing about the answer to the client.
local hop = {
  connection = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true, date = true,
}

-- CGI, WSGI, PHP and others read `X_User`, `X.User` and `x-user` as one name.
local function plain(name)
  return (name:lower():gsub("[^a-z0-9]", "-"))
end

local function refuse(txn)
  local reply = txn:reply({ status = 503, reason = "Service Unavailable" })
  reply:add_header("content-type", "text/plain; charset=utf-8")
  reply:add_header("cache-control", "no-store")
  reply:add_header("retry-after", "5")
  reply:set_body("Sign-in cannot be checked at the moment. Please try again in a few seconds.\n")
  txn:done(reply)
end

core.register_action("foregate", { "http-req" }, function(txn, address, identity)
  local received = txn.http:req_get_headers()
  local headers = {}
  for _, name in ipairs(asked) do
    if received[name] then
      local values = {}
      for index = 0, #received[name] do
        values[#values + 1] = received[name][index]
      end
      headers[name] = values
    end
  end

  local response = core.httpclient():get({ url = "http://" .. address .. "/auth/haproxy", headers = headers, timeout = 10000 })
  local status = response and response.status or 0
  -- 0: no whole answer. A 5xx that does not say when to come back is HAProxy's own: Foregate could not be reached.
  if status < 200 or (status >= 500 and not (response.headers and response.headers["retry-after"])) then
    return refuse(txn)
  end

  if response.status == 200 then
    local sent = response.headers or {}
    -- First of all what the client sent, in every spelling, also by a name that is missing in the list: the application may read it.
    local ours = {}
    for name in pairs(sent) do
      ours[plain(name)] = not hop[name]
    end
    for name in identity:gmatch("[^,]+") do
      ours[plain(name)] = true
    end
    for name in pairs(received) do
      if ours[plain(name)] then
        txn.http:req_del_header(name)
      end
    end
    for name in identity:gmatch("[^,]+") do
      local values = sent[name]
      if values and values[0] and values[0] ~= "" then
        txn.http:req_set_header(name, values[0])
      end
    end
    return
  end

  local reply = txn:reply({ status = response.status, reason = response.reason })
  for name, values in pairs(response.headers or {}) do
    if not hop[name] then
      for index = 0, #values do
        reply:add_header(name, values[index])
      end
    end
  end
  if txn.f:method() ~= "HEAD" then
    reply:set_body(response.body or "")
  end
  txn:done(reply)
end, 2)
