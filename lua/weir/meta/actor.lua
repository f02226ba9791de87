-- SPDX-License-Identifier: MIT
---@meta weir.actor
-- Annotations for editors; never run.

---What actors are made of: `init`, `terminate`, and a handler for each kind of message.
---@class weir.actor.Behaviour
---@field init? fun(self: weir.actor.Self, ...: any)
---@field terminate? fun(self: weir.actor.Self, how: "stopped"|"failed", err: any): ...
---@field [string] any

---The state of one life of an actor. Besides the behaviour's functions it has these.
---@class weir.actor.Self
---@field [string] any
local Self = {}

---The reply channel of the call that is being served, to be answered later; nil for a cast.
---@return oneshot.Sender? reply
function Self:reply_later() end

---A weak reference to this actor.
---@return weir.actor.WeakReference
function Self:myself() end

---Ends this actor after what is queued has been served.
---@return true
function Self:stop_self() end

---@alias weir.actor.How "stopped"|"failed"|"aborted"

---A strong reference to an actor. The last one gone ends the actor (unless it has a supervisor).
---@class weir.actor.Reference<B>
local Reference = {}

---Asks, and waits for the answer: what the handler returned, or nil and a reason.
---@async
---@param name string
---@param ... any
---@return any ...
function Reference:call(name, ...) end

---Sends without waiting for an answer; waits for room.
---@async
---@param name string
---@param ... any
---@return true? sent
---@return "closed"? reason
function Reference:cast(name, ...) end

---Sends if there is room.
---@param name string
---@param ... any
---@return true? sent
---@return ("full"|"closed")? reason
function Reference:try_cast(name, ...) end

---Calls and casts that give up after so many seconds.
---@param seconds number
---@return weir.actor.Timed
function Reference:with_timeout(seconds) end

---Serves what is queued, then ends; waits for that.
---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ... what terminate returned, or the error and its traceback
function Reference:stop(timeout) end

---Aborts the actor's task.
---@return true
function Reference:kill() end

---Waits for the end.
---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ... what terminate returned, or the error and its traceback
function Reference:join(timeout) end

---Waits until init has returned.
---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ...
function Reference:ready(timeout) end

---Tells how the actor ended: "stopped", or "failed" with the error and its traceback, or "aborted".
---@return oneshot.Receiver
function Reference:monitor() end

---@return boolean
function Reference:is_alive() end

---@return weir.actor.Reference<B>
function Reference:clone() end

---@return weir.actor.WeakReference<B>
function Reference:weak() end

---@param other weir.actor.Reference|weir.actor.WeakReference
---@return boolean
function Reference:same_actor(other) end

---@return string
function Reference:name() end

---@class weir.actor.Stats
---@field sent integer
---@field received integer
---@field len integer
---@field high_water integer
---@field waiting_senders integer
---@field restarts integer

---@return weir.actor.Stats
function Reference:stats() end

---@return true
function Reference:drop() end

---@return true
function Reference:close() end

---@class weir.actor.WeakReference<B>
local WeakReference = {}

---@return weir.actor.Reference<B>?
function WeakReference:upgrade() end

---@return boolean
function WeakReference:is_alive() end

---@return string
function WeakReference:name() end

---@class weir.actor.Timed
local Timed = {}

---@async
---@param name string
---@param ... any
---@return any ...
function Timed:call(name, ...) end

---@async
---@param name string
---@param ... any
---@return true? sent
---@return ("closed"|"timeout")? reason
function Timed:cast(name, ...) end

---@class weir.actor.SpawnOptions
---@field capacity integer how many messages may lie in the mailbox; no default
---@field name? string
---@field register? string

---@class weir.actor.Backoff
---@field min number seconds before the first restart
---@field max number seconds, at most
---@field factor? number 2
---@field jitter? number share of the wait, 0
---@field reset? number seconds up after which counting begins anew; max

---@class weir.actor.Child
---@field name? string
---@field behaviour? weir.actor.Behaviour
---@field capacity? integer
---@field args? any[]|fun(): ...
---@field restart? "permanent"|"transient"|"temporary"
---@field shutdown? number seconds
---@field register? string
---@field supervisor? weir.actor.SuperviseOptions

---@class weir.actor.SuperviseOptions
---@field name? string
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one"
---@field intensity? number restarts allowed in a period; 1
---@field period? number seconds; 5
---@field backoff? number|weir.actor.Backoff
---@field shutdown? number seconds; 5
---@field auto_shutdown? "never"|"any"|"all"
---@field on_failure? fun(name: string, err: any, traceback: string, again: boolean)
---@field children? weir.actor.Child[]

---@class weir.actor.ChildState
---@field name string
---@field state "down"|"starting"|"up"|"stopping"|"ended"
---@field restart "permanent"|"transient"|"temporary"
---@field restarts integer

---@class weir.actor.Supervisor
local Supervisor = {}

---@param name string
---@return (weir.actor.Reference|weir.actor.Supervisor)?
function Supervisor:child(name) end

---@return weir.actor.ChildState[]
function Supervisor:children() end

---@param child weir.actor.Child
---@return (weir.actor.Reference|weir.actor.Supervisor)? child
---@return ("full"|"closed")? reason
function Supervisor:start_child(child) end

---@async
---@param name string
---@param timeout? number seconds
---@return true? stopped
---@return ("empty"|"timeout")? reason
function Supervisor:stop_child(name, timeout) end

---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ...
function Supervisor:stop(timeout) end

---@return true
function Supervisor:kill() end

---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ...
function Supervisor:join(timeout) end

---@async
---@param timeout? number seconds
---@return boolean? ok nil: timeout
---@return any ...
function Supervisor:ready(timeout) end

---@return oneshot.Receiver
function Supervisor:monitor() end

---@return boolean
function Supervisor:is_alive() end

---@return string
function Supervisor:name() end

---@return true
function Supervisor:drop() end

---@return true
function Supervisor:close() end

---@class weir.actor
local actor = {}

---Starts an actor. nil, "full": the name of `register` is taken.
---@generic B: weir.actor.Behaviour
---@param behaviour B
---@param options weir.actor.SpawnOptions
---@param ... any
---@return weir.actor.Reference<B>? reference
---@return "full"? reason
function actor.spawn(behaviour, options, ...) end

---@param options weir.actor.SuperviseOptions
---@return weir.actor.Supervisor
function actor.supervise(options) end

---@param name string
---@param reference weir.actor.Reference
---@return true? registered
---@return ("full"|"closed")? reason
function actor.register(name, reference) end

---@param name string
---@return true? removed
---@return "empty"? reason
function actor.unregister(name) end

---@generic B: weir.actor.Behaviour
---@param name string
---@param behaviour? B
---@return weir.actor.Reference<B>?
function actor.whereis(name, behaviour) end

---@return string[]
function actor.registered() end

---@param value any
---@return ("actor.Reference"|"actor.WeakReference"|"actor.Supervisor")?
function actor.type(value) end

return actor
