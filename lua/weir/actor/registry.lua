-- SPDX-License-Identifier: MIT
-- Names of actors. A name holds its actor weakly and goes when the actor has ended, so none
-- outlives the run that it was made in.

local registry = {}

local cells = setmetatable({}, { __mode = "v" })      -- name -> cell

--- The cell under `name`, or nil.
function registry.find(name)
  local cell = cells[name]
  if cell then cell:refresh() end
  return cells[name]
end

--- `true`, or `nil, "full"` if a live actor has the name.
function registry.add(name, cell)
  local other = registry.find(name)
  if other then
    if other == cell then return true end
    return nil, "full"
  end
  cells[name] = cell
  cell.names = cell.names or {}
  cell.names[name] = true
  return true
end

--- `true`, or `nil, "empty"` if nobody has the name.
function registry.remove(name)
  local cell = registry.find(name)
  if not cell then return nil, "empty" end
  cells[name] = nil
  cell.names[name] = nil
  return true
end

--- Takes all names of a cell away. Never raises.
function registry.forget(cell)
  for name in pairs(cell.names or {}) do cells[name] = nil end
  cell.names = nil
end

--- All names, sorted.
function registry.names()
  local list = {}
  for name in pairs(cells) do list[#list + 1] = name end
  table.sort(list)
  for i = #list, 1, -1 do
    if not registry.find(list[i]) then table.remove(list, i) end
  end
  return list
end

return registry
