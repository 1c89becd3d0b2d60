package main

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

type herdOptions struct {
	// Targets are dealt out to the clients in turn.
	Targets []target `json:"targets"`
	Clients int      `json:"clients"`
	// LeaderLeavesAt: the first client, whose request goes out first, disconnects after so many bytes; 0: it stays.
	LeaderLeavesAt int64 `json:"leaderLeavesAt"`
	// Slow clients read SlowRate bytes per second, stalled ones nothing after the first byte. Both
	// come after the first client and are cut off when all others are done.
	Slow     int   `json:"slow"`
	SlowRate int64 `json:"slowRate"`
	Stalled  int   `json:"stalled"`
	// SettleMs: how long after all requests were sent the origin is told to go on.
	SettleMs int64 `json:"settleMs"`
	// Origin: base URL of an origin that holds the targets' paths until released; empty: it does not.
	Origin  string   `json:"origin"`
	Release []string `json:"release"`
	// CutAllAtMs: so long after the release every client is cut off, whatever it has; 0: never.
	CutAllAtMs int64 `json:"cutAllAtMs"`
	TimeoutMs  int64 `json:"timeoutMs"`
}

type herdResult struct {
	Complete int      `json:"complete"`
	Failed   int      `json:"failed"`
	Failures []string `json:"failures"`
	Bytes    int64    `json:"bytes"`
	// ReleasedAt: nanoseconds of the wall clock when the origin was told to go on, or the last request was sent.
	ReleasedAt int64          `json:"releasedAt"`
	Clients    []clientResult `json:"clients"`
}

type clientResult struct {
	Role     string `json:"role"`
	Target   int    `json:"target"`
	Status   int    `json:"status"`
	Bytes    int64  `json:"bytes"`
	Complete bool   `json:"complete"`
	Failure  string `json:"failure,omitempty"`
	// Nanoseconds of the wall clock; 0: never.
	SentAt      int64 `json:"sentAt"`
	FirstByteAt int64 `json:"firstByteAt"`
	DoneAt      int64 `json:"doneAt"`
}

func runHerd(argument []byte) (any, error) {
	options := herdOptions{Clients: 1, SettleMs: 500, TimeoutMs: 120_000}
	if err := parse(argument, &options); err != nil {
		return nil, err
	}
	if len(options.Targets) == 0 {
		return nil, fmt.Errorf("no targets")
	}
	clients := make([]*herdClient, options.Clients)
	for i := range clients {
		made, err := newHerdClient(options, i)
		if err != nil {
			return nil, err
		}
		clients[i] = made
	}
	var patient, others sync.WaitGroup
	for i, client := range clients {
		group := &patient
		if client.cutOff() {
			group = &others
		}
		group.Add(1)
		if err := client.send(); err != nil {
			return nil, err
		}
		go func() {
			defer group.Done()
			client.read()
		}()
		if i == 0 && len(clients) > 1 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	releasedAt := time.Now().UnixNano()
	if options.Origin != "" {
		time.Sleep(time.Duration(options.SettleMs) * time.Millisecond)
		releasedAt = time.Now().UnixNano()
		for _, path := range options.Release {
			answer, err := http.Post(options.Origin+"/control/release?path="+url.QueryEscape(path), "", nil)
			if err != nil {
				return nil, err
			}
			answer.Body.Close()
		}
	}
	if options.CutAllAtMs > 0 {
		time.AfterFunc(time.Duration(options.CutAllAtMs)*time.Millisecond, func() {
			for _, client := range clients {
				client.connection.Close()
			}
		})
	}
	patient.Wait()
	for _, client := range clients {
		client.connection.Close()
	}
	others.Wait()
	return summarise(clients, releasedAt), nil
}

func summarise(clients []*herdClient, releasedAt int64) herdResult {
	summary := herdResult{ReleasedAt: releasedAt, Failures: []string{}}
	reasons := map[string]bool{}
	for _, client := range clients {
		result := client.result
		summary.Clients = append(summary.Clients, result)
		summary.Bytes += result.Bytes
		if result.Complete {
			summary.Complete++
		}
		if result.Failure != "" {
			summary.Failed++
			if !reasons[result.Failure] && len(summary.Failures) < 5 {
				reasons[result.Failure] = true
				summary.Failures = append(summary.Failures, result.Failure)
			}
		}
	}
	return summary
}
