package temporary

// Most ids are 20 digits of 0-9 and a-v, 100 bits: these stand in 13 bytes, of
// which the first is 0x80 and four bits. Any other id is its ASCII text. An id
// has one spelling: one that can be packed is.
const (
	packedID     = 13
	packableID   = 20
	packedMark   = 0x8
	digitsOfID   = "0123456789abcdefghijklmnopqrstuv"
	bitsOfDigit  = 5
	notADigit    = 0xff
	markInPacked = packedMark << 4
)

var digitOfID = func() (values [256]byte) {
	for i := range values {
		values[i] = notADigit
	}
	for i := range len(digitsOfID) {
		values[digitsOfID[i]] = byte(i)
	}
	return values
}()

// packID is how an id is spelled in the payload.
func packID(id string) string {
	if len(id) != packableID {
		return id
	}
	var out [packedID]byte
	held, bits, at := uint(packedMark), 4, 0
	for i := range packableID {
		v := digitOfID[id[i]]
		if v == notADigit {
			return id
		}
		held, bits = held<<bitsOfDigit|uint(v), bits+bitsOfDigit
		for bits >= 8 {
			bits -= 8
			out[at], at = byte(held>>bits), at+1
		}
	}
	return string(out[:])
}

// readID reads an id of at most limit bytes of text and says what is wrong
// with it, or "".
func readID(to *string, value string, limit int) string {
	if len(value) == packedID && value[0]&0xf0 == markInPacked {
		*to = unpackID(value)
		return ""
	}
	if !validID(value, limit) || packID(value) != value {
		return "an id is wrong"
	}
	*to = value
	return ""
}

func unpackID(value string) string {
	var out [packableID]byte
	held, bits, at := uint(value[0]&0x0f), 4, 0
	for i := 1; i < packedID; i++ {
		held, bits = held<<8|uint(value[i]), bits+8
		for bits >= bitsOfDigit {
			bits -= bitsOfDigit
			out[at], at = digitsOfID[held>>bits&31], at+1
		}
	}
	return string(out[:])
}

// validID tells whether s is 1 to limit printable ASCII characters without spaces.
func validID(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// inAlphabet tells whether s is base64url and nothing else.
func inAlphabet(s string) bool {
	for i := range len(s) {
		if !alphabet[s[i]] {
			return false
		}
	}
	return true
}

var alphabet = func() (in [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		in[c] = true
	}
	return in
}()
