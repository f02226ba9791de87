-- examples_spec.lua -- every example prints what the comment at its end says.
-- SPDX-License-Identifier: MIT
local program = require "spec.program"

-- The block that ends an example: `--> output`, or `--> output (arguments: ...)`, then the lines as comments.
local function expected_output(text)
  local head, block = text:match("\n%-%-> output([^\n]*)\n(.*)$")
  if not head then return nil end
  local lines = {}
  for line in block:gmatch("([^\n]*)\n") do
    lines[#lines + 1] = assert(line:match("^%-%- ?(.*)$"), "not a comment: " .. line) .. "\n"
  end
  return table.concat(lines), head:match("^ %(arguments: (.*)%)$")
end

describe("an example", function()
  local files = program.list("ls examples/*.lua")

  it("is there", function()
    assert.is_true(#files >= 17)
  end)

  for _, file in ipairs(files) do
    it(file .. " prints what it says at its end", function()
      local expected, arguments = expected_output(program.read(file))
      assert(expected and expected ~= "", file .. " does not end with an output block")
      local output, code = program.run(file, arguments)
      if not program.matches(output, expected) then assert.equal(expected, output) end
      assert.equal(0, code)
    end)
  end
end)

describe("examples/index.lua", function()
  local function index(arguments)
    return program.run("examples/index.lua", arguments)
  end

  it("gives the same figures with one worker and with many", function()
    for _, workers in ipairs { 1, 2, 64 } do
      local output = index("--workers " .. workers .. " examples/data")
      assert.matches("\n +4 files\n +24 lines\n +3 functions\n", output)
    end
  end)

  it("takes several directories, and names with quotes and blanks in them", function()
    local folder = os.tmpname()
    os.remove(folder)
    local inner = folder .. "/it's one"
    assert(os.execute("mkdir -p \"" .. inner .. "\""))
    local file = assert(io.open(inner .. "/a\nb.lua", "w"))
    file:write("return function() end")
    file:close()
    local output, code = index("\"" .. inner .. "\" examples/data")
    os.execute("rm -r \"" .. folder .. "\"")
    assert.matches("\n +5 files\n +25 lines\n +4 functions\n", output)
    assert.equal(0, code)
  end)

  it("shows no progress when its output is not a terminal", function()
    assert.is_nil(index("examples/data"):find("[\r\27]"))
  end)

  it("stops at its limit, says so, and reports what it has", function()
    local output, code = index("--limit 0.001 /usr/share")
    assert.matches("stopped: after 0.001 s", output)
    assert.matches("%d+ files", output)
    assert.equal(0, code)
  end)

  it("keeps a log of events, and says what it could not read", function()
    local output = index("--events examples/data 2>&1")
    assert.matches("walked: 4 paths\n", output)
    assert.matches("worker done: %d+ files\n", output)
  end)

  it("refuses what it does not know", function()
    for _, arguments in ipairs {
      "--wrong", "--workers", "--workers 0", "--workers 1.5", "--limit x", "/no/where",
    } do
      local output, code = index(arguments)
      assert.equal(2, code)
      assert.matches("usage:", output)
    end
  end)
end)
