-- 60-http.lua -- lua-http serves and fetches; a counter that one task owns answers the requests.
-- SPDX-License-Identifier: MIT

-- Debian's lua-http has no directory for Lua 5.4; its files are the same for all versions.
package.path = package.path .. ";/usr/share/lua/5.1/?.lua"

local weir = require "weir"
local adapter = require "weir.cqueues"
local headers = require "http.headers"
local request = require "http.request"
local server = require "http.server"

local function counter(requests)
  local n = 0
  for msg in requests do
    local reply <close> = msg.reply            -- lost with this task, and who asked hears of it
    n = n + msg.add
    weir.sleep(0.001)                          -- work of some kind; who asks meanwhile waits in line
    reply:send(n)
  end
end

adapter.run(function()
  local tx, rx = weir.mpsc(4)                  -- at most four requests wait for the counter
  weir.spawn(counter, rx)

  -- lua-http calls this for each request; adapter.task makes each call a task.
  local answer = adapter.task(function(_, stream)
    local add = assert(stream:get_headers()):get(":path"):match "^/add/(%d+)$"
    local n, why = tx:call({ add = tonumber(add or 0) }, 1)
    local head = headers.new()
    head:append(":status", n and "200" or "503")
    stream:write_headers(head, false)
    stream:write_chunk(tostring(n or why), true)
  end)

  local http = assert(server.listen {
    host = "127.0.0.1", port = 0, tls = false, cq = adapter.controller(), onstream = answer,
  })
  adapter.call(http.listen, http)
  local port = select(3, http:localname())

  -- lua-http's client, in twenty tasks at once: what it waits for, the tasks wait for.
  local function fetch(path)
    local asked = request.new_from_uri(("http://127.0.0.1:%d%s"):format(port, path))
    return adapter.call(function()
      local head, stream = assert(asked:go(5))
      return head:get ":status", assert(stream:get_body_as_string(5))
    end)
  end

  local fetches = {}
  for i = 1, 20 do fetches[i] = function() return fetch("/add/" .. i) end end
  print(#weir.join_all(fetches) .. " requests")
  print(fetch "/sum")
end)

--> output
-- 20 requests
-- 200	210
