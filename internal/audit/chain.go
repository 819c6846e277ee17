package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// A journal is a sequence of batches. A batch is the lines of one or more events
// and one line that closes it:
//
//	{"chain":"<64 hex digits>"}
//
// The digits are the head of the chain there: the SHA-256 of the head before (as
// 32 bytes) and the batch's event lines with their line ends. The first head is
// that of the journal's own name, so a piece of one journal does not fit another.
// Whatever is edited, moved or left out changes every head that follows.

// head is the value of the chain at the end of a batch.
type head [sha256.Size]byte

func (h head) String() string { return hex.EncodeToString(h[:]) }

// firstHead is the head before the first batch of a journal.
func firstHead(node, incarnation string) head {
	return sha256.Sum256([]byte("propusk audit journal 1\n" + node + "\n" + incarnation + "\n"))
}

// next is the head after a batch of event lines.
func (h head) next(lines []byte) (n head) {
	d := sha256.New()
	d.Write(h[:])
	d.Write(lines)
	d.Sum(n[:0])
	return n
}

const (
	chainOpen   = `{"chain":"`
	chainClose  = "\"}\n"
	chainLength = len(chainOpen) + 2*sha256.Size + len(chainClose)
)

func appendChain(b []byte, h head) []byte {
	b = append(b, chainOpen...)
	b = hex.AppendEncode(b, h[:])
	return append(b, chainClose...)
}

// chainLine reads a line that closes a batch, line end included.
func chainLine(line []byte) (h head, ok bool) {
	if len(line) != chainLength || !bytes.HasPrefix(line, []byte(chainOpen)) || !bytes.HasSuffix(line, []byte(chainClose)) {
		return h, false
	}
	digits := line[len(chainOpen) : chainLength-len(chainClose)]
	_, err := hex.Decode(h[:], digits)
	return h, err == nil && bytes.Equal(appendChain(nil, h), line)
}

// mark is a place in a journal: how many bytes of batches lie before it, and the
// head there.
type mark struct {
	offset int64
	head   head
}

// splitBatch takes the first batch off data: its event lines, the head that it
// states, and what is left. ok is false when data does not begin with a batch.
func splitBatch(data []byte) (lines []byte, stated head, rest []byte, ok bool) {
	for end := 0; end < len(data) && data[end] == '{'; {
		n := bytes.IndexByte(data[end:], '\n')
		if n < 0 {
			break
		}
		next := end + n + 1
		if h, isChain := chainLine(data[end:next]); isChain {
			return data[:end], h, data[next:], end > 0
		}
		end = next
	}
	return nil, stated, data, false
}

// cutBatch is splitBatch for data that begins at a mark: ok also says that the
// batch continues the chain, and after is the mark at its end.
func cutBatch(data []byte, at mark) (lines []byte, after mark, rest []byte, ok bool) {
	lines, stated, rest, ok := splitBatch(data)
	if !ok || at.head.next(lines) != stated {
		return nil, at, data, false
	}
	return lines, mark{offset: at.offset + int64(len(data)-len(rest)), head: stated}, rest, true
}

// eachLine calls fn with every event line of a run of batches, line end left off.
func eachLine(data []byte, fn func(line []byte)) {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		if !bytes.HasPrefix(line, []byte(chainOpen)) {
			fn(line)
		}
	}
}

// fileHeader is the first line of a file of the journal: which journal this is
// and where in it the file begins. It does not count in offsets.
type fileHeader struct {
	Version     int    `json:"journal"`
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
	Offset      int64  `json:"offset"`
	Head        string `json:"head"`
}

const (
	fileVersion   = 1
	maxFileHeader = 1024
)

func (h fileHeader) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic("audit: file header: " + err.Error()) // strings and numbers always encode
	}
	return append(b, '\n')
}

func (h fileHeader) mark() mark {
	m := mark{offset: h.Offset}
	_, _ = hex.Decode(m.head[:], []byte(h.Head))
	return m
}

// parseFileHeader reads the first line of a file and says how long it is.
func parseFileHeader(b []byte) (h fileHeader, length int, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return h, 0, fmt.Errorf("no header")
	}
	if err := json.Unmarshal(b[:end], &h); err != nil {
		return h, 0, fmt.Errorf("header: %w", err)
	}
	if h.Version != fileVersion {
		return h, 0, fmt.Errorf("header: version %d, this program knows %d", h.Version, fileVersion)
	}
	if h.Offset < 0 || len(h.Head) != 2*sha256.Size || !bytes.Equal(h.encode(), b[:end+1]) {
		return h, 0, fmt.Errorf("header: not as this program writes it")
	}
	if _, err := hex.DecodeString(h.Head); err != nil {
		return h, 0, fmt.Errorf("header: head: %w", err)
	}
	return h, end + 1, nil
}
