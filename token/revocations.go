package token

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// RevocationPage is a published part of the revocation feed whose signatures
// have been checked: all live revocations with After < Seq <= Through.
type RevocationPage struct {
	Head     Head
	Snapshot bool   // what was known before is void; After is 0
	After    uint64 // the reader's cursor
	Through  uint64 // the reader's next cursor; below Head.Position when there is more
	Entries  []Revocation
}

type pageDocument struct {
	Certificate SignedText `json:"certificate"`
	Head        SignedText `json:"head"`
	Entries     b64        `json:"entries"`
}

// RevocationSnapshot makes the body served at RevocationsPath to a reader
// without a cursor, or with one that the node cannot serve. live is every
// revocation of the last RevocationLife, in any order; those beyond
// p.Position are left for a later page.
func (p *Publication) RevocationSnapshot(f FeedSigner, live []Revocation) ([]byte, error) {
	return p.page(f, live, 0, true)
}

// RevocationsAfter makes the body served to a reader with a cursor. live must
// hold every revocation after it, and may hold more. A cursor beyond
// p.Position is an error: the reader has been at a node that is further on,
// and the node answers when it has caught up.
func (p *Publication) RevocationsAfter(f FeedSigner, live []Revocation, after uint64) ([]byte, error) {
	if after > p.Position {
		return nil, fmt.Errorf("revocations: the reader is at %d, this node at %d", after, p.Position)
	}
	return p.page(f, live, after, false)
}

func (p *Publication) page(f FeedSigner, live []Revocation, after uint64, snapshot bool) ([]byte, error) {
	_, head, err := p.head()
	if err != nil {
		return nil, err
	}
	entries, through := cutPage(live, after, p.Position)
	wire := make([]byte, 0, len(entries)*revocationBytes)
	for _, r := range entries {
		wire = binary.BigEndian.AppendUint32(wire, uint32(r.Kind))
		wire = append(wire, r.Hash[:]...)
		wire = binary.BigEndian.AppendUint64(wire, r.Seq)
	}
	hash := sha256.Sum256(wire)
	head.page = &pageBody{snapshot, after, through, hash[:]}
	signed, err := head.sign(f.Key)
	if err != nil {
		return nil, fmt.Errorf("revocations: %w", err)
	}
	document, err := json.Marshal(pageDocument{f.Certificate, signed, wire})
	if err == nil && len(document) > MaxPageBytes {
		err = fmt.Errorf("revocations: change %d ended more than a page can hold", through)
	}
	return document, err
}

// cutPage picks what follows after, ascending, at most MaxPageEntries of it
// but never a part of one change, and says how far that reaches.
func cutPage(live []Revocation, after, position uint64) ([]Revocation, uint64) {
	var entries []Revocation
	for _, r := range live {
		if r.Seq > after && r.Seq <= position {
			entries = append(entries, r)
		}
	}
	slices.SortFunc(entries, func(a, b Revocation) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	if len(entries) <= MaxPageEntries {
		return entries, position
	}
	cut := MaxPageEntries
	for cut > 0 && entries[cut-1].Seq == entries[cut].Seq {
		cut--
	}
	if cut == 0 {
		for cut < len(entries) && entries[cut].Seq == entries[0].Seq {
			cut++
		}
	}
	if cut == len(entries) {
		return entries, position
	}
	return entries[:cut], entries[cut-1].Seq
}

// OpenRevocations reads and checks a body served at RevocationsPath. Errors
// are ErrUntrusted.
func OpenRevocations(document []byte, t Trust) (*RevocationPage, error) {
	var d pageDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, untrusted("the page is not JSON as it should be: %v", err)
	}
	head, err := t.openHead(d.Certificate, d.Head)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	b := head.page
	if b == nil {
		return nil, untrusted("the head is not that of a page")
	}
	if hash := sha256.Sum256(d.Entries); !bytes.Equal(hash[:], b.EntriesHash) {
		return nil, untrusted("the entries are not those that their head names")
	}
	if b.After > b.Through || b.Through > head.Position || (b.Snapshot && b.After != 0) ||
		(b.Through < head.Position && b.Through == b.After) || len(d.Entries)%revocationBytes != 0 {
		return nil, untrusted("the page contradicts itself")
	}
	page := &RevocationPage{Head: *head, Snapshot: b.Snapshot, After: b.After, Through: b.Through}
	page.Entries, err = readEntries(d.Entries, b)
	return page, err
}

func readEntries(wire []byte, b *pageBody) ([]Revocation, error) {
	entries := make([]Revocation, 0, len(wire)/revocationBytes)
	for ; len(wire) > 0; wire = wire[revocationBytes:] {
		kind := binary.BigEndian.Uint32(wire)
		r := Revocation{Hash: [16]byte(wire[4:20]), Seq: binary.BigEndian.Uint64(wire[20:])}
		if r.Seq <= b.After || r.Seq > b.Through {
			return nil, untrusted("an entry lies outside its page")
		}
		// The hash alone decides, so a kind too new for this version still ends tokens.
		if kind <= 255 {
			r.Kind = Kind(kind)
		}
		entries = append(entries, r)
	}
	return entries, nil
}
