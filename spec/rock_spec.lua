-- rock_spec.lua -- the rockspecs name what is there, all of it, and nothing else.
-- SPDX-License-Identifier: MIT
local weir = require "weir"
local program = require "spec.program"

local function load_rockspec(path)
  local fields = {}
  assert(load(program.read(path), "@" .. path, "t", fields))()
  return fields
end

-- Modules of the tree by name; the annotations for editors are not for `require`.
local function modules_of_tree()
  local modules = {}
  for _, file in ipairs(program.list("find lua/weir -name '*.lua'")) do
    if not file:find("^lua/weir/meta") then
      modules[file:match("lua/(.*)%.lua$"):gsub("/init$", ""):gsub("/", ".")] = file
    end
  end
  return modules
end

describe("the rockspec", function()
  local names = program.list("ls rockspec/*.rockspec")
  local scm = load_rockspec("rockspec/weir-scm-1.rockspec")

  it("lists every Lua module, and builds the core from its one unit", function()
    local modules = scm.build.modules
    assert.same({ "csrc/weir.c" }, modules["weir.core"].sources)
    modules["weir.core"] = nil
    assert.same(modules_of_tree(), modules)
  end)

  it("has a version in its file name and in itself", function()
    for _, path in ipairs(names) do
      local spec = load_rockspec(path)
      assert.equal(path, ("rockspec/%s-%s.rockspec"):format(spec.package, spec.version))
    end
  end)

  it("of the release differs from that of the tree in source and version alone", function()
    local current = load_rockspec("rockspec/weir-scm-1.rockspec")
    local release = load_rockspec("rockspec/weir-" .. weir._VERSION:match("%d+%.%d+%.%d+") .. "-1.rockspec")
    for _, spec in ipairs { current, release } do
      spec.source, spec.version = nil, nil
    end
    assert.same(current, release)
  end)

  it("of the release is of the version that the module and the Makefile name", function()
    local version = program.read("Makefile"):match("\nVERSION += (%S+)")
    assert.equal("weir-" .. version .. "-1.rockspec", names[1]:match("[^/]*$"))
    assert.matches(version:gsub("%p", "%%%0") .. "$", weir._VERSION)
  end)

  it("does not want the network for its tests", function()
    assert.equal("command", scm.test.type)
    assert.is_nil(scm.test_dependencies)
    assert.same({ "lua >= 5.4, < 5.6" }, scm.dependencies)
  end)
end)
