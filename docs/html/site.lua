-- site.lua OUT -- builds the HTML pages from the README, docs/ and examples/ with pandoc; run from the top.
-- SPDX-License-Identifier: MIT

local out = assert(arg[1], "usage: site.lua OUT")
local pandoc = os.getenv("PANDOC") or "pandoc"

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function sh(command)
  if not os.execute(command) then
    io.stderr:write("failed: ", command, "\n")
    os.exit(1)
  end
end

local function files(find)
  local pipe = assert(io.popen(find .. " 2>/dev/null | LC_ALL=C sort"))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

local function escape(s)
  return (s:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

-- Where a source lands. filter.lua rewrites links by the same rule.
local function target(source)
  local path = source:gsub("^docs/", ""):gsub("%.md$", ".html"):gsub("%.lua$", ".html")
  return (path:gsub("^[A-Z]+%.html$", string.lower))
end

local function page(source, group)
  local title = read(source):match("^#%s+([^\n]+)") or source
  title = title:gsub("`", "")
  return { source = source, url = target(source), title = title, group = group }
end

-- The sidebar shows what stands before the colon: "mpsc: many senders, one receiver" is "mpsc" there.
local function label(p)
  return p.label or p.title:match("^(.-):%s") or p.title
end

local function add_all(pages, group, find)
  local found = {}
  for _, source in ipairs(files(find)) do found[#found + 1] = page(source, group) end
  table.sort(found, function(a, b) return label(a):lower() < label(b):lower() end)
  table.move(found, 1, #found, #pages + 1, pages)
end

local NAMES <const> = { ["README.md"] = "Read me", ["CHANGELOG.md"] = "Changes" }

-- Every Markdown file that a reader of the project may want, in the order of the sidebar. docs/README.md is
-- the list of pages for who browses the sources; here that is index.md.
local function collect()
  local pages = {}
  local function one(source, group, name)
    local p = page(source, group)
    p.label = name
    pages[#pages + 1] = p
  end
  one("docs/index.md", "Start", "Start")
  one("README.md", "Start", NAMES["README.md"])
  for _, source in ipairs(files "find . -maxdepth 1 -name '*.md' ! -name README.md") do
    source = source:sub(3)
    one(source, "Start", NAMES[source])
  end
  one("docs/tutorial.md", "Tutorial", "Tutorial")
  local others = "! -name index.md ! -name tutorial.md ! -name README.md"
  add_all(pages, "Guides", "find docs -maxdepth 1 -name '*.md' " .. others)
  add_all(pages, "Migration", "find docs/migration -name '*.md'")
  add_all(pages, "Reference", "find docs/reference -name '*.md'")
  for i, p in ipairs(pages) do p.before, p.after = pages[i - 1], pages[i + 1] end
  return pages
end

local function up(url)
  return ("../"):rep(select(2, url:gsub("/", "")))
end

local function sidebar(pages, current)
  local root, html, group = up(current), {}, nil
  for _, p in ipairs(pages) do
    if p.group ~= group then
      html[#html + 1] = (group and "</ul>\n" or "") .. "<h2>" .. p.group .. "</h2>\n<ul>"
      group = p.group
    end
    html[#html + 1] = ('<li><a href="%s%s"%s>%s</a></li>'):format(root, p.url,
      p.url == current and ' aria-current="page"' or "", escape(label(p)))
  end
  html[#html + 1] = "</ul>"
  return table.concat(html, "\n")
end

-- The pages before and after, below the text.
local function neighbours(p)
  local variables = {}
  for name, other in pairs { before = p.before, after = p.after } do
    variables[#variables + 1] = ("-V %s=%s -V %slabel=%s"):format(name, quote(up(p.url) .. other.url), name,
      quote(escape(label(other))))
  end
  return table.concat(variables, " ")
end

local function convert(p, pages, input)
  local to = out .. "/" .. p.url
  sh("mkdir -p " .. quote(to:match("^(.*)/")))
  sh(table.concat({
    pandoc, "-f gfm -t html5 --wrap=preserve --toc --toc-depth=3 --template=docs/html/template.html",
    "--lua-filter=docs/html/filter.lua",
    "-V root=" .. quote(up(p.url)), "-V group=" .. quote(p.group or "Examples"), neighbours(p),
    "--metadata pagetitle=" .. quote(p.title),
    "--metadata source=" .. quote(p.source),
    "--metadata url=" .. quote(p.url),
    "--metadata index=" .. quote(out .. "/.index"),
    "-V nav=" .. quote(sidebar(pages, p.url)),
    "-o", quote(to), quote(input or p.source),
  }, " "))
end

local function examples(pages)
  local input, list = out .. "/.example.md", { "# Examples\n" }
  for _, source in ipairs(files("find examples -name '*.lua' ! -path '*/data/*'")) do
    local text = read(source)
    local p = { source = source, url = target(source), title = source }
    write(input, ("# %s\n\n```lua\n%s```\n"):format(source, text:gsub("\n?$", "\n")))
    convert(p, pages, input)
    list[#list + 1] = ("- [%s](%s)"):format(source:match("^examples/(.*)"), source:match("^examples/(.*)"))
  end
  write(input, table.concat(list, "\n") .. "\n")
  convert({ source = "examples/index.md", url = "examples/index.html", title = "Examples" }, pages, input)
  os.remove(input)
end

local function main()
  local pages = collect()
  if io.open(out .. "/search-index.js") then sh("rm -r " .. quote(out)) end -- pages that have no source now
  sh("mkdir -p " .. quote(out))
  write(out .. "/.index", "")
  for _, p in ipairs(pages) do convert(p, pages) end
  examples(pages)
  write(out .. "/search-index.js", "window.SEARCH = [\n" .. read(out .. "/.index") .. "];\n")
  os.remove(out .. "/.index")
  for _, picture in ipairs(files("find docs -name '*.svg' -o -name '*.png' ! -name 'html-*.png'")) do
    local to = out .. "/" .. picture:gsub("^docs/", "")
    sh("mkdir -p " .. quote(to:match("^(.*)/")) .. " && cp " .. quote(picture) .. " " .. quote(to))
  end
  sh("cp docs/html/style.css docs/html/site.js " .. quote(out))
  sh("cp LICENSE " .. quote(out .. "/LICENSE.txt"))
  print(("%d pages in %s; open index.html there"):format(#pages, out))
  local dead = io.open(out .. "/.index.dead")
  if dead then
    io.stderr:write(dead:read("a"))
    dead:close()
    os.remove(out .. "/.index.dead")
    os.exit(1)
  end
end

main()
