%% SPDX-License-Identifier: MIT
%% The questions that mean something to Erlang's processes, on one scheduler.
%% Mailboxes have no bound and copy their messages.
-module(bench_peer).
-export([main/0]).

main() ->
    [Question | _] = init:get_plain_arguments(),
    Scale = case os:getenv("BENCH_SCALE") of
        false -> 1.0;
        Text -> {F, _} = string:to_float(Text ++ case lists:member($., Text) of true -> ""; false -> ".0" end), F
    end,
    ask(Question, fun(Count) -> max(1, round(Count * Scale / 1000)) * 1000 end),
    halt(0).

result(Name, Unit, Value, Count) ->
    io:format("RESULT\t~s\terlang\t~s\t~.2f\t-\t-\t~b~n", [Name, Unit, Value * 1.0, Count]).

wall(Name, Ops, F) ->
    T = erlang:monotonic_time(nanosecond),
    R = F(),
    result(Name, "ns", (erlang:monotonic_time(nanosecond) - T) / Ops, Ops),
    R.

triangle(N) -> N * (N + 1) div 2.

ask("ping_pong", N0) ->
    N = N0(1.0e6), Me = self(),
    Sum = wall("ping_pong", N, fun() ->
        Echo = spawn_link(fun echo/0),
        spawn_link(fun() -> Me ! {sum, ping(Echo, 1, N, 0)} end),
        receive {sum, S} -> S end end),
    Sum = triangle(N);
ask("pipeline", N0) ->
    N = N0(4.0e6), Me = self(),
    Sum = wall("pipeline", N, fun() ->
        Sink = spawn_link(fun() -> Me ! {sum, drain(N, 0)} end),
        spawn_link(fun() -> feed(Sink, 1, N) end),
        receive {sum, S} -> S end end),
    Sum = triangle(N);
ask("fan_in", N0) ->
    Senders = 100, Each = N0(4.0e6) div Senders, Me = self(),
    Sum = wall("fan_in", Each * Senders, fun() ->
        Sink = spawn_link(fun() -> Me ! {sum, drain(Each * Senders, 0)} end),
        [spawn_link(fun() -> repeat(Sink, K, Each) end) || K <- lists:seq(1, Senders)],
        receive {sum, S} -> S end end),
    Sum = Each * triangle(Senders);
ask("request_oneshot", N0) ->
    N = N0(1.0e6), Me = self(),
    Server = spawn_link(fun serve/0),
    Sum = wall("request_oneshot", N, fun() ->
        spawn_link(fun() -> Me ! {sum, calls(Server, 1, N, 0)} end),
        receive {sum, S} -> S end end),
    Sum = triangle(N) + N;
ask("spawn_join", N0) ->
    Batch = 1000, N = N0(1.0e6),
    Sum = wall("spawn_join", N, fun() -> batches(N div Batch, Batch, 0) end),
    Sum = N div Batch * triangle(Batch);
ask("memory", _) ->
    N = 100000, Me = self(),
    Before = resident(),
    Waiting = [spawn(fun() -> receive V -> Me ! {got, V} end end) || _ <- lists:seq(1, N)],
    timer:sleep(300),
    result("memory_task", "bytes", (resident() - Before) / N, N),
    lists:foldl(fun(P, I) -> P ! I, I + 1 end, 1, Waiting),
    Sum = lists:foldl(fun(_, A) -> receive {got, V} -> A + V end end, 0, Waiting),
    Sum = triangle(N);
ask("sleepers", _) ->
    N = 100000, Me = self(),
    {C0, _} = erlang:statistics(runtime),
    lists:foldl(fun(_, X0) ->
        X = (X0 * 1103515245 + 12345) rem 2147483648,
        D = (X div 256 rem 100001) div 1000,
        spawn(fun() -> receive after D -> Me ! woken end end),
        X end, 42, lists:seq(1, N)),
    wait(N),
    {C1, _} = erlang:statistics(runtime),
    result("sleepers", "cpu-ns", (C1 - C0) * 1.0e6 / N, N);
ask(_, _) -> ok.

echo() -> receive {P, V} -> P ! V, echo() end.
ping(_, I, N, S) when I > N -> S;
ping(B, I, N, S) -> B ! {self(), I}, receive V -> ping(B, I + 1, N, S + V) end.
drain(0, S) -> S;
drain(N, S) -> receive V -> drain(N - 1, S + V) end.
feed(_, I, N) when I > N -> ok;
feed(C, I, N) -> C ! I, feed(C, I + 1, N).
repeat(_, _, 0) -> ok;
repeat(C, K, N) -> C ! K, repeat(C, K, N - 1).
serve() -> receive {call, P, R, V} -> P ! {R, V + 1}, serve() end.
calls(_, I, N, S) when I > N -> S;
calls(A, I, N, S) ->
    R = make_ref(),
    A ! {call, self(), R, I},
    receive {R, V} -> calls(A, I + 1, N, S + V) end.
batches(0, _, S) -> S;
batches(K, B, S) ->
    Me = self(),
    [spawn(fun() -> Me ! {done, J} end) || J <- lists:seq(1, B)],
    batches(K - 1, B, join(B, S)).
join(0, S) -> S;
join(B, S) -> receive {done, J} -> join(B - 1, S + J) end.
wait(0) -> ok;
wait(N) -> receive woken -> wait(N - 1) end.
resident() ->
    erlang:garbage_collect(),
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Text, " ", all),
    binary_to_integer(Pages) * 4096.
