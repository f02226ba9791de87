// SPDX-License-Identifier: MIT

// The questions asked of Go: goroutines and channels on one processor.
//
//	go-peer QUESTION [COUNT]
package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	began     time.Time
	beganCPU  time.Duration
	beganHeap runtime.MemStats
	question  string
)

func cpu() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func start() {
	runtime.ReadMemStats(&beganHeap)
	beganCPU = cpu()
	began = time.Now()
}

func result(name, unit string, value, blocks, bytes float64, count int) {
	fmt.Printf("RESULT\t%s\tgo\t%s\t%.2f\t%.3f\t%.1f\t%d\n", name, unit, value, blocks, bytes, count)
}

func stopAs(unit string, ops int) {
	took, used := time.Since(began), cpu()-beganCPU
	if unit == "cpu-ns" {
		took = used
	}
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	n := float64(ops)
	result(question, unit, float64(took.Nanoseconds())/n,
		float64(heap.Mallocs-beganHeap.Mallocs)/n, float64(heap.TotalAlloc-beganHeap.TotalAlloc)/n, ops)
}

func stop(ops int) { stopAs("ns", ops) }

func expect(got, wanted int) {
	if got != wanted {
		fmt.Fprintf(os.Stderr, "%s on go: got %d, expected %d\n", question, got, wanted)
		os.Exit(1)
	}
}

func triangle(n int) int { return n * (n + 1) / 2 }

// Runs every function as a goroutine and waits for all of them.
func together(fs ...func()) {
	var all sync.WaitGroup
	all.Add(len(fs))
	for _, f := range fs {
		f := f
		go func() {
			f()
			all.Done()
		}()
	}
	all.Wait()
}

func yield(n int) {
	half := n / 2
	spin := func() {
		for i := 0; i < half; i++ {
			runtime.Gosched()
		}
	}
	start()
	together(spin, spin)
	stop(half * 2)
}

func pingPong(n int) {
	ping, pong := make(chan int, 1), make(chan int, 1)
	there, back := 0, 0
	start()
	together(func() {
		for i := 0; i < n; i++ {
			v := <-ping
			there += v
			pong <- v
		}
	}, func() {
		for i := 1; i <= n; i++ {
			ping <- i
			back += <-pong
		}
	})
	stop(n)
	expect(there, triangle(n))
	expect(back, triangle(n))
}

func pipeline(n int) {
	c := make(chan int, 64)
	sum := 0
	start()
	together(func() {
		for i := 0; i < n; i++ {
			sum += <-c
		}
	}, func() {
		for i := 1; i <= n; i++ {
			c <- i
		}
	})
	stop(n)
	expect(sum, triangle(n))
}

func fanIn(n int) {
	const senders = 100
	each := (n + senders - 1) / senders
	c := make(chan int, 64)
	sum := 0
	fs := []func(){func() {
		for i := 0; i < each*senders; i++ {
			sum += <-c
		}
	}}
	for s := 1; s <= senders; s++ {
		s := s
		fs = append(fs, func() {
			for i := 0; i < each; i++ {
				c <- s
			}
		})
	}
	start()
	together(fs...)
	stop(each * senders)
	expect(sum, each*triangle(senders))
}

func try(n int) {
	c := make(chan int, 1024)
	sum := 0
	start()
	for i := 1; i <= n; i++ {
		select {
		case c <- i:
		default:
			expect(0, i)
		}
		select {
		case v := <-c:
			sum += v
		default:
			expect(0, i)
		}
	}
	stop(n)
	expect(sum, triangle(n))
}

// Go's oneshot is a channel of one.
func request(n int) {
	type message struct {
		v     int
		reply chan int
	}
	c := make(chan message, 16)
	sum := 0
	start()
	together(func() {
		for i := 0; i < n; i++ {
			m := <-c
			m.reply <- m.v + 1
		}
	}, func() {
		for i := 1; i <= n; i++ {
			answer := make(chan int, 1)
			c <- message{i, answer}
			sum += <-answer
		}
	})
	stop(n)
	expect(sum, triangle(n)+n)
}

// Go has no broadcast: one channel for each receiver. The sender gives way by
// itself when one is full, which is the burst of sixteen.
func broadcast(n int, singly bool) {
	const receivers = 100
	var cs [receivers]chan int
	sum := 0
	fs := []func(){}
	for r := range cs {
		c := make(chan int, 16)
		cs[r] = c
		fs = append(fs, func() {
			mine := 0
			for i := 0; i < n; i++ {
				mine += <-c
			}
			sum += mine
		})
	}
	fs = append(fs, func() {
		for i := 1; i <= n; i++ {
			for _, c := range cs {
				c <- i
			}
			if singly {
				runtime.Gosched()
			}
		}
	})
	start()
	together(fs...)
	stop(n * receivers)
	expect(sum, receivers*triangle(n))
}

// Go has no watch: a value, and a channel that is closed at each change.
type watched struct {
	lock    sync.Mutex
	v       int
	changed chan struct{}
}

func (w *watched) set(v int) {
	w.lock.Lock()
	w.v = v
	close(w.changed)
	w.changed = make(chan struct{})
	w.lock.Unlock()
}

