// SPDX-License-Identifier: MIT
//! The questions asked of Tokio: tasks and channels on its current-thread runtime.
//!
//!     tokio-peer QUESTION [COUNT]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{poll_fn, Future};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{spawn, yield_now, JoinHandle};

/// Counts what is allocated: one thread, so a load and a store are enough.
struct Counting;

static BLOCKS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count(bytes: usize) {
    BLOCKS.store(BLOCKS.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + bytes as u64, Relaxed);
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        System.dealloc(block, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Processor time of this process in ns, by the scheduler's own count.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

fn result(name: &str, unit: &str, value: f64, blocks: f64, bytes: f64, count: usize) {
    println!("RESULT\t{name}\ttokio\t{unit}\t{value:.2}\t{blocks:.3}\t{bytes:.1}\t{count}");
}

struct Start {
    wall: Instant,
    cpu: f64,
    blocks: u64,
    bytes: u64,
}

fn start() -> Start {
    let (blocks, bytes) = (BLOCKS.load(Relaxed), BYTES.load(Relaxed));
    let cpu = cpu();
    Start { wall: Instant::now(), cpu, blocks, bytes }
}

impl Start {
    fn stop_as(&self, name: &str, unit: &str, ops: usize) {
        let took = self.wall.elapsed().as_nanos() as f64;
        let used = cpu() - self.cpu;
        let n = ops as f64;
        let ns = if unit == "cpu-ns" { used } else { took };
        let blocks = (BLOCKS.load(Relaxed) - self.blocks) as f64 / n;
        let bytes = (BYTES.load(Relaxed) - self.bytes) as f64 / n;
        result(name, unit, ns / n, blocks, bytes, ops);
    }
    fn stop(&self, name: &str, ops: usize) {
        self.stop_as(name, "ns", ops)
    }
}

fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

async fn yielding(n: usize) {
    let half = n / 2;
    let t = start();
    let both = [0, 1].map(|_| {
        spawn(async move {
            for _ in 0..half {
                yield_now().await
            }
        })
    });
    for task in both {
        task.await.unwrap()
    }
    t.stop("yield", half * 2);
}

async fn ping_pong(n: usize) {
    let (ping, mut pinged) = mpsc::channel::<usize>(1);
    let (pong, mut ponged) = mpsc::channel::<usize>(1);
    let t = start();
    let echo = spawn(async move {
        let mut there = 0;
        for _ in 0..n {
            let v = pinged.recv().await.unwrap();
            there += v;
            pong.send(v).await.unwrap();
        }
        there
    });
    let caller = spawn(async move {
        let mut back = 0;
        for i in 1..=n {
            ping.send(i).await.unwrap();
            back += ponged.recv().await.unwrap();
        }
        back
    });
    let (back, there) = (caller.await.unwrap(), echo.await.unwrap());
    t.stop("ping_pong", n);
    assert_eq!((there, back), (triangle(n), triangle(n)));
}

/// A task that adds up what n receives bring.
fn sink(mut rx: mpsc::Receiver<usize>, n: usize) -> JoinHandle<usize> {
    spawn(async move {
        let mut sum = 0;
        for _ in 0..n {
            sum += rx.recv().await.unwrap();
        }
        sum
    })
}

async fn pipeline(n: usize) {
    let (tx, rx) = mpsc::channel::<usize>(64);
    let t = start();
    let sink = sink(rx, n);
    let source = spawn(async move {
        for i in 1..=n {
            tx.send(i).await.unwrap();
        }
    });
    source.await.unwrap();
    let sum = sink.await.unwrap();
    t.stop("pipeline", n);
    assert_eq!(sum, triangle(n));
}

async fn fan_in(n: usize) {
    let senders = 100;
    let each = (n + senders - 1) / senders;
    let (tx, rx) = mpsc::channel::<usize>(64);
    let t = start();
    let sink = sink(rx, each * senders);
    let tasks: Vec<_> = (1..=senders)
        .map(|s| {
            let tx = tx.clone();
            spawn(async move {
                for _ in 0..each {
                    tx.send(s).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let sum = sink.await.unwrap();
    t.stop("fan_in", each * senders);
    assert_eq!(sum, each * triangle(senders));
}

async fn trying(n: usize) {
    let (tx, mut rx) = mpsc::channel::<usize>(1024);
    let mut sum = 0;
    let t = start();
    for i in 1..=n {
        tx.try_send(i).unwrap();
        sum += rx.try_recv().unwrap();
    }
    t.stop("try", n);
    assert_eq!(sum, triangle(n));
}

async fn request(n: usize) {
    let (tx, mut rx) = mpsc::channel::<(usize, oneshot::Sender<usize>)>(16);
    let t = start();
    let server = spawn(async move {
        for _ in 0..n {
            let (v, reply) = rx.recv().await.unwrap();
            reply.send(v + 1).unwrap();
        }
    });
    let client = spawn(async move {
        let mut sum = 0;
        for i in 1..=n {
            let (reply, answer) = oneshot::channel();
            tx.send((i, reply)).await.unwrap();
            sum += answer.await.unwrap();
        }
        sum
    });
    let sum = client.await.unwrap();
    server.await.unwrap();
    t.stop("request_oneshot", n);
    assert_eq!(sum, triangle(n) + n);
}

async fn broadcasting(name: &str, n: usize, burst: usize) {
    let receivers = 100;
    let n = (n + 15) / 16 * 16;
    let (tx, _) = broadcast::channel::<usize>(16);
    let tasks: Vec<_> = (0..receivers)
        .map(|_| {
            let mut rx = tx.subscribe();
            spawn(async move {
                let mut mine = 0;
                for _ in 0..n {
                    mine += rx.recv().await.unwrap(); // lag is a failure
                }
                mine
            })
        })
        .collect();
    yield_now().await;
    let t = start();
    let source = spawn(async move {
        for i in 1..=n {
            tx.send(i).unwrap();
            if i % burst == 0 {
                yield_now().await
            }
        }
        yield_now().await;
        tx
    });
    let _tx = source.await.unwrap();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    t.stop(name, n * receivers);
    assert_eq!(sum, receivers * triangle(n));
}

async fn watching(n: usize) {
    let watchers = 100;
    let (tx, rx) = watch::channel(0usize);
    let tasks: Vec<_> = (0..watchers)
        .map(|_| {
            let mut rx = rx.clone();
            spawn(async move {
                let (mut mine, mut v) = (0, 0);
                while v < n {
                    rx.changed().await.unwrap();
                    v = *rx.borrow();
                    mine += 1;
                }
                (mine, v)
            })
        })
        .collect();
    yield_now().await;
    let t = start();
    let source = spawn(async move {
        for i in 1..=n {
            tx.send(i).unwrap();
            yield_now().await
        }
        tx
    });
    let _tx = source.await.unwrap();
    let (mut seen, mut last) = (0, 0);
    for task in tasks {
        let (mine, v) = task.await.unwrap();
        seen += mine;
        last += v;
    }
    t.stop("watch", seen);
    assert_eq!(last, n * watchers);
}

fn feed(each: usize, channels: usize) -> (Vec<mpsc::Receiver<usize>>, Vec<JoinHandle<()>>) {
    (0..channels)
        .map(|_| {
            let (tx, rx) = mpsc::channel(16);
            let task = spawn(async move {
                for i in 1..=each {
                    tx.send(i).await.unwrap();
                }
            });
            (rx, task)
        })
        .unzip()
}

async fn select_2(n: usize) {
    let each = (n + 1) / 2;
    let t = start();
    let (mut rxs, tasks) = feed(each, 2);
    let sink = spawn(async move {
        let mut b = rxs.pop().unwrap();
        let mut a = rxs.pop().unwrap();
        let mut sum = 0;
        for _ in 0..each * 2 {
            tokio::select! {
                Some(v) = a.recv() => sum += v,
                Some(v) = b.recv() => sum += v * 2,
            }
        }
        sum
    });
    let sum = sink.await.unwrap();
    for task in tasks {
        task.await.unwrap()
    }
    t.stop("select_2", each * 2);
    assert_eq!(sum, 3 * triangle(each));
}

/// Tokio selects over a fixed number of branches; over a list one polls by hand, from a moving start.
async fn select_64(n: usize) {
    let channels = 64;
    let each = (n + channels - 1) / channels;
    let t = start();
    let (mut rxs, tasks) = feed(each, channels);
    let sink = spawn(async move {
        let (mut sum, mut from) = (0, 0);
        for _ in 0..each * channels {
            let (i, v) = poll_fn(|cx| {
                for j in 0..channels {
                    let i = (from + j) % channels;
                    if let Poll::Ready(Some(v)) = rxs[i].poll_recv(cx) {
                        return Poll::Ready((i, v));
                    }
                }
                Poll::Pending
            })
            .await;
            from = i + 1;
            sum += v * (i + 1);
        }
        sum
    });
    let sum = sink.await.unwrap();
    for task in tasks {
        task.await.unwrap()
    }
    t.stop("select_64", each * channels);
    assert_eq!(sum, triangle(channels) * triangle(each));
}

async fn spawn_join(n: usize) {
    let batch = 1000;
    let batches = (n + batch - 1) / batch;
    let mut sum = 0;
    let mut tasks = Vec::with_capacity(batch);
    let t = start();
    for _ in 0..batches {
        for j in 1..=batch {
            tasks.push(spawn(async move { j }));
        }
        for task in tasks.drain(..) {
            sum += task.await.unwrap();
        }
    }
    t.stop("spawn_join", batches * batch);
    assert_eq!(sum, batches * triangle(batch));
}

async fn sleepers(n: usize) {
    let mut x: usize = 42;
    let mut tasks = Vec::with_capacity(n);
    let t = start();
    for _ in 0..n {
        x = (x * 1103515245 + 12345) % 2147483648;
        let d = Duration::from_micros((x / 256 % 100001) as u64);
        tasks.push(spawn(async move { tokio::time::sleep(d).await }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    t.stop_as("sleepers", "cpu-ns", n);
}

async fn memory(n: usize) {
    let mut txs = Vec::with_capacity(n);
    let mut rxs = Vec::with_capacity(n);
    let mut tasks = Vec::with_capacity(n);
    let before = resident();
    for _ in 0..n {
        let (tx, rx) = mpsc::channel::<usize>(16);
        txs.push(tx);
        rxs.push(rx);
    }
    let after = resident();
    result("memory_channel", "bytes", (after - before) / n as f64, 0.0, 0.0, n);
    let waiting = Arc::new(AtomicUsize::new(0));
    for mut rx in rxs {
        let waiting = waiting.clone();
        tasks.push(spawn(async move {
            waiting.fetch_add(1, Relaxed);
            rx.recv().await.unwrap()
        }));
    }
    while waiting.load(Relaxed) < n {
        yield_now().await
    }
    let then = resident();
    result("memory_task", "bytes", (then - after) / n as f64, 0.0, 0.0, n);
    for (i, tx) in txs.iter().enumerate() {
        tx.send(i + 1).await.unwrap();
    }
    let mut got = 0;
    for task in tasks {
        got += task.await.unwrap();
    }
    assert_eq!(got, triangle(n));
}

/// Everything runs in a spawned task, as in a server.
fn on<F: Future<Output = ()> + Send + 'static>(f: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async move { spawn(f).await.unwrap() })
}

fn main() {
    let question = std::env::args().nth(1).unwrap_or_default();
    let given = std::env::args().nth(2).and_then(|s| s.parse().ok());
    let scale: f64 = std::env::var("BENCH_SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(1.0);
    let n = |count: f64| -> usize {
        given.unwrap_or(((count * scale / 1000.0).round() as usize).max(1) * 1000)
    };
    match question.as_str() {
        "yield" => on(yielding(n(1e7))),
        "ping_pong" => on(ping_pong(n(1e6))),
        "pipeline" => on(pipeline(n(4e6))),
        "fan_in" => on(fan_in(n(4e6))),
        "try" => on(trying(n(1e7))),
        "request_oneshot" => on(request(n(1e6))),
        "broadcast_bursts" => on(broadcasting("broadcast_bursts", n(4e4), 16)),
        "broadcast_singly" => on(broadcasting("broadcast_singly", n(4e4), 1)),
        "watch" => on(watching(n(4e4))),
        "select_2" => on(select_2(n(2e6))),
        "select_64" => on(select_64(n(2e6))),
        "spawn_join" => on(spawn_join(n(1e6))),
        "memory" => on(memory(given.unwrap_or(100_000))),
        "sleepers" => on(sleepers(given.unwrap_or(100_000))),
        _ => {}
    }
}
