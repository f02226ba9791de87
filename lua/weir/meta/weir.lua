---@meta weir
-- weir: what editors know of it.
-- SPDX-License-Identifier: MIT

---Tokio's channels for Lua coroutines. What must be expected is returned as `nil, reason`; what only a wrong
---program does raises an error at the caller's line. Times are seconds; a timeout of 0 polls once.
---@class weir
---@field _VERSION string
local weir = {}

-- ---- words ------------------------------------------------------------------------------------------

---Why an operation that can be expected to fail did so.
---@alias weir.Reason "closed"|"full"|"empty"|"timeout"|"lagged"|"cancelled"

---@alias weir.Status "ready"|"running"|"waiting"|"done"|"failed"|"aborted"

---What `table.pack` returns.
---@class weir.Packed
---@field n integer
---@field [integer] any

---What has one holder: a sender, a receiver, a permit, a guard, a set. It ends by `<close>`, by `drop`, with the
---task that owns it, or at the latest by the collector.
---@class weir.Handle
local Handle = {}

---Ends the handle; may be called again.
---@return true
function Handle:drop() end

---Ends the handle. Receivers of mpsc, mpmc and oneshot instead refuse what is new and keep what is buffered.
---@return true
function Handle:close() end

---A fresh handle for the same end, which belongs to nobody; this one is spent.
---@generic H: weir.Handle
---@param self H
---@return H
function Handle:move() end

-- ---- running ----------------------------------------------------------------------------------------

---Runs main as the first task, and the scheduler; returns what main returned. The other tasks are aborted then.
---@param main fun(...: any): ...
---@param ... any                # not moved
---@return any ...
function weir.run(main, ...) end

---As `run`, on a virtual clock that jumps to the next deadline when every task waits.
---@param main fun(...: any): ...
---@param ... any
---@return any ...
function weir.run_paused(main, ...) end

---Moves the virtual clock of `run_paused` on, and makes ready what is due by then.
---@param s number
---@return true
function weir.advance(s) end

---A task for f; handles directly among the arguments move into it. It runs at the next turn of the scheduler.
---@param f fun(...: any): ...
---@param ... any
---@return Task
function weir.spawn(f, ...) end

---Gives way to every other ready task once.
---@async
---@return true
function weir.yield() end

---The running task.
---@return Task?
function weir.current() end

---The hook for tasks that fail while nobody joins them; nil: the default, which writes to stderr.
---@param f fun(task: Task, err: any, traceback: string)?
---@return fun(task: Task, err: any, traceback: string)? previous
function weir.on_error(f) end

---Like `coroutine.wrap`, but code inside may wait.
---@param f fun(...: any): ...
---@return fun(...: any): ...
function weir.wrap(f) end

---A word such as "mpsc.Sender" or "closed mpsc.Sender"; nil for what is not weir's.
---@param x any
---@return string?
function weir.type(x) end

---Runs functions side by side, each as a task; the first error aborts the rest and is raised.
---@async
---@param functions (fun(): ...)[]
---@return weir.Packed[] results   # in the order of the functions
function weir.join_all(functions) end

---Runs functions side by side; the others are aborted when the first has ended.
---@async
---@param functions (fun(): ...)[]   # at least one
---@return integer which
---@return any ...               # what it returned
function weir.race(functions) end

---Calls body with a task set; returns its results when it and all tasks of the set have ended. The first error
---aborts the others and is raised.
---@async
---@param body fun(scope: JoinSet): ...
---@return any ...
function weir.scope(body) end

---A set of tasks.
---@param limit? integer         # how many may be unfinished
---@return JoinSet
function weir.join_set(limit) end

---A task, shared by whoever holds it. `local t <close> =` aborts it at the end of the block.
---@class Task
local Task = {}

---Waits for the end. May be asked again, and by several tasks.
---@async
---@param timeout? number
---@return boolean? ok           # nil: timeout
---@return any ...               # results; or the error object, "aborted" if aborted; or "timeout"
function Task:join(timeout) end

