package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type connectionKey struct{}

func withConnection(parent context.Context, connection net.Conn) context.Context {
	return context.WithValue(parent, connectionKey{}, connection)
}

// resetWhenDelivered sends RST once the other end's kernel has every byte that was written, so that
// the bytes counted here are the bytes received there.
func resetWhenDelivered(r *http.Request) {
	connection, isTCP := r.Context().Value(connectionKey{}).(*net.TCPConn)
	if !isTCP {
		return
	}
	for deadline := time.Now().Add(5 * time.Second); unsent(connection) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	connection.SetLinger(0)
	connection.Close()
}

// unsent answers SIOCOUTQ: bytes that the other end has not acknowledged.
func unsent(connection *net.TCPConn) int {
	raw, err := connection.SyscallConn()
	if err != nil {
		return 0
	}
	var pending int32
	raw.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&pending)))
	})
	return int(pending)
}

func etagOf(content blob) string {
	return fmt.Sprintf("%q", content.Seed+"-"+strconv.FormatInt(content.Size, 10))
}

// rangeOf decides what to send: one byte range under a matching If-Range (RFC 9110 section 14), else everything.
func rangeOf(r *http.Request, content blob) (from, to int64, status int) {
	whole := func() (int64, int64, int) { return 0, content.Size, http.StatusOK }
	wanted, isBytes := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if !isBytes || strings.Contains(wanted, ",") {
		return whole()
	}
	if condition := r.Header.Get("If-Range"); condition != "" && condition != etagOf(content) {
		return whole()
	}
	first, last, found := strings.Cut(wanted, "-")
	if !found {
		return whole()
	}
	if first == "" {
		suffix, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return whole()
		}
		return max(0, content.Size-suffix), content.Size, http.StatusPartialContent
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return whole()
	}
	if from >= content.Size {
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	to = content.Size
	if last != "" {
		if end, err := strconv.ParseInt(last, 10, 64); err == nil {
			to = min(to, end+1)
		}
	}
	return from, to, http.StatusPartialContent
}
