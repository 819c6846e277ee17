package audit

// File is what the journal does to its newest file.
type File = file

// WithFiles has every file that the journal writes pass through wrap.
func (c Config) WithFiles(wrap func(File) File) Config {
	c.wrap = wrap
	return c
}

// Pack packs the bytes of a segment.
func Pack(run []byte) []byte { return pack(run) }
