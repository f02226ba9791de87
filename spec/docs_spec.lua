-- docs_spec.lua -- every Lua block of the README and of docs/ runs, and prints what the block after it shows.
-- SPDX-License-Identifier: MIT
--
-- A block ```lua is a program and is run; ```lua no-run is not. A block ```text or ```output right after it
-- (nothing but blank lines between) is what it prints, with "..." for what may differ.
local program = require "spec.program"

local function blocks_of(path)
  local blocks, open, number, between = {}, nil, 0, false
  for line in (program.read(path) .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local indent, info = line:match("^(%s*)```(.*)$")
    if open and indent and info:find("^%s*$") then
      open, between = nil, true
    elseif open then
      open[#open + 1] = line:sub(#open.indent + 1)
    elseif indent then
      open = { indent = indent, info = info:match("^%s*(.-)%s*$"), line = number }
      open.follows = between and blocks[#blocks] or nil
      blocks[#blocks + 1] = open
    elseif line:find("%S") then
      between = false
    end
  end
  assert(not open, path .. " ends inside a block")
  return blocks
end

local function text_of(block)
  return #block > 0 and table.concat(block, "\n") .. "\n" or ""
end

-- The programs of a page, each with what it is to print, if the page says it.
local function programs_of(path)
  local programs = {}
  for _, block in ipairs(blocks_of(path)) do
    local before = block.follows
    if block.info == "lua" then
      block.where = path .. ":" .. block.line
      programs[#programs + 1] = block
    elseif (block.info == "text" or block.info == "output") and before and before.info == "lua" then
      before.expected = text_of(block)
    end
  end
  return programs
end

local function run(block)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local file = assert(io.open(folder .. "/example.lua", "w"))
  file:write(text_of(block))
  file:close()
  local output, code = program.run("example.lua", nil, folder)
  os.execute("rm -r " .. folder)
  return output, code
end

local function pages()
  local list = program.list("find docs -name '*.md' 2>/dev/null | sort")
  table.insert(list, 1, "README.md")
  return list
end

describe("the Lua block at", function()
  for _, page in ipairs(pages()) do
    for _, block in ipairs(programs_of(page)) do
      it(block.where .. " runs and prints what it shows", function()
        local output, code = run(block)
        assert(code == 0, ("%s ended with %d:\n%s"):format(block.where, code, output))
        if block.expected and not program.matches(output, block.expected) then
          assert.equal(block.expected, output)
        end
      end)
    end
  end
end)

describe("README.md", function()
  it("shows one complete program of at most twenty lines, with its output", function()
    local first = programs_of("README.md")[1]
    assert.is_true(#first <= 20)
    assert.is_string(first.expected)
  end)

  it("names the two commands", function()
    local text = program.read("README.md")
    assert.matches("make demo", text)
    assert.matches("make test", text)
  end)
end)
