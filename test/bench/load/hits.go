package main

import (
	"fmt"
	"sort"
	"time"
)

type hitsOptions struct {
	// Targets are asked for in turn, on every connection.
	Targets     []target `json:"targets"`
	Connections int      `json:"connections"`
	Seconds     float64  `json:"seconds"`
	// Threads: event loops, each with its share of the connections.
	Threads int `json:"threads"`
}

type hitsResult struct {
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	Failed   int64   `json:"failed"`
	Failure  string  `json:"failure,omitempty"`
	// Latencies of whole requests, in milliseconds.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func runHits(argument []byte) (any, error) {
	options := hitsOptions{Connections: 8, Seconds: 5, Threads: 1}
	if err := parse(argument, &options); err != nil {
		return nil, err
	}
	if len(options.Targets) == 0 {
		return nil, fmt.Errorf("no targets")
	}
	requests := make([]string, len(options.Targets))
	for i, wanted := range options.Targets {
		text, err := wanted.request()
		if err != nil {
			return nil, err
		}
		requests[i] = text
	}
	loops := make([]*hitLoop, options.Threads)
	for i := range loops {
		made, err := newHitLoop(options, requests, i)
		if err != nil {
			return nil, err
		}
		loops[i] = made
	}
	started := time.Now()
	until := started.Add(time.Duration(options.Seconds * float64(time.Second)))
	done := make(chan error)
	for _, loop := range loops {
		go func() { done <- loop.run(until) }()
	}
	for range loops {
		if err := <-done; err != nil {
			return nil, err
		}
	}
	return gather(loops, time.Since(started)), nil
}

func gather(loops []*hitLoop, took time.Duration) hitsResult {
	result := hitsResult{Seconds: took.Seconds()}
	latencies := []time.Duration{}
	for _, loop := range loops {
		result.Requests += int64(len(loop.latencies))
		result.Bytes += loop.bytes
		result.Failed += loop.failed
		if loop.failure != nil {
			result.Failure = loop.failure.Error()
		}
		latencies = append(latencies, loop.latencies...)
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	at := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return float64(latencies[int(share*float64(len(latencies)-1))].Microseconds()) / 1000
	}
	result.P50, result.P99, result.Max = at(0.5), at(0.99), at(1)
	return result
}
