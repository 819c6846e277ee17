//go:build unix

package compat_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strconv"
	"strings"
)

// checksums are those that SDKs send behind a body, by the trailer's name.
var checksums = map[string]func() hash.Hash{
	"x-amz-checksum-crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"x-amz-checksum-crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"x-amz-checksum-crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) },
	"x-amz-checksum-sha256":    sha256.New,
}

// readChunks reads a body of the aws-chunked coding without signatures: pieces,
// each behind its size in hexadecimal, and the trailer that was announced, which
// must be the checksum of all.
func readChunks(from io.Reader, trailer string) ([]byte, error) {
	of, ok := checksums[strings.ToLower(trailer)]
	if !ok {
		return nil, fmt.Errorf("no known checksum is announced: %q", trailer)
	}
	r := bufio.NewReader(from)
	var body []byte
	for {
		line, err := lineOf(r)
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseUint(line, 16, 24)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			break
		}
		piece := make([]byte, size)
		if _, err := io.ReadFull(r, piece); err != nil {
			return nil, err
		}
		if line, err := lineOf(r); err != nil || line != "" {
			return nil, errors.Join(errors.New("a piece does not end where it should"), err)
		}
		body = append(body, piece...)
	}
	line, err := lineOf(r)
	if err != nil {
		return nil, err
	}
	sum := of()
	sum.Write(body)
	if want := strings.ToLower(trailer) + ":" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); line != want {
		return nil, fmt.Errorf("the trailer is %q, want %q", line, want)
	}
	return body, nil
}

func lineOf(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
