package rest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
)

// MaxBody is the largest request body in bytes; more is answered with 413.
const MaxBody = 1 << 20

// Messages nested deeper than this are refused; the API's own stay below ten.
const maxDepth = 64

// Buffers that grew beyond this are left to the garbage collector.
const keepBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// decodeBody fills a message from the JSON text of a request, whatever its
// Content-Type said. Nothing at all is an empty object; a byte order mark is
// forgiven. Errors name the field and never repeat its value.
func decodeBody(body []byte, m proto.Message) error {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		proto.Reset(m)
		return nil
	}
	if decodePlain(body, m) {
		return nil
	}
	err := protojson.UnmarshalOptions{RecursionLimit: maxDepth}.Unmarshal(body, m)
	if err == nil {
		return nil
	}
	if !utf8.Valid(body) {
		return refuse(iam.InvalidArgument, "json", "The body is not valid UTF-8")
	}
	return explain(body, m.ProtoReflect().Descriptor())
}

// readBody reads a whole body into the buffer. tooLarge is told apart because
// its HTTP status is not that of its code.
func readBody(w http.ResponseWriter, r *http.Request, buf []byte) (body []byte, tooLarge bool, err error) {
	if r.ContentLength > MaxBody {
		return buf, true, errTooLarge()
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return buf, false, refuse(iam.InvalidArgument, "encoding", "Content-Encoding "+clip(e)+" is not supported; send the body as it is")
	}
	in := http.MaxBytesReader(w, r.Body, MaxBody)
	if n := int(r.ContentLength) + 1; n > cap(buf) {
		buf = make([]byte, 0, n) // one more, so that the end is seen without growing
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == nil {
			continue
		}
		if err == io.EOF {
			return buf, false, nil
		}
		var over *http.MaxBytesError
		if errors.As(err, &over) {
			return buf, true, errTooLarge()
		}
		return buf, false, readError(r, err)
	}
}

func errTooLarge() error {
	return refuse(iam.InvalidArgument, "size", "The body is larger than 1 MiB")
}

func readError(r *http.Request, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return iam.Wrap(err, iam.DeadlineExceeded, "The body did not arrive in time")
	case r.Context().Err() != nil:
		return r.Context().Err()
	}
	return iam.Wrap(err, iam.InvalidArgument, "The body ended before its announced length or is not framed properly")
}

// refuseBody answers a body where the method takes none; an empty object says
// nothing and is let through.
func refuseBody(body []byte) error {
	if b := bytes.TrimSpace(body); len(b) > 0 && string(b) != "{}" {
		return refuse(iam.InvalidArgument, "json", "This method takes no body; its parameters go into the path and the query string")
	}
	return nil
}
