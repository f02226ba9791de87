-- 41-crawler.lua -- a polite crawler over a made-up site: at most three pages at a time, at most one
-- request each tenth of a second, no page twice, none for longer than a second.
-- SPDX-License-Identifier: MIT
--
--   frontier (channel) -> throttle -> buffer_unordered (fetch) -> main
--        ^                                                          |
--        '--------------------- new links --------------------------'
local weir = require "weir"
local stream = require "weir.stream"

local site = {
  ["/"] = { seconds = 0.10, links = { "/news", "/shop", "/about" } },
  ["/news"] = { seconds = 0.30, links = { "/", "/news/1", "/news/2" } },
  ["/news/1"] = { seconds = 0.15, links = { "/news" } },
  ["/news/2"] = { seconds = 0.10, links = { "/news", "/gone" } },
  ["/shop"] = { seconds = 60.0, links = {} }, -- hangs
  ["/about"] = { seconds = 0.05, links = { "/" } },
}

-- The page's links, or nil and why there are none. In a real crawler: a request.
local function request(path)
  local page = site[path]
  weir.sleep(page and page.seconds or 0.05)
  if not page then return nil, "404" end
  return page.links
end

local function fetch(path)
  local in_time, links, why = weir.timeout(1, request, path)
  if not in_time then return path, {}, "too slow" end
  return path, links or {}, why or "ok"
end

-- Fetches everything that can be reached from `start`; calls report for each page.
local function crawl(start, report)
  -- Without a bound on purpose: the reader of the results is the one who sends. What bounds it is that
  -- no path is sent twice.
  local frontier, paths = weir.unbounded()
  local seen, open = {}, 0

  local function visit(path)
    if seen[path] then return end
    seen[path], open = true, open + 1
    frontier:send(path)
  end

  visit(start)
  local pages <close> = stream.from(paths):throttle(0.1):buffer_unordered(3, fetch)
  for path, links, status in pages do
    report(path, status)
    for _, link in ipairs(links) do visit(link) end
    open = open - 1
    if open == 0 then frontier:drop() end -- nothing is on its way: so the frontier, and the pages, end
  end
end

weir.run_paused(function()
  local began = weir.now()
  local pages = 0
  crawl("/", function(path, status)
    pages = pages + 1
    print(("%.2f s  %-8s %s"):format(weir.now() - began, path, status))
  end)
  print(pages .. " pages")
end)
--> output
-- 0.10 s  /        ok
-- 0.35 s  /about   ok
-- 0.40 s  /news    ok
-- 0.55 s  /news/1  ok
-- 0.60 s  /news/2  ok
-- 0.65 s  /gone    404
-- 1.20 s  /shop    too slow
-- 7 pages
