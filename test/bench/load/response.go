package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
)

// target is one URL to fetch, with the headers to send and the content to expect.
type target struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Seed    string            `json:"seed"`
	Size    int64             `json:"size"`
}

// dial connects and answers the address's request text, ready to be sent.
func (t target) dial() (*net.TCPConn, error) {
	location, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	connection, err := net.Dial("tcp", location.Host)
	if err != nil {
		return nil, err
	}
	return connection.(*net.TCPConn), nil
}

func (t target) request() (string, error) {
	location, err := url.Parse(t.URL)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n", location.RequestURI(), location.Host)
	names := make([]string, 0, len(t.Headers))
	for name := range t.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&text, "%s: %s\r\n", name, t.Headers[name])
	}
	text.WriteString("\r\n")
	return text.String(), nil
}

// readHead reads a response's head. The body reader takes large reads straight from the connection
// when the length is announced, and decodes chunks otherwise. HTTP/1.0 style bodies are refused:
// whoever reads one cannot know whether it is complete.
func readHead(connection net.Conn) (*http.Response, io.Reader, error) {
	buffered := bufio.NewReaderSize(connection, 4096)
	response, err := http.ReadResponse(buffered, &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, nil, err
	}
	if response.ContentLength >= 0 {
		early := make([]byte, buffered.Buffered())
		if _, err := io.ReadFull(buffered, early); err != nil {
			return nil, nil, err
		}
		return response, io.LimitReader(&prefixed{early: early, rest: connection}, response.ContentLength), nil
	}
	if len(response.TransferEncoding) == 0 {
		return nil, nil, fmt.Errorf("body is delimited by the end of the connection")
	}
	return response, response.Body, nil
}

// prefixed reads what came with the head, then the connection itself.
type prefixed struct {
	early []byte
	rest  io.Reader
}

func (p *prefixed) Read(into []byte) (int, error) {
	if len(p.early) > 0 {
		n := copy(into, p.early)
		p.early = p.early[n:]
		return n, nil
	}
	return p.rest.Read(into)
}
