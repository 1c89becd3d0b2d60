package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
)

// The content of every blob is one random table, repeated from an offset that its seed decides. Its
// period is prime, so bytes that land at the wrong power-of-two offset are noticed. Serving and
// comparing are a slice and a memcmp, which is what keeps both ends cheap.
const (
	period   = 4194301
	maxSlice = 1 << 20
)

var table = makeTable()

func makeTable() []byte {
	bytes := make([]byte, period+maxSlice)
	var key [32]byte
	copy(key[:], "cistern bench content, version 1")
	source := rand.NewChaCha8(key)
	if _, err := source.Read(bytes[:period]); err != nil {
		panic(err)
	}
	copy(bytes[period:], bytes[:maxSlice])
	return bytes
}

type blob struct {
	Seed string `json:"seed"`
	Size int64  `json:"size"`
	base int64
}

func newBlob(seed string, size int64) blob {
	hash := fnv.New64a()
	hash.Write([]byte(seed))
	return blob{Seed: seed, Size: size, base: int64(hash.Sum64() % period)}
}

// at answers the content from offset on: at most want bytes, at most maxSlice, never past the end.
func (b blob) at(offset, want int64) []byte {
	want = min(want, maxSlice, b.Size-offset)
	start := (b.base + offset) % period
	return table[start : start+want]
}

// matches says whether got is what the content holds at offset.
func (b blob) matches(got []byte, offset int64) bool {
	if offset+int64(len(got)) > b.Size {
		return false
	}
	for len(got) > 0 {
		expected := b.at(offset, int64(len(got)))
		if !bytes.Equal(expected, got[:len(expected)]) {
			return false
		}
		got = got[len(expected):]
		offset += int64(len(expected))
	}
	return true
}

type blobOptions struct {
	Seed string `json:"seed"`
	Size int64  `json:"size"`
	// Out: where to write the content; empty computes the digests alone.
	Out string `json:"out"`
}

type blobDigests struct {
	MD5    string `json:"md5"`
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
}

func runBlob(argument []byte) (any, error) {
	var options blobOptions
	if err := parse(argument, &options); err != nil {
		return nil, err
	}
	md5Hash, sha256Hash, sha512Hash := md5.New(), sha256.New(), sha512.New()
	sinks := []io.Writer{md5Hash, sha256Hash, sha512Hash}
	if options.Out != "" {
		file, err := os.Create(options.Out)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		sinks = append(sinks, file)
	}
	content := newBlob(options.Seed, options.Size)
	all := io.MultiWriter(sinks...)
	for offset := int64(0); offset < content.Size; {
		n, err := all.Write(content.at(offset, maxSlice))
		if err != nil {
			return nil, err
		}
		offset += int64(n)
	}
	return blobDigests{
		MD5:    hex.EncodeToString(md5Hash.Sum(nil)),
		SHA256: hex.EncodeToString(sha256Hash.Sum(nil)),
		SHA512: hex.EncodeToString(sha512Hash.Sum(nil)),
	}, nil
}