---Asks the task to end at its wait: at the next turn its `<close>` variables run, its handles are dropped.
---@return true
function Task:abort() end

---@return boolean
function Task:is_finished() end

---@return weir.Status
function Task:status() end

---Where it stands, or where it failed.
---@return string
function Task:traceback() end

---A number that no other task of the run has.
---@return integer
function Task:id() end

---The name that reports show; with a string, gives it that name.
---@param s? string
---@return string
function Task:name(s) end

---Tasks that belong together. A handle: what is left in it is aborted when it is dropped.
---@class JoinSet : weir.Handle
---@operator len: integer
local JoinSet = {}

---A task of the set; waits while `limit` tasks are unfinished.
---@async
---@param f fun(...: any): ...
---@param ... any                # handles among them move into the task
---@return Task
function JoinSet:spawn(f, ...) end

---@param f fun(...: any): ...
---@param ... any
---@return Task? task
---@return "full"? reason
function JoinSet:try_spawn(f, ...) end

---The next task to end.
---@async
---@param timeout? number
---@return Task? task
---@return boolean|"empty"|"timeout" ok   # the reason after nil
---@return any ...               # its results, or its error
function JoinSet:join_next(timeout) end

---`join_next(0)`.
---@return Task? task
---@return boolean|"empty"|"timeout" ok
---@return any ...
function JoinSet:try_join_next() end

---Waits for all; the first error aborts the rest and is raised.
---@async
---@return weir.Packed[] results   # in the order of spawning
function JoinSet:join_all() end

---@return true
function JoinSet:abort_all() end

---Aborts all and waits until they have ended.
---@async
---@return true
function JoinSet:shutdown() end

---Empties the set and lets its tasks go on.
---@return true
function JoinSet:detach_all() end

-- ---- cancellation -----------------------------------------------------------------------------------

---@return CancellationToken
function weir.cancellation_token() end

---Tells many tasks to stop. Shared.
---@class CancellationToken
local CancellationToken = {}

---Cancels it and its children; the first reason stays.
---@param reason? any
---@return boolean first
function CancellationToken:cancel(reason) end

---@return boolean
function CancellationToken:is_cancelled() end

---@return any
function CancellationToken:reason() end

---Waits for the cancellation.
---@async
---@param timeout? number
---@return true? cancelled
---@return any reason            # "timeout" after nil
function CancellationToken:cancelled(timeout) end

---A token that is cancelled with this one, never the other way.
---@return CancellationToken
function CancellationToken:child() end

---@return DropGuard
function CancellationToken:drop_guard() end

---Runs f until it ends or the token is cancelled.
---@async
---@param f fun(...: any): ...
---@param ... any
---@return true? ok
---@return any ...               # results; "cancelled" after nil
function CancellationToken:run_until_cancelled(f, ...) end

---Cancels its token when it is dropped.
---@class DropGuard : weir.Handle
local DropGuard = {}

---It cancels nothing any more.
---@return true
function DropGuard:disarm() end

-- ---- time -------------------------------------------------------------------------------------------

---Seconds on a monotonic clock.
---@return number
function weir.now() end

---@async
---@param s number               # 0 gives way once
---@return true
function weir.sleep(s) end

---@async
---@param t number               # of weir.now
---@return true
function weir.sleep_until(t) end

---Runs f in this task for at most s seconds; what f got is dropped if it is cut short.
---@async
---@param s number
---@param f fun(...: any): ...
---@param ... any
---@return true? ok
---@return any ...               # results; "timeout" after nil
function weir.timeout(s, f, ...) end

---A timer that fires in s seconds.
---@param s number
---@return Timer
function weir.after(s) end

---@class weir.IntervalOptions
---@field missed? "burst"|"delay"|"skip"   # what follows missed ticks; "burst"
---@field delay? number          # seconds before the first tick; 0

