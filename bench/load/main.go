// The load generator of every benchmark: closed loop, one kept connection a client, bounded in count and time.
//
// It writes one JSON object: how long it ran, what each good request took, what went wrong, and its own CPU.
// The Authorization header, where one is needed, comes from the environment (LOAD_AUTHORIZATION).
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A failed request is no reason to spin.
const pauseAfterError = 10 * time.Millisecond

type bounds struct {
	left     *atomic.Int64
	end      time.Time
	patience time.Duration
}

type result struct {
	latencies []int64
	errors    map[string]int
}

type report struct {
	Seconds    float64        `json:"seconds"`
	CPUSeconds float64        `json:"cpu_seconds"`
	Latencies  []int64        `json:"latencies_us"`
	Errors     map[string]int `json:"errors"`
}

type client struct {
	address string
	request []byte
	conn    net.Conn
	reader  *bufio.Reader
}

func newClient(target, authorization string, body int) (*client, error) {
	at, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		at.RequestURI(), at.Host, body)
	if authorization != "" {
		head += "Authorization: " + authorization + "\r\n"
	}
	return &client{address: at.Host, request: []byte(head + "\r\n" + strings.Repeat("x", body))}, nil
}

func (c *client) run(b bounds) result {
	r := result{errors: map[string]int{}}
	for b.left.Add(-1) >= 0 && time.Now().Before(b.end) {
		begun := time.Now()
		if err := c.once(begun.Add(b.patience)); err != nil {
			r.errors[err.Error()]++
			c.drop()
			time.Sleep(pauseAfterError)
			continue
		}
		r.latencies = append(r.latencies, time.Since(begun).Microseconds())
	}
	c.drop()
	return r
}

func (c *client) once(deadline time.Time) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, time.Until(deadline))
		if err != nil {
			return fmt.Errorf("no connection")
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("no deadline")
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return fmt.Errorf("write failed")
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fmt.Errorf("no answer")
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("answer broke off")
	}
	if answer.Close {
		c.drop()
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

func (c *client) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func merge(results []result) report {
	all := report{Errors: map[string]int{}, Latencies: []int64{}}
	for _, r := range results {
		all.Latencies = append(all.Latencies, r.latencies...)
		for what, count := range r.errors {
			all.Errors[what] += count
		}
	}
	return all
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func main() {
	targets := flag.String("targets", "", "URLs, comma between; client i calls number i modulo their count")
	clients := flag.Int("clients", 1, "clients, each with one connection and one request at a time")
	requests := flag.Int64("requests", 1000, "most requests of all clients together")
	limit := flag.Duration("for", 10*time.Second, "no request begins after this")
	patience := flag.Duration("patience", 30*time.Second, "longest wait for one answer")
	body := flag.Int("bytes", 2, "bytes of each request's body")
	flag.Parse()

	var left atomic.Int64
	left.Store(*requests)
	urls := strings.Split(*targets, ",")
	crowd := make([]*client, *clients)
	for i := range crowd {
		c, err := newClient(urls[i%len(urls)], os.Getenv("LOAD_AUTHORIZATION"), *body)
		if err != nil {
			log.Fatal(err)
		}
		crowd[i] = c
	}

	results := make([]result, *clients)
	begun := time.Now()
	var running sync.WaitGroup
	for i, c := range crowd {
		running.Add(1)
		go func() {
			defer running.Done()
			results[i] = c.run(bounds{&left, begun.Add(*limit), *patience})
		}()
	}
	running.Wait()

	all := merge(results)
	all.Seconds = time.Since(begun).Seconds()
	all.CPUSeconds = cpuSeconds()
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		log.Fatal(err)
	}
}
