package token

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"
)

// FeedSigner signs what a server publishes: a feed key and the root's word
// for it.
type FeedSigner struct {
	Certificate SignedText
	Key         crypto.Signer
}

// Head is what every published document travels under: where an installation
// stands, said by its feed key.
type Head struct {
	Installation string
	Position     uint64    // of the change feed; everything up to it is known to the speaker
	KeySetHash   [32]byte  // SHA-256 of the key set's text
	ConfirmedAt  time.Time // when the speaker last made sure that Position is the feed's end

	page *pageBody // present in the head of a page
}

type headBody struct {
	Installation string    `json:"installation"`
	Position     uint64    `json:"position"`
	KeySetHash   b64       `json:"keySetHash"`
	ConfirmedAt  int64     `json:"confirmedAt"` // Unix milliseconds
	Page         *pageBody `json:"page,omitempty"`
}

// pageBody binds the entries of a page to its head.
type pageBody struct {
	Snapshot    bool   `json:"snapshot"`
	After       uint64 `json:"after"`
	Through     uint64 `json:"through"`
	EntriesHash b64    `json:"entriesHash"` // SHA-256 of the decoded entries
}

func (h *Head) sign(key crypto.Signer) (SignedText, error) {
	return signText(headContext, headBody{h.Installation, h.Position, h.KeySetHash[:], h.ConfirmedAt.UnixMilli(), h.page}, key)
}

// Trust is how a reader decides whether a published document is genuine.
type Trust struct {
	Root ed25519.PublicKey
	Now  time.Time     // wall clock, for the certificate's validity
	Skew time.Duration // allowed difference of clocks
}

// openHead checks the chain from root to certificate to head.
func (t Trust) openHead(certificate, head SignedText) (*Head, error) {
	c, err := VerifyCertificate(certificate, t.Root, t.Now, t.Skew)
	if err != nil {
		return nil, err
	}
	var body headBody
	if err := head.open(headContext, c.Key, &body); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if body.Installation != c.Installation {
		return nil, untrusted("the head is of installation %q, its certificate of %q", body.Installation, c.Installation)
	}
	if len(body.KeySetHash) != sha256.Size {
		return nil, untrusted("the head's key set hash has %d bytes", len(body.KeySetHash))
	}
	return &Head{
		Installation: body.Installation,
		Position:     body.Position,
		KeySetHash:   [32]byte(body.KeySetHash),
		ConfirmedAt:  time.UnixMilli(body.ConfirmedAt).UTC(),
		page:         body.Page,
	}, nil
}
