---@meta weir.stream
-- weir.stream: what editors know of it.
-- SPDX-License-Identifier: MIT

---What yields values over time, lazily.
local stream = {}

---What `stream.from` and the methods that join two streams take.
---@alias weir.stream.Source<T>
---| Stream<T>
---| mpsc.Receiver<T>
---| mpmc.Receiver<T>
---| oneshot.Receiver<T>
---| watch.Receiver<T>
---| broadcast.Receiver<T>
---| Interval
---| JoinSet
---| fun(state: any, control: any): T?
---| T[]

---A stream of what `source` yields; it takes the source over.
---@generic T
---@param source weir.stream.Source<T>
---@param state? any     # of an iterator function
---@param control? any   # of an iterator function
---@param closing? any   # of an iterator function; closed with the stream
---@return Stream<T>
function stream.from(source, state, control, closing) end

---The values of a watch that are set from now on.
---@generic T
---@param rx watch.Receiver<T>
---@return Stream<T>
function stream.changes(rx) end

---An empty map of streams.
---@return StreamMap
function stream.map_of() end

---A handle: it has one holder, moves, and is dropped with its source.
---@class Stream<T>
---@operator call: T?
local Stream = {}

---The next element; waits for it.
---@param timeout? number   # seconds; 0 polls once
---@return T? value
---@return any ...          # "closed" | "timeout" after nil, further values of the element after a value
function Stream:next(timeout) end

---What `next` would return, left where it is. Only on a stream made by `peekable`.
---@param timeout? number   # seconds
---@return T? value
---@return any ...
function Stream:peek(timeout) end

---Whether the stream is known to have no more elements.
---@return boolean
function Stream:is_terminated() end

---@generic U
---@param f fun(v: T, ...: any): U, ...
---@return Stream<U>
function Stream:map(f) end

---@param f fun(v: T, ...: any): any
---@return Stream<T>
function Stream:filter(f) end

---@generic U
---@param f fun(v: T, ...: any): U?, ...   # nil leaves the element out
---@return Stream<U>
function Stream:filter_map(f) end

---@generic U
---@param f fun(v: T, ...: any): U?, ...   # nil ends the stream
---@return Stream<U>
function Stream:map_while(f) end

---@param n integer
---@return Stream<T>
function Stream:take(n) end

---@param f fun(v: T, ...: any): any
---@return Stream<T>
function Stream:take_while(f) end

---@param n integer
---@return Stream<T>
function Stream:skip(n) end

---@param f fun(v: T, ...: any): any
---@return Stream<T>
function Stream:skip_while(f) end

---All of this stream, then all of the other.
---@generic U
---@param other weir.stream.Source<U>
---@return Stream<T|U>
function Stream:chain(other) end

---The elements of both as they come, in turns while both are ready.
---@generic U
---@param other weir.stream.Source<U>
---@return Stream<T|U>
function Stream:merge(other) end

---An element of each, side by side.
---@param other weir.stream.Source<any>
---@return Stream<T>
function Stream:zip(other) end

---The number of the element before its values.
---@return Stream<integer>
function Stream:enumerate() end

---@param f fun(v: T, ...: any)
---@return Stream<T>
function Stream:inspect(f) end

---@return Stream<T>
function Stream:fuse() end

---@return Stream<T>
function Stream:peekable() end

---@param n integer   # 1 or more
---@return Stream<T[]>
function Stream:chunks(n) end

---@param n integer         # 1 or more
---@param seconds number    # from the first element of a chunk
---@return Stream<T[]>
function Stream:chunks_timeout(n, seconds) end

---What was gathered of the next chunk, and the source.
---@return any[] part
---@return Stream<any> source
function Stream:into_remainder() end

---@param seconds number   # at most one element in so much time
---@return Stream<T>
function Stream:throttle(seconds) end

---@param seconds number   # a longer wait is answered once with nil, "timeout"
---@return Stream<T>
function Stream:timeout(seconds) end

---f in up to n tasks; results in the order of the elements.
---@generic U
---@param n integer
---@param f fun(v: T, ...: any): U, ...
---@return Stream<U>
function Stream:buffered(n, f) end

---f in up to n tasks; results as they come.
---@generic U
---@param n integer
---@param f fun(v: T, ...: any): U, ...
---@return Stream<U>
function Stream:buffer_unordered(n, f) end

---@return T[]
function Stream:collect() end

---@generic A
---@param init A
---@param f fun(acc: A, v: T, ...: any): A
---@return A
function Stream:fold(init, f) end

---@param f fun(v: T, ...: any): any
---@return boolean
function Stream:all(f) end

---@param f fun(v: T, ...: any): any
---@return boolean
function Stream:any(f) end

---@return integer
function Stream:count() end

---@param f fun(v: T, ...: any)
---@return true
function Stream:each(f) end

---Sends every element; the sender stays yours.
---@param tx mpsc.Sender<T>|mpmc.Sender<T>|broadcast.Sender<T>|watch.Sender<T>
---@return true? ok
---@return "closed"? reason
function Stream:forward(tx) end

---A fresh handle; this one is spent.
---@return Stream<T>
function Stream:move() end

function Stream:drop() end
function Stream:close() end

---Many streams under keys, read as one.
---@class StreamMap
---@operator len: integer
---@operator call: any
local StreamMap = {}

---@generic T
---@param key any
---@param source weir.stream.Source<T>
---@return Stream<any>? replaced
function StreamMap:insert(key, source) end

---@param key any
---@return Stream<any>?
function StreamMap:remove(key) end

---@param key any
---@return boolean
function StreamMap:contains(key) end

---@return any[]
function StreamMap:keys() end

---@param timeout? number   # seconds; 0 polls once
---@return any key
---@return any ...          # the values of the element; "closed" | "timeout" after nil
function StreamMap:next(timeout) end

---@param t any[]
---@param max integer
---@param timeout? number   # seconds
---@return integer count
---@return "closed"|"timeout"? reason
function StreamMap:next_many(t, max, timeout) end

---@return StreamMap
function StreamMap:move() end

function StreamMap:drop() end
function StreamMap:close() end

return stream
