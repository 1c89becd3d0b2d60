package main

import (
	"sync"
	"time"
)

// pacer spreads bytes evenly over time. It forgives a sleep that took too long up to burst, so that
// the rate over a whole blob is the one that was asked for.
type pacer struct {
	rate int64
	mu   sync.Mutex
	next time.Time
}

const burst = 20 * time.Millisecond

func newPacer(rate int64) *pacer { return &pacer{rate: rate} }

// wait returns when n more bytes may go out. A rate of 0 is no limit.
func (p *pacer) wait(n int) {
	if p == nil || p.rate == 0 {
		return
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now.Add(-burst)) {
		p.next = now
	}
	due := p.next
	p.next = p.next.Add(time.Duration(int64(n) * int64(time.Second) / p.rate))
	p.mu.Unlock()
	if delay := time.Until(due); delay > 0 {
		time.Sleep(delay)
	}
}

// piece is how much to write at once, so that a slow transfer stays smooth: 5 ms worth of it.
func (p *pacer) piece() int64 {
	if p == nil || p.rate == 0 {
		return 256 << 10
	}
	return max(4<<10, min(256<<10, p.rate/200))
}