---@param period number          # seconds, not 0
---@param options? weir.IntervalOptions
---@return Interval
function weir.interval(period, options) end

---Fires once; may stand in many selects. Shared.
---@class Timer
local Timer = {}

---@async
---@param timeout? number
---@return true? fired
---@return "timeout"? reason
function Timer:wait(timeout) end

---It fires in s seconds from now, also if it had fired.
---@param s number
---@return true
function Timer:reset(s) end

---@return number t              # of weir.now
function Timer:deadline() end

---@return boolean
function Timer:is_elapsed() end

---Ticks again and again. Shared.
---@class Interval
local Interval = {}

---@async
---@param timeout? number
---@return number? scheduled     # the time of weir.now for which the tick was meant
---@return "timeout"? reason
function Interval:tick(timeout) end

---The next tick comes in s seconds, by default a period.
---@param s? number
---@return true
function Interval:reset(s) end

---@return number seconds
function Interval:period() end

-- ---- mpsc -------------------------------------------------------------------------------------------

---Many senders, one receiver.
---@param capacity integer       # from 1 to 2^31 - 1
---@return mpsc.Sender<any> tx
---@return mpsc.Receiver<any> rx
function weir.mpsc(capacity) end

---An mpsc without a capacity: `send` never waits.
---@return mpsc.Sender<any> tx
---@return mpsc.Receiver<any> rx
function weir.unbounded() end

---@class weir.ChannelStats
---@field sent integer
---@field received integer
---@field len integer
---@field high_water integer     # the most that were buffered at a time
---@field waiting_senders integer
---@field senders integer

---The sending end. Messages are any values but nil; a handle moves into the channel.
---@class mpsc.Sender<T> : weir.Handle
local Sender = {}

---Waits for room.
---@async
---@param v T
---@param timeout? number
---@return true? sent
---@return ("closed"|"timeout")? reason
function Sender:send(v, timeout) end

---@param v T
---@return true? sent
---@return ("full"|"closed")? reason
function Sender:try_send(v) end

---Waits for room, and keeps it.
---@async
---@param timeout? number
---@return mpsc.Permit<T>? permit
---@return ("closed"|"timeout")? reason
function Sender:reserve(timeout) end

---@return mpsc.Permit<T>? permit
---@return ("full"|"closed")? reason
function Sender:try_reserve() end

---Room for n sends, all or nothing.
---@async
---@param n integer              # from 0 to the capacity
---@param timeout? number
---@return mpsc.Permit<T>? permit
---@return ("closed"|"timeout")? reason
function Sender:reserve_many(n, timeout) end

---@param n integer
---@return mpsc.Permit<T>? permit
---@return ("full"|"closed")? reason
function Sender:try_reserve_many(n) end

---A place in line, kept over several selects.
---@return mpsc.Reservation<T>
function Sender:reservation() end

---Puts a reply sender into `msg.reply`, sends msg, and waits for the answer.
---@async
---@param msg table              # without a field reply
---@param timeout? number        # for the whole exchange
---@return any ...               # the answer; or nil and "closed" or "timeout"
function Sender:call(msg, timeout) end

---Another strong sender.
---@return mpsc.Sender<T>
function Sender:clone() end

---A sender that does not keep the channel open.
---@return mpsc.WeakSender<T>
function Sender:weak() end

---Waits until the receiver is closed or gone.
---@async
---@param timeout? number
---@return true? closed
---@return "timeout"? reason
function Sender:closed(timeout) end

---@return boolean
function Sender:is_closed() end

---What a try could take now: 0 while anyone is in line, 0 when closed; math.huge if unbounded.
---@return number
function Sender:capacity() end

---As created; math.huge if unbounded.
---@return number
function Sender:max_capacity() end

---@param other mpsc.Sender<any>
---@return boolean
function Sender:same_channel(other) end