func (w *watched) get() (int, chan struct{}) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.v, w.changed
}

func watch(n int) {
	const watchers = 100
	w := &watched{changed: make(chan struct{})}
	seen, last := 0, 0
	fs := []func(){}
	for i := 0; i < watchers; i++ {
		fs = append(fs, func() {
			mine := 0
			v, changed := w.get()
			for v < n {
				<-changed
				v, changed = w.get()
				mine++
			}
			seen += mine
			last += v
		})
	}
	fs = append(fs, func() {
		runtime.Gosched()
		for i := 1; i <= n; i++ {
			w.set(i)
			runtime.Gosched()
		}
	})
	start()
	together(fs...)
	stop(seen)
	expect(last, n*watchers)
}

func sources(n, channels int) {
	each := (n + channels - 1) / channels
	cs := make([]chan int, channels)
	sum := 0
	fs := []func(){}
	for k := range cs {
		c := make(chan int, 16)
		cs[k] = c
		fs = append(fs, func() {
			for i := 1; i <= each; i++ {
				c <- i
			}
		})
	}
	if channels == 2 {
		fs = append(fs, func() { sum = choose2(cs[0], cs[1], each*2) })
	} else {
		fs = append(fs, func() { sum = chooseAny(cs, each*channels) })
	}
	start()
	together(fs...)
	stop(each * channels)
	expect(sum, triangle(channels)*triangle(each))
}

func choose2(a, b chan int, n int) int {
	sum := 0
	for i := 0; i < n; i++ {
		select {
		case v := <-a:
			sum += v
		case v := <-b:
			sum += v * 2
		}
	}
	return sum
}

// A list of channels that is only known at run time: Go's own way is reflect.Select.
func chooseAny(cs []chan int, n int) int {
	sum := 0
	cases := make([]reflect.SelectCase, len(cs))
	for k, c := range cs {
		cases[k] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
	}
	for i := 0; i < n; i++ {
		k, v, _ := reflect.Select(cases)
		sum += int(v.Int()) * (k + 1)
	}
	return sum
}

func spawnJoin(n int) {
	const batch = 1000
	batches, sum := (n+batch-1)/batch, 0
	start()
	for b := 0; b < batches; b++ {
		var all sync.WaitGroup
		all.Add(batch)
		for j := 1; j <= batch; j++ {
			j := j
			go func() {
				sum += j
				all.Done()
			}()
		}
		all.Wait()
	}
	stop(batches * batch)
	expect(sum, batches*triangle(batch))
}

func sleepers(n int) {
	var all sync.WaitGroup
	all.Add(n)
	woken, x := 0, 42
	start()
	for i := 0; i < n; i++ {
		x = (x*1103515245 + 12345) % 2147483648
		d := time.Duration(x/256%100001) * time.Microsecond
		go func() {
			time.Sleep(d)
			woken++
			all.Done()
		}()
	}
	all.Wait()
	stopAs("cpu-ns", n)
	expect(woken, n)
}

func resident() float64 {
	runtime.GC()
	runtime.GC()
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return float64(pages * os.Getpagesize())
}

func memory(n int) {
	cs := make([]chan int, n)
	for i := range cs {
		cs[i] = nil // touches the pages of the list itself
	}
	before := resident()
	for i := range cs {
		cs[i] = make(chan int, 16)
	}
	after := resident()
	result("memory_channel", "bytes", (after-before)/float64(n), 0, 0, n)
	var all sync.WaitGroup
	all.Add(n)
	got := 0
	for _, c := range cs {
		c := c
		go func() {
			got += <-c
			all.Done()
		}()
	}
	for i := 0; i < 1000; i++ {
		runtime.Gosched()
	}
	waiting := resident()
	result("memory_task", "bytes", (waiting-after)/float64(n), 0, 0, n)
	for i, c := range cs {
		c <- i + 1
	}
	all.Wait()
	expect(got, triangle(n))
}

var questions = map[string]struct {
	count int
	ask   func(int)
}{
	"yield":            {1e7, yield},
	"ping_pong":        {1e6, pingPong},
	"pipeline":         {4e6, pipeline},
	"fan_in":           {4e6, fanIn},
	"try":              {1e7, try},
	"request_oneshot":  {1e6, request},
	"broadcast_bursts": {4e4, func(n int) { broadcast(n, false) }},
	"broadcast_singly": {4e4, func(n int) { broadcast(n, true) }},
	"watch":            {4e4, watch},
	"select_2":         {2e6, func(n int) { sources(n, 2) }},
	"select_64":        {2e5, func(n int) { sources(n, 64) }},
	"spawn_join":       {1e6, spawnJoin},
	"memory":           {1e5, memory},
	"sleepers":         {1e5, sleepers},
}

func main() {
	runtime.GOMAXPROCS(1)
	question = os.Args[1]
	q, known := questions[question]
	if !known {
		return
	}
	scale, err := strconv.ParseFloat(os.Getenv("BENCH_SCALE"), 64)
	if err != nil || question == "memory" || question == "sleepers" {
		scale = 1 // there the count is part of the question
	}
	n := int(float64(q.count)*scale/1000+0.5) * 1000
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	if n < 1000 {
		n = 1000
	}
	q.ask(n)
}
