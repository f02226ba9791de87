-- SPDX-License-Identifier: MIT
-- The few SVG elements that the charts are made of, written as text.
--
-- A picture brings its own paper and follows the reader's preference for light or dark where the
-- viewer passes it on, so it can be read on either. Colours are classes for that reason.
local svg = {}

local LIGHT = {
  paper = "#ffffff", band = "#f3f5f8", rule = "#d5dbe3", ink = "#1b2530", faint = "#586675", weir = "#c2410c",
  go = "#0079a8", tokio = "#7c4dbd", handmade = "#2c7d32", cqueues = "#8a6100", tarantool = "#c62828",
  erlang = "#ad1a72", floor = "#586675",
}

local DARK = {
  paper = "#12161b", band = "#1a2028", rule = "#36414d", ink = "#e8edf2", faint = "#9fadbb", weir = "#ff9a52",
  go = "#4fc3f7", tokio = "#b79cf0", handmade = "#81c784", cqueues = "#e0b64a", tarantool = "#ff7d74",
  erlang = "#f48fc8", floor = "#9fadbb",
}

local function rules(colours)
  local names, lines = {}, {}
  for name in pairs(colours) do names[#names + 1] = name end
  table.sort(names) -- the same text on every run
  for _, name in ipairs(names) do
    local colour = colours[name]
    lines[#lines + 1] = (".%s{fill:%s}.%s-line{stroke:%s;fill:none}"):format(name, colour, name, colour)
  end
  return table.concat(lines, "\n")
end

function svg.picture(width, height)
  local head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
    .. 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">'):format(width, height, width, height)
  local dark = "@media (prefers-color-scheme:dark){\n" .. rules(DARK) .. "\n}"
  local self = { head, "<style>", rules(LIGHT), dark, "</style>" }
  setmetatable(self, { __index = svg })
  self:rect(0, 0, width, height, "paper")
  return self
end

function svg:add(format, ...)
  self[#self + 1] = format:format(...)
end

local function escaped(s)
  return (s:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

function svg:title(s) self:add("<title>%s</title>", escaped(s)) end

function svg:rect(x, y, w, h, class)
  self:add('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s"/>', x, y, w, h, class)
end

function svg:line(x1, y1, x2, y2, class, width)
  self:add('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s-line" stroke-width="%g"/>',
    x1, y1, x2, y2, class, width or 1)
end

-- options: anchor ("start", "middle", "end"), size, bold
function svg:text(x, y, s, class, options)
  options = options or {}
  self:add('<text x="%.1f" y="%.1f" class="%s" text-anchor="%s"%s%s>%s</text>', x, y, class,
    options.anchor or "start", options.size and (' font-size="%g"'):format(options.size) or "",
    options.bold and ' font-weight="bold"' or "", escaped(s))
end

function svg:path(points, class, width)
  local d = {}
  for i, p in ipairs(points) do d[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", p[1], p[2]) end
  self:add('<path d="%s" class="%s-line" stroke-width="%g" stroke-linejoin="round"/>',
    table.concat(d), class, width or 2)
end

-- A mark is told by its form as well as by its colour.
local function shape(format, ...) return (format:format(...)) end

local FORMS = {
  circle = function(x, y, r) return shape('<circle cx="%.1f" cy="%.1f" r="%.1f"', x, y, r), "" end,
  ring = function(x, y, r)
    return shape('<circle cx="%.1f" cy="%.1f" r="%.1f"', x, y, r - 0.5), "-line", 2
  end,
  square = function(x, y, r)
    local a = 1.8 * r
    return shape('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"', x - a / 2, y - a / 2, a, a), ""
  end,
  up = function(x, y, r)
    return shape('<path d="M%.1f %.1fl%.1f %.1fh%.1fz"', x, y - 1.2 * r, 1.1 * r, 2.1 * r, -2.2 * r), ""
  end,
  down = function(x, y, r)
    return shape('<path d="M%.1f %.1fl%.1f %.1fh%.1fz"', x, y + 1.2 * r, 1.1 * r, -2.1 * r, -2.2 * r), ""
  end,
  diamond = function(x, y, r)
    local a = 1.25 * r
    local d = '<path d="M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz"'
    return shape(d, x, y - a, a, a, -a, a, -a, -a), ""
  end,
  cross = function(x, y, r)
    local a = 0.85 * r
    local b = 2 * a
    return shape('<path d="M%.1f %.1fl%.1f %.1fm0 %.1fl%.1f %.1f"', x - a, y - a, b, b, -b, -b, b), "-line", 3
  end,
}

function svg:mark(form, x, y, r, class)
  local element, kind, width = FORMS[form](x, y, r)
  local stroke = width and (' stroke-width="%d"'):format(width) or ""
  self[#self + 1] = ('%s class="%s%s"%s/>'):format(element, class, kind, stroke)
end

function svg:write(path)
  self[#self + 1] = "</svg>\n"
  local f = assert(io.open(path, "w"))
  f:write(table.concat(self, "\n"))
  f:close()
end

return svg