---@return integer
function Sender:strong_count() end

---@return integer
function Sender:weak_count() end

---@return weir.ChannelStats
function Sender:stats() end

---The receiving end; one task waits on it at a time.
---@class mpsc.Receiver<T> : weir.Handle
---@operator len: integer
---@operator call: T?
local Receiver = {}

---Waits for a message.
---@async
---@param timeout? number
---@return T? v
---@return ("closed"|"timeout")? reason
function Receiver:recv(timeout) end

---@return T? v
---@return ("empty"|"closed")? reason
function Receiver:try_recv() end

---Waits for at least one message, appends up to max to t.
---@async
---@param t T[]
---@param max integer
---@param timeout? number
---@return integer count
---@return ("closed"|"timeout")? reason
function Receiver:recv_many(t, max, timeout) end

---@param t T[]
---@param max integer
---@return integer count
---@return ("empty"|"closed")? reason
function Receiver:try_recv_many(t, max) end

---An iterator until closed; `for v in rx do` is the same.
---@return fun(): T?
function Receiver:iter() end

---True while messages are left, too.
---@return boolean
function Receiver:is_closed() end

---@return boolean
function Receiver:is_empty() end

---@return number
function Receiver:capacity() end

---@return number
function Receiver:max_capacity() end

---@return integer
function Receiver:strong_count() end

---@return integer
function Receiver:weak_count() end

---@return weir.ChannelStats
function Receiver:stats() end

---Room that was kept. Belongs to the task that got it.
---@class mpsc.Permit<T> : weir.Handle
local Permit = {}

---Never waits. One send more than the permit was good for is an error.
---@param v T
---@return true? sent
---@return "closed"? reason      # the receiver is gone
function Permit:send(v) end

---Gives the room back.
---@return true
function Permit:release() end

---How many sends it is still good for.
---@return integer
function Permit:remaining() end

---A place in line. Belongs to the task that got it.
---@class mpsc.Reservation<T> : weir.Handle
local Reservation = {}

---Waits for room; a timeout leaves it its place.
---@async
---@param timeout? number
---@return mpsc.Permit<T>? permit
---@return ("closed"|"timeout")? reason
function Reservation:wait(timeout) end

---A sender that does not keep the channel open.
---@class mpsc.WeakSender<T> : weir.Handle
local WeakSender = {}

---A strong sender, or nil if none is left.
---@return mpsc.Sender<T>?
function WeakSender:upgrade() end

---@return mpsc.WeakSender<T>
function WeakSender:clone() end

---@return integer
function WeakSender:strong_count() end

---@return integer
function WeakSender:weak_count() end

-- ---- mpmc -------------------------------------------------------------------------------------------

---Many senders, many receivers; each message goes to exactly one.
---@param capacity integer       # from 1 to 2^31 - 1
---@return mpmc.Sender<any> tx
---@return mpmc.Receiver<any> rx
function weir.mpmc(capacity) end

---@class mpmc.Sender<T> : mpsc.Sender<T>
local MpmcSender = {}

---@return mpmc.Sender<T>
function MpmcSender:clone() end

---@return mpmc.WeakSender<T>
function MpmcSender:weak() end

---@param other mpmc.Sender<any>
---@return boolean
function MpmcSender:same_channel(other) end

---Several tasks may wait, on one or on clones; they are served in turn.
---@class mpmc.Receiver<T> : mpsc.Receiver<T>
---@operator len: integer
---@operator call: T?
local MpmcReceiver = {}

---Another receiver of the same messages.
---@return mpmc.Receiver<T>
function MpmcReceiver:clone() end

---@class mpmc.WeakSender<T> : mpsc.WeakSender<T>
local MpmcWeakSender = {}

---@return mpmc.Sender<T>?
function MpmcWeakSender:upgrade() end

---@return mpmc.WeakSender<T>
function MpmcWeakSender:clone() end

