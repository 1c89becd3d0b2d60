package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

type originOptions struct {
	Listen string `json:"listen"`
}

// rule says how one path behaves; without one it is served as fast as it goes.
type rule struct {
	Path string `json:"path"`
	// Rate: bytes per second on each connection; TotalRate: on all of this path together.
	Rate      int64 `json:"rate"`
	TotalRate int64 `json:"totalRate"`
	// Hold: nothing is answered until the path is released.
	Hold bool `json:"hold"`
	// ResetAt: the n-th request is reset when the transfer has reached the n-th offset.
	ResetAt []int64 `json:"resetAt"`
}

type pathStats struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
	Ranges   int64 `json:"ranges"`
	// FirstByteAt, LastByteAt: nanoseconds of the wall clock around the first and the last write.
	FirstByteAt int64 `json:"firstByteAt"`
	LastByteAt  int64 `json:"lastByteAt"`
}

type path struct {
	rule     rule
	total    *pacer
	released chan struct{}
	stats    pathStats
}

type origin struct {
	mu    sync.Mutex
	paths map[string]*path
}

func runOrigin(argument []byte) (any, error) {
	var options originOptions
	if err := parse(argument, &options); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", options.Listen)
	if err != nil {
		return nil, err
	}
	fmt.Printf("{\"url\":\"http://%s\"}\n", listener.Addr())
	o := &origin{paths: map[string]*path{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/blob/", o.serveBlob)
	mux.HandleFunc("PUT /control/rule", o.setRule)
	mux.HandleFunc("POST /control/release", o.release)
	mux.HandleFunc("GET /control/stats", o.showStats)
	server := &http.Server{Handler: mux, ConnContext: withConnection}
	go exitWithParent()
	return nil, server.Serve(listener)
}

// exitWithParent ends the origin when its standard input closes: no origin outlives its bench.
func exitWithParent() {
	buffer := make([]byte, 64)
	for {
		if _, err := os.Stdin.Read(buffer); err != nil {
			os.Exit(0)
		}
	}
}

func (o *origin) path(name string) *path {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, known := o.paths[name]
	if !known {
		found = &path{rule: rule{Path: name}}
		o.paths[name] = found
	}
	return found
}

func (o *origin) setRule(w http.ResponseWriter, r *http.Request) {
	var wanted rule
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	made := &path{rule: wanted, total: newPacer(wanted.TotalRate), released: make(chan struct{})}
	if !wanted.Hold {
		close(made.released)
	}
	o.mu.Lock()
	o.paths[wanted.Path] = made
	o.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (o *origin) release(w http.ResponseWriter, r *http.Request) {
	p := o.path(r.URL.Query().Get("path"))
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.rule.Hold {
		p.rule.Hold = false
		close(p.released)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (o *origin) showStats(w http.ResponseWriter, r *http.Request) {
	p := o.path(r.URL.Query().Get("path"))
	o.mu.Lock()
	stats := p.stats
	o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(stats)
}

// blobOf reads /blob/<seed>/<size>.
func blobOf(name string) (blob, error) {
	parts := strings.Split(strings.TrimPrefix(name, "/blob/"), "/")
	if len(parts) != 2 {
		return blob{}, fmt.Errorf("not /blob/<seed>/<size>: %q", name)
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || size < 0 {
		return blob{}, fmt.Errorf("not a size: %q", parts[1])
	}
	return newBlob(parts[0], size), nil
}

func (o *origin) serveBlob(w http.ResponseWriter, r *http.Request) {
	content, err := blobOf(r.URL.Path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	p := o.path(r.URL.Path)
	o.mu.Lock()
	attempt := p.stats.Requests
	if r.Method == http.MethodGet {
		p.stats.Requests++
	}
	o.mu.Unlock()
	if p.released != nil {
		select {
		case <-p.released:
		case <-r.Context().Done():
			return
		}
	}
	from, to, status := rangeOf(r, content)
	header := w.Header()
	header.Set("Accept-Ranges", "bytes")
	header.Set("Cache-Control", "public, max-age=3600")
	header.Set("Content-Type", "application/octet-stream")
	header.Set("ETag", etagOf(content))
	header.Set("Last-Modified", "Sat, 01 Aug 2026 00:00:00 GMT")
	if status == http.StatusRequestedRangeNotSatisfiable {
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", content.Size))
		w.WriteHeader(status)
		return
	}
	header.Set("Content-Length", strconv.FormatInt(to-from, 10))
	if status == http.StatusPartialContent {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, content.Size))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	resetAt := int64(-1)
	if attempt < int64(len(p.rule.ResetAt)) {
		resetAt = p.rule.ResetAt[attempt]
	}
	o.send(w, r, p, content, from, to, resetAt)
}

func (o *origin) send(w http.ResponseWriter, r *http.Request, p *path, content blob, from, to, resetAt int64) {
	own := newPacer(p.rule.Rate)
	piece := own.piece()
	if p.total != nil {
		piece = min(piece, p.total.piece())
	}
	if from > 0 || to < content.Size {
		o.mu.Lock()
		p.stats.Ranges++
		o.mu.Unlock()
	}
	for offset := from; offset < to; {
		want := min(piece, to-offset)
		if resetAt >= 0 && offset < resetAt {
			want = min(want, resetAt-offset)
		}
		next := content.at(offset, want)
		own.wait(len(next))
		p.total.wait(len(next))
		o.noteFirstByte(p)
		n, err := w.Write(next)
		offset += int64(n)
		o.noteBytes(p, int64(n))
		if err != nil {
			return
		}
		if offset == resetAt {
			http.NewResponseController(w).Flush()
			resetWhenDelivered(r)
			panic(http.ErrAbortHandler)
		}
	}
}

func (o *origin) noteFirstByte(p *path) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.stats.FirstByteAt == 0 {
		p.stats.FirstByteAt = time.Now().UnixNano()
	}
}

func (o *origin) noteBytes(p *path, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p.stats.Bytes += n
	p.stats.LastByteAt = time.Now().UnixNano()
}
