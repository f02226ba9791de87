---@meta weir.cqueues
-- weir.cqueues: what editors know of it.
-- SPDX-License-Identifier: MIT

---weir in a controller of cqueues.
---@class weir.cqueues
local cqueues = {}

---Runs main as the first task, with a controller for all that waits; returns what main returned.
---@param main fun(...: any): ...
---@param ... any                # not moved
---@return any ...
function cqueues.run(main, ...) end

---Lets weir's tasks run in a controller that somebody else loops.
---@param controller userdata
---@return fun() detach          # aborts all tasks and takes weir out of the controller
function cqueues.attach(controller) end

---The controller that weir runs in.
---@return userdata?
function cqueues.controller() end

---In a task: waits as cqueues.poll does.
---@async
---@param ... any                # seconds, or what cqueues can poll
---@return any ...               # what is ready
function cqueues.poll(...) end

---In a task: calls f, in which what was written for cqueues waits as the task does.
---@async
---@param f fun(...: any): ...
---@param ... any
---@return any ...
function cqueues.call(f, ...) end

---In a thread of the controller: waits for a task; its results, or its error raised.
---@param task Task
---@return any ...
function cqueues.wait_for(task) end

---f for threads of the controller: each call is a task, in which f may wait for both worlds.
---@param f fun(...: any): ...
---@return fun(...: any): ...
function cqueues.task(f) end

return cqueues