-- ---- oneshot ----------------------------------------------------------------------------------------

---One message of any number of values.
---@return oneshot.Sender tx
---@return oneshot.Receiver<any> rx
function weir.oneshot() end

---@class oneshot.Sender : weir.Handle
local OneshotSender = {}

---Never waits; spends the sender.
---@param ... any
---@return true? sent
---@return "closed"? reason
function OneshotSender:send(...) end

---Waits until the receiver is closed or gone.
---@async
---@param timeout? number
---@return true? closed
---@return "timeout"? reason
function OneshotSender:closed(timeout) end

---@return boolean
function OneshotSender:is_closed() end

---@class oneshot.Receiver<T> : weir.Handle
local OneshotReceiver = {}

---@async
---@param timeout? number
---@return T? v
---@return any ...               # further values; "closed" | "timeout" after nil
function OneshotReceiver:recv(timeout) end

---@return T? v
---@return any ...               # further values; "empty" | "closed" after nil
function OneshotReceiver:try_recv() end

---@return boolean
function OneshotReceiver:is_empty() end

---Whether it was received, or seen that nothing will come.
---@return boolean
function OneshotReceiver:is_terminated() end

-- ---- watch ------------------------------------------------------------------------------------------

---The latest value.
---@generic T
---@param initial T              # not nil, no handle
---@return watch.Sender<T> tx
---@return watch.Receiver<T> rx
function weir.watch(initial) end

---@class watch.Sender<T> : weir.Handle
local WatchSender = {}

---@param v T
---@return true? sent
---@return "closed"? reason      # no receiver; not stored
function WatchSender:send(v) end

---Stores v even with no receiver.
---@param v T
---@return T old
function WatchSender:send_replace(v) end

---@param f fun(old: T): T?      # the new value, or nil: the old one, changed in place; must not wait
---@return true
function WatchSender:send_modify(f) end

---Nothing is stored or told unless f says changed.
---@param f fun(old: T): boolean?, T?   # must not wait
---@return boolean changed
function WatchSender:send_if_modified(f) end

---@return T
function WatchSender:borrow() end

---A receiver that has seen the current value.
---@return watch.Receiver<T>
function WatchSender:subscribe() end

---Waits until no receiver is left.
---@async
---@param timeout? number
---@return true? closed
---@return "timeout"? reason
function WatchSender:closed(timeout) end

---@return boolean
function WatchSender:is_closed() end

---@return integer
function WatchSender:receiver_count() end

---@return integer
function WatchSender:sender_count() end

---@return watch.Sender<T>
function WatchSender:clone() end

---@param other watch.Sender<any>
---@return boolean
function WatchSender:same_channel(other) end

---@class watch.Receiver<T> : weir.Handle
---@operator call: T?
local WatchReceiver = {}

---Waits for a value that was not seen, and marks it seen.
---@async
---@param timeout? number
---@return true? changed
---@return ("closed"|"timeout")? reason
function WatchReceiver:changed(timeout) end

---Waits until pred holds for the value.
---@async
---@param pred fun(v: T): any    # must not wait
---@param timeout? number
---@return T? v
---@return ("closed"|"timeout")? reason
function WatchReceiver:wait_for(pred, timeout) end

---The value; it is not marked seen.
---@return T
function WatchReceiver:borrow() end

---@return T
function WatchReceiver:borrow_and_update() end

---@return boolean? changed
---@return "closed"? reason
function WatchReceiver:has_changed() end

---@return true
function WatchReceiver:mark_changed() end

---@return true
function WatchReceiver:mark_unchanged() end

---A receiver that has seen the same.
---@return watch.Receiver<T>
function WatchReceiver:clone() end

---@return boolean
function WatchReceiver:is_closed() end

---@param other watch.Receiver<any>
---@return boolean
function WatchReceiver:same_channel(other) end

-- ---- broadcast --------------------------------------------------------------------------------------

