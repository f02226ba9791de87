-- filter.lua -- a pandoc filter: turns links between sources into links between pages, and fills the index.
-- SPDX-License-Identifier: MIT

local pandoc = pandoc -- luacheck: globals pandoc
local source, url, index

local function resolve(path)
  local parts = {}
  local base = path:sub(1, 1) == "/" and "" or (source:match("^(.*/)") or "")
  for part in (base .. path):gmatch("[^/]+") do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

-- The page of a file of the tree; nil for one that has none (the C sources, the specs).
local function page_of(path)
  if path == "LICENSE" then return "LICENSE.txt" end
  if path == "docs" or path == "docs/README.md" then return "index.html" end
  if path == "docs/reference" or path == "docs/migration" then
    return "index.html#" .. path:match("[^/]+$")
  end
  if path:match("^examples") and not path:match("%.%w+$") then return "examples/index.html" end
  if path:match("^examples/.*%.lua$") then return (path:gsub("%.lua$", ".html")) end
  if path:match("^docs/.*%.md$") then return (path:gsub("^docs/", ""):gsub("%.md$", ".html")) end
  if path:match("^[A-Z]+%.md$") then return (path:lower():gsub("%.md$", ".html")) end
  if path:match("^docs/.*%.svg$") or path:match("^docs/.*%.png$") then return (path:gsub("^docs/", "")) end
end

local function relative(path, anchor)
  local page = page_of(resolve(path))
  if not page then return nil end
  local depth = select(2, url:gsub("/", ""))
  if page:find("#", 1, true) then anchor = "" end
  return ("../"):rep(depth) .. page .. anchor
end

-- What has no page is still to be there.
local function check_file(path)
  local file = io.open(resolve(path))
  if file then return file:close() end
  local dead = assert(io.open(index .. ".dead", "a"))
  dead:write(("%s: dead link %s\n"):format(source, path))
  dead:close()
end

local function link(el)
  if el.target:match("^%a[%w+.-]*:") or el.target:match("^#") then return nil end
  local path, anchor = el.target:match("^([^#]*)(#?.*)$")
  local to = relative(path, anchor)
  if not to then
    check_file(path)
    return el.content
  end
  el.target = to
  return el
end

local function image(el)
  if el.src:match("^%a[%w+.-]*:") then return nil end
  el.src = relative(el.src, "") or el.src
  return el
end

local function json(s)
  s = s:gsub("%s+", " "):gsub('[\\"]', "\\%0"):gsub("%c", " "):gsub("</", "<\\/")
  return '"' .. s .. '"'
end

-- Blocks one after the other, words as they stand.
local function text_of(block)
  local parts = {}
  local function take(el) parts[#parts + 1] = pandoc.utils.stringify(el) end
  pandoc.walk_block(pandoc.Div { block }, {
    Plain = take, Para = take,
    CodeBlock = function(el) parts[#parts + 1] = el.text end,
  })
  return table.concat(parts, " ")
end

local function sections(doc)
  local title = pandoc.utils.stringify(doc.meta.pagetitle)
  local file = assert(io.open(index, "a"))
  local heading, anchor, text = title, "", {}
  local function flush()
    if #text == 0 and anchor == "" then return end
    file:write(("[%s,%s,%s,%s],\n"):format(json(url .. anchor), json(title), json(heading),
      json(table.concat(text, " "))))
  end
  for _, block in ipairs(doc.blocks) do
    if block.t == "Header" then
      flush()
      heading, anchor, text = pandoc.utils.stringify(block), "#" .. block.identifier, {}
    else
      text[#text + 1] = text_of(block)
    end
  end
  flush()
  file:close()
end

local function start(doc)
  local function meta(name) return pandoc.utils.stringify(doc.meta[name]) end
  source, url, index = meta "source", meta "url", meta "index"
  sections(doc)
end

-- A table scrolls where it does not fit; one of few columns breaks its words first.
local function wide_table(el)
  local classes = { "table" }
  if #el.colspecs <= 3 then classes[2] = "narrow" end
  return pandoc.Div({ el }, pandoc.Attr("", classes))
end

-- A picture by itself scrolls, too: what is drawn for a wide page cannot be read when it is made small.
local function picture(el)
  if #el.content == 1 and el.content[1].t == "Image" then
    return pandoc.Div({ el }, pandoc.Attr("", { "picture" }))
  end
end

return { { Pandoc = start }, { Link = link, Image = image, Table = wide_table, Para = picture } }
