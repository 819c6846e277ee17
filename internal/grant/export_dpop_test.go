package grant

import (
	"encoding/binary"
	"encoding/json"
)

// Remembered is how many used proofs are remembered.
func (d *DPoP) Remembered() int { return len(d.used) }

// Fill remembers as many used proofs as there may be.
func (d *DPoP) Fill() {
	now := d.Now().Unix()
	d.used, d.next = map[[32]byte]use{}, now+1
	for i := range uint32(mostProofs) {
		var key [32]byte
		binary.BigEndian.PutUint32(key[:], i)
		d.used[key] = use{until: now + 60}
	}
}

// ThumbprintOfRSA is the thumbprint of an RSA key.
func ThumbprintOfRSA(n, e string) string {
	quote := func(s string) json.RawMessage { return json.RawMessage(`"` + s + `"`) }
	k, err := keyOf("RS256", map[string]json.RawMessage{"kty": quote("RSA"), "n": quote(n), "e": quote(e)})
	if err != nil {
		return err.Error()
	}
	return k.thumbprint()
}