---Every receiver sees every message.
---@param capacity integer
---@param options? { overflow?: "wait" }   # the sender waits for the slowest receiver
---@return broadcast.Sender<any> tx
---@return broadcast.Receiver<any> rx
function weir.broadcast(capacity, options) end

---@class broadcast.Sender<T> : weir.Handle
---@operator len: integer
local BroadcastSender = {}

---Waits only if made with overflow = "wait".
---@async
---@param v T                    # not nil, no handle
---@param timeout? number        # with overflow = "wait"
---@return integer? receivers
---@return ("closed"|"timeout")? reason
function BroadcastSender:send(v, timeout) end

---@param v T
---@return integer? receivers
---@return ("full"|"closed")? reason
function BroadcastSender:try_send(v) end

---A receiver of what is sent from now on.
---@return broadcast.Receiver<T>
function BroadcastSender:subscribe() end

---@return integer
function BroadcastSender:receiver_count() end

---Messages that some receiver has not seen.
---@return integer
function BroadcastSender:len() end

---@return integer
function BroadcastSender:capacity() end

---@return boolean
function BroadcastSender:is_empty() end

---Whether there is no receiver.
---@return boolean
function BroadcastSender:is_closed() end

---Waits until no receiver is left.
---@async
---@param timeout? number
---@return true? closed
---@return "timeout"? reason
function BroadcastSender:closed(timeout) end

---@return broadcast.Sender<T>
function BroadcastSender:clone() end

---@return broadcast.WeakSender<T>
function BroadcastSender:weak() end

---@return integer
function BroadcastSender:strong_count() end

---@return integer
function BroadcastSender:weak_count() end

---@param other broadcast.Sender<any>
---@return boolean
function BroadcastSender:same_channel(other) end

---`for v, missed in rx do`: missed is how many were lost just before v.
---@class broadcast.Receiver<T> : weir.Handle
---@operator len: integer
---@operator call: T?
local BroadcastReceiver = {}

---@async
---@param timeout? number
---@return T? v
---@return ("lagged"|"closed"|"timeout")? reason
---@return integer? missed       # after "lagged"
function BroadcastReceiver:recv(timeout) end

---@return T? v
---@return ("lagged"|"empty"|"closed")? reason
---@return integer? missed
function BroadcastReceiver:try_recv() end

---A receiver of what is sent from now on.
---@return broadcast.Receiver<T>
function BroadcastReceiver:resubscribe() end

---@return boolean
function BroadcastReceiver:is_empty() end

---True while messages are left, too.
---@return boolean
function BroadcastReceiver:is_closed() end

---@param other broadcast.Receiver<any>
---@return boolean
function BroadcastReceiver:same_channel(other) end

---@class broadcast.WeakSender<T> : weir.Handle
local BroadcastWeakSender = {}

---@return broadcast.Sender<T>?
function BroadcastWeakSender:upgrade() end

---@return broadcast.WeakSender<T>
function BroadcastWeakSender:clone() end

---@return integer
function BroadcastWeakSender:strong_count() end

---@return integer
function BroadcastWeakSender:weak_count() end

-- ---- semaphore --------------------------------------------------------------------------------------

---@param n integer              # permits, up to 2^31 - 1
---@return Semaphore
function weir.semaphore(n) end

---Lets only so many in at once; first come, first served. Shared.
---@class Semaphore
local Semaphore = {}

---@async
---@param n? integer             # 1
---@param timeout? number
---@return SemaphorePermit? permit
---@return ("closed"|"timeout")? reason
function Semaphore:acquire(n, timeout) end

---@param n? integer             # 1
---@return SemaphorePermit? permit
---@return ("full"|"closed")? reason
function Semaphore:try_acquire(n) end

---What a try could take: 0 while anyone is in line.
---@return integer
function Semaphore:available() end

---@param n integer
---@return true
function Semaphore:add_permits(n) end

