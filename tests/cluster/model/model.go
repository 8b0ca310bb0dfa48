package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// bodyLimit is far above what a test sends.
const bodyLimit = 64 << 20

// wish is what a request asks for; all of it may be left out.
type wish struct {
	Seconds float64         `json:"seconds"`
	Hang    bool            `json:"hang"`
	Exit    bool            `json:"exit"`
	Stream  int             `json:"stream"`
	Echo    json.RawMessage `json:"echo"`
}

// answer is what a request is told; times are Unix time in seconds.
type answer struct {
	Pod      string          `json:"pod"`
	Seconds  float64         `json:"seconds"`
	Echo     json.RawMessage `json:"echo"`
	Started  float64         `json:"started"`
	Ended    float64         `json:"ended"`
	Run      int             `json:"run"`
	Overlaps int             `json:"overlaps"`
	Secret   string          `json:"secret_sha256,omitempty"`
	Line     int             `json:"line,omitempty"`
}

// model serves one request at a time and fails the ones that come meanwhile.
type model struct {
	pod          string
	secret       string
	blocksHealth bool
	writeLine    func(event)
	mutex        sync.Mutex
	running      chan struct{} // closed when the running request ends; nil while idle
	runs         int
	overlaps     int
	broken       bool
}

// event is one line of the log. No bodies and no paths: they are the caller's.
type event struct {
	Event    string  `json:"event"`
	Run      int     `json:"run"`
	At       float64 `json:"at"`
	Overlaps int     `json:"overlaps"`
}

func newModel(lines io.Writer) *model {
	encoder := json.NewEncoder(lines)
	var mutex sync.Mutex
	return &model{
		pod:          podName(),
		secret:       secretDigest(),
		blocksHealth: os.Getenv("HEALTH_WHILE_BUSY") == "block",
		writeLine: func(line event) {
			mutex.Lock()
			defer mutex.Unlock()
			_ = encoder.Encode(line)
		},
	}
}

func podName() string {
	if name := os.Getenv("POD_NAME"); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}

func secretDigest() string {
	value, ok := os.LookupEnv(os.Getenv("SECRET_ENV"))
	if !ok {
		return ""
	}
	digest := sha256.Sum256([]byte(value))
	return hex.EncodeToString(digest[:])
}

func (m *model) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthcheck", m.health)
	mux.HandleFunc("GET /break", m.breakDown)
	mux.HandleFunc("POST /break", m.breakDown)
	mux.HandleFunc("POST /", m.infer)
	return mux
}

func (m *model) health(w http.ResponseWriter, r *http.Request) {
	for running := m.current(); running != nil && m.blocksHealth; running = m.current() {
		select {
		case <-running:
		case <-r.Context().Done():
			return
		}
	}
	if m.isBroken() {
		http.Error(w, "broken", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

func (m *model) breakDown(w http.ResponseWriter, _ *http.Request) {
	m.mutex.Lock()
	m.broken = true
	m.mutex.Unlock()
	writeJSON(w, map[string]any{"pod": m.pod, "broken": true})
}

func (m *model) infer(w http.ResponseWriter, r *http.Request) {
	asked, err := readWish(w, r)
	if err != nil {
		http.Error(w, "the body is not the JSON object that this model reads: "+err.Error(), http.StatusBadRequest)
		return
	}
	run, ok := m.begin()
	if !ok {
		http.Error(w, "a request is running already", http.StatusInternalServerError)
		return
	}
	defer m.end(run)
	m.work(w, r, asked, run)
}

func readWish(w http.ResponseWriter, r *http.Request) (wish, error) {
	var asked wish
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&asked)
	if errors.Is(err, io.EOF) {
		return asked, nil
	}
	return asked, err
}

// work computes as code that blocks does: a client that leaves does not stop it, only a stream notices.
func (m *model) work(w http.ResponseWriter, r *http.Request, asked wish, run int) {
	begun := time.Now()
	lines := max(asked.Stream, 1)
	for line := 1; line <= lines && r.Context().Err() == nil; line++ {
		time.Sleep(inSeconds(asked.Seconds))
		if asked.Hang {
			select {}
		}
		if asked.Exit {
			os.Exit(3)
		}
		told := m.answer(asked, run, begun)
		if asked.Stream == 0 {
			// Unflushed: it leaves when the next request may come.
			writeJSON(w, told)
			return
		}
		told.Line = line
		writeJSON(w, told)
		_ = http.NewResponseController(w).Flush()
	}
}

func (m *model) answer(asked wish, run int, begun time.Time) answer {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	// The clock may be set meanwhile; what was waited is measured by the one that only goes on.
	started := unix(begun)
	return answer{
		Pod:      m.pod,
		Seconds:  asked.Seconds,
		Echo:     asked.Echo,
		Started:  started,
		Ended:    started + time.Since(begun).Seconds(),
		Run:      run,
		Overlaps: m.overlaps,
		Secret:   m.secret,
	}
}

func (m *model) begin() (run int, ok bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.running != nil {
		m.overlaps++
		m.writeLine(event{"overlap", m.runs, unix(time.Now()), m.overlaps})
		return 0, false
	}
	m.running = make(chan struct{})
	m.runs++
	m.writeLine(event{"start", m.runs, unix(time.Now()), m.overlaps})
	return m.runs, true
}

func (m *model) end(run int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	close(m.running)
	m.running = nil
	m.writeLine(event{"end", run, unix(time.Now()), m.overlaps})
}

func (m *model) current() <-chan struct{} {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.running
}

func (m *model) isBroken() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.broken
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func unix(at time.Time) float64 {
	return float64(at.UnixMicro()) / 1e6
}
