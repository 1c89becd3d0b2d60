package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// hitLoop is one epoll loop over plain sockets: what a request costs here must be little beside what
// it costs the server, and Go's scheduler alone would not be.
type hitLoop struct {
	options     hitsOptions
	requests    []string
	epoll       int
	connections map[int32]*hitConnection
	buffer      []byte
	latencies   []time.Duration
	bytes       int64
	failed      int64
	failure     error
}

type hitConnection struct {
	file   *os.File
	fd     int
	target int
	sentAt time.Time
	head   []byte
	// left: bytes of the body still to come; -1 while the head is being read.
	left int64
}

func newHitLoop(options hitsOptions, requests []string, number int) (*hitLoop, error) {
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return nil, err
	}
	loop := &hitLoop{options: options, requests: requests, epoll: epoll, connections: map[int32]*hitConnection{}, buffer: make([]byte, 256<<10)}
	for i := number; i < options.Connections; i += options.Threads {
		connection, err := openHitConnection(options.Targets[0], i%len(options.Targets))
		if err != nil {
			return nil, err
		}
		loop.connections[int32(connection.fd)] = connection
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(connection.fd)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, connection.fd, &event); err != nil {
			return nil, err
		}
	}
	return loop, nil
}

func openHitConnection(to target, first int) (*hitConnection, error) {
	connection, err := to.dial()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return asHitConnection(connection, first)
}

func asHitConnection(connection *net.TCPConn, first int) (*hitConnection, error) {
	file, err := connection.File()
	if err != nil {
		return nil, err
	}
	fd := int(file.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return &hitConnection{file: file, fd: fd, target: first, left: -1}, nil
}

// run sends on every connection and reads until the time is over. Requests under way then are not counted, their bytes are.
func (l *hitLoop) run(until time.Time) error {
	runtime.LockOSThread()
	for _, connection := range l.connections {
		l.send(connection)
	}
	events := make([]syscall.EpollEvent, 64)
	for len(l.connections) > 0 {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		n, err := syscall.EpollWait(l.epoll, events, int(left.Milliseconds())+1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for _, event := range events[:n] {
			connection := l.connections[event.Fd]
			if err := l.receive(connection); err != nil {
				l.drop(connection, err)
			}
		}
	}
	return nil
}

func (l *hitLoop) drop(connection *hitConnection, reason error) {
	l.failed++
	l.failure = reason
	delete(l.connections, int32(connection.fd))
	connection.file.Close()
}

func (l *hitLoop) send(connection *hitConnection) {
	connection.sentAt = time.Now()
	request := l.requests[connection.target]
	connection.target = (connection.target + 1) % len(l.requests)
	n, err := syscall.Write(connection.fd, []byte(request))
	if err != nil || n != len(request) {
		l.drop(connection, fmt.Errorf("request not written: %v", err))
	}
}

func (l *hitLoop) receive(connection *hitConnection) error {
	n, err := syscall.Read(connection.fd, l.buffer)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("closed by the server")
	}
	got := l.buffer[:n]
	if connection.left < 0 {
		got, err = connection.readHead(got)
		if err != nil || connection.left < 0 {
			return err
		}
	}
	if int64(len(got)) > connection.left {
		return fmt.Errorf("more bytes than announced")
	}
	connection.left -= int64(len(got))
	l.bytes += int64(len(got))
	if connection.left == 0 {
		l.latencies = append(l.latencies, time.Since(connection.sentAt))
		connection.left = -1
		l.send(connection)
	}
	return nil
}

var lengthField = []byte("\r\ncontent-length:")

// readHead takes bytes until the head is whole; what is left over belongs to the body.
func (c *hitConnection) readHead(got []byte) ([]byte, error) {
	known := len(c.head)
	c.head = append(c.head, got...)
	end := bytes.Index(c.head, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, nil
	}
	body := got[end+4-known:]
	head := bytes.ToLower(c.head[:end+2])
	c.head = c.head[:0]
	if !bytes.HasPrefix(head, []byte("http/1.1 200 ")) {
		return nil, fmt.Errorf("not 200: %.20q", head)
	}
	at := bytes.Index(head, lengthField)
	if at < 0 {
		return nil, fmt.Errorf("no Content-Length")
	}
	value := head[at+len(lengthField):]
	length, err := strconv.ParseInt(string(bytes.TrimSpace(value[:bytes.IndexByte(value, '\r')])), 10, 64)
	c.left = length
	return body, err
}