---@param n integer
---@return integer forgotten     # at most what was free
function Semaphore:forget_permits(n) end

---Refuses those who wait; what was granted stays granted.
---@return true
function Semaphore:close() end

---@return boolean
function Semaphore:is_closed() end

---Belongs to the task that got it; dropping it gives the permits back.
---@class SemaphorePermit : weir.Handle
local SemaphorePermit = {}

---@return true
function SemaphorePermit:release() end

---Spends the permits for good.
---@return true
function SemaphorePermit:forget() end

---@return integer
function SemaphorePermit:count() end

---A permit with n of them.
---@param n integer
---@return SemaphorePermit
function SemaphorePermit:split(n) end

---Takes over those of another permit of the same semaphore.
---@param other SemaphorePermit
---@return true
function SemaphorePermit:merge(other) end

-- ---- locks ------------------------------------------------------------------------------------------

---@generic T
---@param value? T
---@return Mutex<T>
function weir.mutex(value) end

---Fair; shared.
---@class Mutex<T>
local Mutex = {}

---@async
---@param timeout? number
---@return MutexGuard<T>? guard
---@return "timeout"? reason
function Mutex:lock(timeout) end

---@return MutexGuard<T>? guard
---@return "full"? reason
function Mutex:try_lock() end

---Belongs to the task that got it.
---@class MutexGuard<T> : weir.Handle
local MutexGuard = {}

---@return T
function MutexGuard:get() end

---@param v T
---@return true
function MutexGuard:set(v) end

---@return true
function MutexGuard:unlock() end

---@generic T
---@param value? T
---@return RwLock<T>
function weir.rwlock(value) end

---Many readers or one writer; a waiting writer stops new readers. Fair; shared.
---@class RwLock<T>
local RwLock = {}

---@async
---@param timeout? number
---@return RwLockReadGuard<T>? guard
---@return "timeout"? reason
function RwLock:read(timeout) end

---@async
---@param timeout? number
---@return RwLockWriteGuard<T>? guard
---@return "timeout"? reason
function RwLock:write(timeout) end

---@return RwLockReadGuard<T>? guard
---@return "full"? reason
function RwLock:try_read() end

---@return RwLockWriteGuard<T>? guard
---@return "full"? reason
function RwLock:try_write() end

---@class RwLockReadGuard<T> : weir.Handle
local RwLockReadGuard = {}

---@return T
function RwLockReadGuard:get() end

---An error: a read guard cannot set.
---@deprecated
---@param v T
function RwLockReadGuard:set(v) end

---@return true
function RwLockReadGuard:unlock() end

---@class RwLockWriteGuard<T> : weir.Handle
local RwLockWriteGuard = {}

---@return T
function RwLockWriteGuard:get() end

---@param v T
---@return true
function RwLockWriteGuard:set(v) end

---@return true
function RwLockWriteGuard:unlock() end

-- ---- notify, barrier, once --------------------------------------------------------------------------

---@return Notify
function weir.notify() end

---Wakes tasks without a message. Shared.
---@class Notify
local Notify = {}

---Wakes the first in line; stored, once, if nobody waits.
---@return true
function Notify:notify_one() end

---Wakes all who wait; nothing is stored.
---@return true
function Notify:notify_waiters() end

---@async
---@param timeout? number
---@return true? notified
---@return "timeout"? reason
function Notify:notified(timeout) end

---@param n integer
---@return Barrier
function weir.barrier(n) end

---Opens when n tasks wait; then it can be used again. Shared.
---@class Barrier
local Barrier = {}

---@async
---@param timeout? number
---@return true? opened
---@return boolean|"timeout" is_leader   # the reason after nil
function Barrier:wait(timeout) end

---@return Once<any>
function weir.once() end

---A cell that is set once. Shared.
---@class Once<T>
local Once = {}

---@return T?
function Once:get() end

---@return boolean
function Once:is_set() end

