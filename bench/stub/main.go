// The model stub of every benchmark: it takes one request at a time, "computes" by sleeping, and answers.
//
// Two requests at once are a fault of whatever stands in front: the second gets a 500 and is counted at
// /overlaps, and the run that caused it does not count.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const headSeconds = 10

type model struct {
	sleep    time.Duration
	answer   []byte
	busy     atomic.Bool
	overlaps atomic.Int64
}

func (m *model) infer(w http.ResponseWriter, r *http.Request) {
	if !m.busy.CompareAndSwap(false, true) {
		m.overlaps.Add(1)
		log.Printf("OVERLAP: a second request came while one was running")
		http.Error(w, "two requests overlap", http.StatusInternalServerError)
		return
	}
	_, fault := io.Copy(io.Discard, r.Body)
	compute(m.sleep)
	// Idle from here on: whoever reads the answer may send the next request before this handler returns.
	m.busy.Store(false)
	if fault != nil {
		http.Error(w, "the body broke off", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(m.answer)))
	_, _ = w.Write(m.answer)
}

// compute sleeps in the kernel: Go's own timers are late by up to a millisecond, and that is what is measured.
func compute(d time.Duration) {
	if d <= 0 {
		return
	}
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}

func main() {
	port := flag.Int("port", 0, "loopback port")
	sleep := flag.Duration("sleep", 0, "how long each request takes")
	size := flag.Int("bytes", 128, "bytes of each answer")
	flag.Parse()

	m := &model{sleep: *sleep, answer: bytes.Repeat([]byte("x"), *size)}
	routes := http.NewServeMux()
	routes.HandleFunc("/", m.infer)
	routes.HandleFunc("/healthcheck", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	routes.HandleFunc("/overlaps", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, m.overlaps.Load())
	})
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Handler: routes, ReadHeaderTimeout: headSeconds * time.Second}
	log.Fatal(server.Serve(listener))
}
