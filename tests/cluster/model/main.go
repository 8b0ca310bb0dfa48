// Command model stands for any model: one request at a time, each as slow, as faulty or as chatty as its body asks.
//
// Settings, from the environment:
//
//	PORT               where it listens, 8080 unless given
//	START_SECONDS      how long it loads before it listens
//	HEALTH_WHILE_BUSY  "block": the health path answers when the running request has ended
//	CRASH_AT_START     text that it prints before it fails at once
//	SECRET_ENV         name of the variable whose SHA-256 it tells
//	POD_NAME           what it calls itself; else the name of the host
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// headerLimit is how long a client may take to say what it wants.
const headerLimit = 30 * time.Second

func main() {
	log.SetFlags(0)
	if text, ok := os.LookupEnv("CRASH_AT_START"); ok {
		log.Fatal(text)
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// run serves until a signal, and then until the running request has ended.
func run() error {
	// As process 1 it has to ask for its signals, from the first moment on.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	start, err := startTime()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(start):
	}
	return serve(ctx)
}

func startTime() (time.Duration, error) {
	text, ok := os.LookupEnv("START_SECONDS")
	if !ok {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 {
		return 0, fmt.Errorf("START_SECONDS is %q. Give a number of seconds, 0 or more", text)
	}
	return inSeconds(seconds), nil
}

func serve(ctx context.Context) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newModel(os.Stdout).handler(), ReadHeaderTimeout: headerLimit}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Without a limit: how long a request may go on is for whoever sent the signal to decide.
	if err := server.Shutdown(context.Background()); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func inSeconds(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
