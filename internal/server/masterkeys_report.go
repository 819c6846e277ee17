package server

import (
	"maps"
	"slices"
)

// RotateMasterRequest asks to seal every secret at rest under the master key
// that the source lists first.
type RotateMasterRequest struct {
	NewKey bool `json:"new_key"` // first put a new key on top of the file that the keys come from
	Check  bool `json:"check"`   // change nothing, count
}

// RotateMasterResult tells where the secrets are now.
type RotateMasterResult struct {
	Key   string   `json:"key"`   // the master key that seals
	Held  []string `json:"held"`  // master keys as the source lists them
	Added string   `json:"added"` // the master key that was put on top of File; "" when none was
	File  string   `json:"file"`  // where the master keys come from; "" when from elsewhere
	// Shared says that other nodes may use the database, so that a new key was
	// added and nothing was sealed under it: they need its line first.
	Shared bool          `json:"shared"`
	Tables []SealedCount `json:"tables"`
}

// SealedCount tells of the secrets of one table.
type SealedCount struct {
	Table    string          `json:"table"`
	Moved    int             `json:"moved"`    // sealed anew by this command
	There    int             `json:"there"`    // under the key already
	ByKey    map[string]int  `json:"by_key"`   // how many are under each master key now
	Failed   int             `json:"failed"`   // did not open, left as they are
	Unopened []UnopenedInfo  `json:"unopened"` // the first mostUnopened of them
	changed  bool            // rows were changed by others meanwhile
	failed   map[string]bool // ids that Failed counts
}

// UnopenedInfo names a secret that does not open.
type UnopenedInfo struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Left is how many secrets are still under a master key.
func (r *RotateMasterResult) Left(keyID string) (n int) {
	for _, t := range r.Tables {
		n += t.ByKey[keyID]
	}
	return n
}

func (c *SealedCount) unopened(id string, why error) {
	if c.failed[id] {
		return
	}
	c.failed[id] = true
	c.Failed++
	if len(c.Unopened) < mostUnopened {
		c.Unopened = append(c.Unopened, UnopenedInfo{ID: id, Why: why.Error()})
	}
}

// Removable are the master keys of the source, and those that were before, that
// hold nothing any more: their lines may go. None as long as something does not
// open.
func (r *RotateMasterResult) Removable() (ids []string) {
	for _, t := range r.Tables {
		if t.Failed > 0 {
			return nil
		}
	}
	for _, id := range r.Held {
		if id != r.Key && r.Left(id) == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Elsewhere are the other master keys that something is still sealed under,
// sorted.
func (r *RotateMasterResult) Elsewhere() []string {
	ids := map[string]struct{}{}
	for _, t := range r.Tables {
		for id := range t.ByKey {
			if id != r.Key {
				ids[id] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
