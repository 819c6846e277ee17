package audit

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"

	"github.com/propusk/propusk/internal/store"
)

// Segments are kept packed with DEFLATE (RFC 1951): audit lines shrink to about
// a tenth, and packing costs less than what the database would do with the rest.
const packLevel = 2

var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, packLevel)
	if err != nil {
		panic("audit: " + err.Error()) // the level is legal
	}
	return w
}}

func pack(run []byte) []byte {
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	var out bytes.Buffer
	out.Grow(len(run)/8 + 64)
	w.Reset(&out)
	_, err := w.Write(run)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("audit: packing: " + err.Error()) // a bytes.Buffer takes everything
	}
	return out.Bytes()
}

// Unpack returns the bytes of the journal that a segment holds: whole batches,
// as long as the segment states.
func Unpack(s *store.AuditSegment) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(s.Data))
	run, err := io.ReadAll(io.LimitReader(r, s.Length+1))
	if err == nil && int64(len(run)) != s.Length {
		err = fmt.Errorf("it holds %d bytes instead of %d", len(run), s.Length)
	}
	if err != nil {
		return nil, fmt.Errorf("audit segment of journal %s at offset %d: %w", s.Incarnation, s.Offset, err)
	}
	return run, nil
}
