---@meta weir.luv
-- weir.luv: what editors know of it.
-- SPDX-License-Identifier: MIT

---weir on libuv's loop. What fails for a reason of the system's returns nil, "closed" and libuv's message.
---@class weir.luv
local luv = {}

---Runs main as the first task on libuv's default loop; returns what main returned.
---@param main fun(...: any): ...
---@param ... any                # not moved
---@return any ...
function luv.run(main, ...) end

---Calls f(done) and waits until done is called. What f returned is ended if the wait is cut short: a handle is
---closed, a request cancelled, a function called; a second function gets a done that comes too late.
---@async
---@param f fun(done: fun(...: any)): any, ...
---@param timeout? number
---@return any ...               # the arguments of done; nil, "timeout"; or nil and the message of what did not start
function luv.await(f, timeout) end

---@class weir.luv.ListenOptions
---@field capacity? integer      # how many connections may wait to be received; 16
---@field backlog? integer       # how many more the system may keep; 511

---The connections that come. The server is closed with the receiver.
---@param host string            # an address; without a port the path of a Unix socket
---@param port? integer          # 0 for a free one
---@param options? weir.luv.ListenOptions
---@return mpsc.Receiver<luv.Connection>? incoming
---@return string host           # "closed" after nil
---@return integer|string? port  # libuv's message after "closed"
function luv.listen(host, port, options) end

---@async
---@param host string            # a name or an address; without a port the path of a Unix socket
---@param port? integer
---@param timeout? number
---@return luv.Connection? connection
---@return ("closed"|"timeout")? reason
---@return string? message
function luv.connect(host, port, timeout) end

---A connection that owns a connected stream of luv.
---@param handle userdata
---@return luv.Connection
function luv.connection(handle) end

---The lines that a connection reads; `true` follows one that was cut at the limit.
---@param conn luv.Connection
---@param limit? integer         # bytes; 65536
---@return Stream<string>
function luv.lines(conn, limit) end

---A message for each time a signal came.
---@param name string            # "sigint", "sigterm", ...
---@return mpsc.Receiver<string>
function luv.signal(name) end

---@class weir.luv.ProcessOptions
---@field args? string[]
---@field env? string[]
---@field cwd? string
---@field stdin? "pipe"|"inherit"|"null"    # "inherit"
---@field stdout? "pipe"|"inherit"|"null"
---@field stderr? "pipe"|"inherit"|"null"
---@field [string] any           # the others of uv.spawn

---Starts a program.
---@param path string
---@param options? weir.luv.ProcessOptions
---@return luv.Process? process
---@return "closed"? reason
---@return string? message
function luv.spawn_process(path, options) end

---Runs f in libuv's pool of threads, in a Lua state of its own.
---@param f fun(...: any): ...   # without upvalues
---@param ... any                # strings, numbers, booleans, nil
---@return oneshot.Receiver<boolean> reply   # true and the results, or false and a message
function luv.work(f, ...) end

---A stream of bytes both ways. A handle: dropping it closes the socket.
---@class luv.Connection : weir.Handle
local Connection = {}

---Waits for bytes.
---@async
---@param timeout? number
---@return string? bytes         # not empty
---@return ("closed"|"timeout")? reason
---@return string? message       # if the connection broke
function Connection:read(timeout) end

---Waits while 64 KiB or more are queued.
---@async
---@param data string
---@param timeout? number
---@return true? queued
---@return ("closed"|"timeout")? reason
---@return string? message
function Connection:write(data, timeout) end

---Ends the writing half when all that is queued was written, and waits for that.
---@async
---@param timeout? number
---@return true? done
---@return ("closed"|"timeout")? reason
---@return string? message
function Connection:shutdown(timeout) end

---No more is taken from the peer.
---@return true
function Connection:close_read() end

---@return integer bytes         # queued, and not yet taken by the system
function Connection:pending() end

---@return string host           # or the path of a Unix socket
---@return integer? port
function Connection:peer() end

---@return string host
---@return integer? port
function Connection:address() end

---luv's handle, for its options.
---@return userdata
function Connection:handle() end

---A program that runs. A handle: dropped before its end, the program is killed.
---@class luv.Process : weir.Handle
local Process = {}

---@async
---@param timeout? number
---@return integer? code
---@return integer|"timeout" signal   # 0 if no signal ended it
function Process:wait(timeout) end

---A token that is cancelled when the program has ended.
---@return CancellationToken
function Process:exited() end

---@param signal? string         # "sigterm"
---@return true? sent
---@return "closed"? reason      # it has ended, or could not be signalled
---@return string? message
function Process:kill(signal) end

---@return integer
function Process:pid() end

---@return luv.Connection?
function Process:stdin() end

---@return luv.Connection?
function Process:stdout() end

---@return luv.Connection?
function Process:stderr() end

return luv
