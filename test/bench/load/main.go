// Command load is the compiled half of the bench: an origin with seeded content, and clients that
// cost little beside the proxy they measure. Every client command takes one JSON argument and
// prints one JSON document.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: load origin|herd|hits|blob JSON"))
	}
	commands := map[string]func([]byte) (any, error){
		"origin": runOrigin,
		"herd":   runHerd,
		"hits":   runHits,
		"blob":   runBlob,
	}
	command, known := commands[os.Args[1]]
	if !known {
		fail(fmt.Errorf("unknown command %q", os.Args[1]))
	}
	result, err := command([]byte(os.Args[2]))
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

// parse reads the command's argument and refuses fields that it does not know, so that a misspelt
// option cannot silently measure something else.
func parse(argument []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(argument))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
