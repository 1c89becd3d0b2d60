package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// herdClient is one connection of a herd: it is open before the first request goes out.
type herdClient struct {
	options    herdOptions
	connection *net.TCPConn
	request    string
	content    blob
	result     clientResult
}

func newHerdClient(options herdOptions, index int) (*herdClient, error) {
	number := index % len(options.Targets)
	wanted := options.Targets[number]
	connection, err := wanted.dial()
	if err != nil {
		return nil, err
	}
	request, err := wanted.request()
	if err != nil {
		return nil, err
	}
	connection.SetDeadline(time.Now().Add(time.Duration(options.TimeoutMs) * time.Millisecond))
	return &herdClient{
		options:    options,
		connection: connection,
		request:    request,
		content:    newBlob(wanted.Seed, wanted.Size),
		result:     clientResult{Role: roleOf(options, index), Target: number},
	}, nil
}

func roleOf(options herdOptions, index int) string {
	switch {
	case index == 0 && options.LeaderLeavesAt > 0:
		return "leaver"
	case index == 0:
		return "leader"
	case index <= options.Slow:
		return "slow"
	case index <= options.Slow+options.Stalled:
		return "stalled"
	default:
		return "follower"
	}
}

// cutOff says whether the herd ends without waiting for this client.
func (c *herdClient) cutOff() bool { return c.result.Role == "slow" || c.result.Role == "stalled" }

func (c *herdClient) send() error {
	_, err := io.WriteString(c.connection, c.request)
	c.result.SentAt = time.Now().UnixNano()
	return err
}

func (c *herdClient) read() {
	defer c.connection.Close()
	response, body, err := readHead(c.connection)
	if err != nil {
		c.failed(fmt.Errorf("head: %w", err))
		return
	}
	c.result.Status = response.StatusCode
	if response.StatusCode != 200 {
		c.failed(fmt.Errorf("status %d", response.StatusCode))
		return
	}
	if response.ContentLength >= 0 && response.ContentLength != c.content.Size {
		c.failed(fmt.Errorf("Content-Length %d", response.ContentLength))
		return
	}
	c.failed(c.readBody(body))
}

// readBody compares while it reads; nil means that the body was complete and right, or that the client left on purpose.
func (c *herdClient) readBody(body io.Reader) error {
	buffer := make([]byte, c.bufferSize())
	started := time.Now()
	for {
		n, err := body.Read(buffer)
		if n > 0 && c.result.FirstByteAt == 0 {
			c.result.FirstByteAt = time.Now().UnixNano()
		}
		if !c.content.matches(buffer[:n], c.result.Bytes) {
			return fmt.Errorf("wrong bytes before %d", c.result.Bytes+int64(n))
		}
		c.result.Bytes += int64(n)
		if errors.Is(err, io.EOF) {
			c.result.DoneAt = time.Now().UnixNano()
			c.result.Complete = c.result.Bytes == c.content.Size
			if !c.result.Complete {
				return fmt.Errorf("ended short")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch c.result.Role {
		case "leaver":
			if c.result.Bytes >= c.options.LeaderLeavesAt {
				c.connection.SetLinger(0)
				return nil
			}
		case "slow":
			time.Sleep(time.Until(started.Add(time.Duration(c.result.Bytes * int64(time.Second) / c.options.SlowRate))))
		case "stalled":
			c.waitForCutOff()
			return nil
		}
	}
}

// waitForCutOff returns when the herd closes the connection, and reads nothing meanwhile.
func (c *herdClient) waitForCutOff() {
	raw, err := c.connection.SyscallConn()
	if err != nil {
		return
	}
	// Write-readiness never comes back to a poller that always says "not yet", until the close ends it.
	raw.Write(func(uintptr) bool { return false })
}

func (c *herdClient) bufferSize() int64 {
	switch c.result.Role {
	case "slow":
		return max(1, min(64<<10, c.options.SlowRate/4))
	case "stalled":
		return 1
	default:
		return 256 << 10
	}
}

// failed keeps the reason, unless the herd itself cut the client off.
func (c *herdClient) failed(err error) {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return
	}
	var network *net.OpError
	if errors.As(err, &network) {
		err = network.Err
	}
	c.result.Failure = err.Error()
}
