-- links.lua OUT -- names every link, picture and anchor of the pages that leads nowhere, and fails for one.
-- SPDX-License-Identifier: MIT

local out = assert(arg[1], "usage: links.lua OUT")
local ids = {}

local function read(path)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then file:close() end
  return text
end

local function ids_of(path)
  if ids[path] == nil then
    local text = read(path)
    ids[path] = text and {} or false
    for id in (text or ""):gmatch('%sid="([^"]+)"') do ids[path][id] = true end
  end
  return ids[path]
end

local function resolve(from, link)
  local parts = {}
  for part in ((from:match("^(.*/)") or "") .. link):gmatch("[^/]+") do
    if part == ".." then
      parts[#parts] = nil
    else
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

local function alive(from, link)
  local path, anchor = link:match("^([^#]*)#?(.*)$")
  local found = ids_of(out .. "/" .. (path == "" and from or resolve(from, path)))
  return found and (anchor == "" or found[anchor])
end

local function main()
  local checked, dead = 0, 0
  local pipe = assert(io.popen("find '" .. out .. "' -name '*.html' | LC_ALL=C sort"))
  for path in pipe:lines() do
    local from = path:sub(#out + 2)
    for link in read(path):gsub("&amp;", "&"):gmatch('%s[hs][r][ec]f?="([^"]+)"') do
      if not link:match("^%a[%w+.-]*:") then
        checked = checked + 1
        if not alive(from, link) then
          dead = dead + 1
          io.stderr:write(("%s: dead link %s\n"):format(from, link))
        end
      end
    end
  end
  pipe:close()
  print(("%d links checked, %d dead"):format(checked, dead))
  os.exit(dead == 0)
end

main()
