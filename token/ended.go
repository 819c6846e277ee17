package token

// Ended tells whether anything of a list, or the installation, has been ended
// since a position of the change feed: for what is no token but ends as tokens
// do. It returns nil, ErrRevoked, or ErrStale while the verifier knows too
// little to say. A signing key that it rests on belongs into the list, and ends
// it whatever the position: it is the key that vouches for the position.
func (v *Verifier) Ended(position uint64, depends []Dependency) error {
	if v.know.version.Load() == 0 || v.stale(v.config.Now()) {
		return ErrStale
	}
	var space [MaxDependencies + 1][16]byte
	hashes := space[:0]
	var spaceOfKeys [2][16]byte
	keys := spaceOfKeys[:0]
	for _, d := range depends {
		hash := HashID(d.Kind, d.ID)
		if d.Kind == KindSigningKey {
			keys = append(keys, hash)
			continue
		}
		hashes = append(hashes, hash)
	}
	if v.know.ended(position, hashes, keys) {
		return ErrRevoked
	}
	return nil
}

func (k *knowledge) ended(position uint64, hashes, keys [][16]byte) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if r, ok := k.live[k.whole]; ok && position < r.seq {
		return true
	}
	for _, h := range hashes {
		if r, ok := k.live[h]; ok && position < r.seq {
			return true
		}
	}
	for _, h := range keys {
		if _, stolen := k.live[h]; stolen {
			return true
		}
	}
	return false
}
