package leak

// What tests need of the inside.
var Murmur3 = murmur3

const (
	Window  = window
	Overlap = overlap
)