---@param v T
---@return true? set
---@return "full"? reason
function Once:set(v) end

---The value; if there is none, one caller runs f and the others wait for it.
---@async
---@param f fun(): T
---@return T
function Once:get_or_init(f) end

---@async
---@param timeout? number
---@return T? value
---@return "timeout"? reason
function Once:wait(timeout) end

-- ---- select -----------------------------------------------------------------------------------------

---What a branch may be by itself: receivers receive (a watch: changed), senders reserve.
---@alias weir.Awaitable
---| mpsc.Receiver<any>
---| mpmc.Receiver<any>
---| oneshot.Receiver<any>
---| watch.Receiver<any>
---| broadcast.Receiver<any>
---| mpsc.Sender<any>
---| mpmc.Sender<any>
---| mpsc.Reservation<any>
---| weir.Closed
---| CancellationToken
---| Notify
---| Semaphore
---| Timer
---| Interval
---| Task
---| JoinSet
---| Stream<any>

---`{ tx, v }` sends, `{ awaitable, f }` maps, `false` disables.
---@alias weir.Branch weir.Awaitable|any[]|false

---Waits for the first of several things; exactly one takes effect.
---@async
---@param branches table<any, weir.Branch>
---@param timeout? number
---@return any which             # the key of the branch; nil: "timeout", or "empty" if none is enabled
---@return any ...               # what its operation returned
function weir.select(branches, timeout) end

---The same for an array, tried in order.
---@async
---@param branches weir.Branch[]
---@param timeout? number
---@return integer? which
---@return any ...
function weir.select_biased(branches, timeout) end

---Never waits: nil, "empty" when none is ready.
---@param branches table<any, weir.Branch>
---@return any which
---@return any ...
function weir.try_select(branches) end

---@class weir.Closed

---An awaitable: the receiver of tx is closed or gone.
---@param tx mpsc.Sender<any>|mpmc.Sender<any>|oneshot.Sender|watch.Sender<any>|broadcast.Sender<any>
---@return weir.Closed
function weir.closed(tx) end

-- ---- what a program is doing ------------------------------------------------------------------------

---A page on the live program: tasks, channels, who waits for whom.
---@return string
function weir.dump() end

---@class weir.TaskState
---@field id integer
---@field name string
---@field status weir.Status
---@field where string           # "main.lua:12"
---@field waiting_for? string
---@field due? number            # seconds until the wait is over
---@field age? number            # seconds, if weir.debug was on

---Every unfinished task, oldest first.
---@return weir.TaskState[]
function weir.tasks() end

---@class weir.ChannelState
---@field id integer
---@field kind "mpsc"|"mpmc"|"oneshot"|"watch"|"broadcast"
---@field len integer
---@field capacity number
---@field high_water? integer
---@field held? integer          # places that permits hold
---@field sent integer
---@field received integer
---@field senders integer
---@field receivers integer
---@field closed boolean
---@field waiting_senders integer[]     # ids of tasks; 0 for a reservation
---@field waiting_receivers integer[]
---@field made? string           # where, if weir.debug was on

---@return weir.ChannelState[]
function weir.channels() end

---From now on each handle remembers where it was made.
---@param on? boolean
---@return boolean was
function weir.debug(on) end

-- ---- other loops ------------------------------------------------------------------------------------

---@class weir.loop
weir.loop = {}

---Runs what is ready and due.
---@param max_wait? number       # seconds for the first thing to do; 0
---@return number? seconds       # until the next deadline
---@return boolean ready         # whether tasks are ready
function weir.loop.step(max_wait) end

---@param f fun()?               # called once when work appears while the scheduler is idle; nil takes it away
---@return true
function weir.loop.on_wake(f) end

---For adapters: collects garbage, then raises the deadlock report if that did not help.
function weir.loop.deadlock() end

---For adapters: aborts every task and waits for their end.
function weir.loop.end_all() end

return weir
