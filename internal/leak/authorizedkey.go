package leak

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

// The line above the private half of an authorized key, which asks not to be
// removed [API fact: authorized keys], and what follows it.
var (
	warning  = []byte("PLEASE DO NOT REMOVE THIS LINE! ")
	keyIDIs  = []byte("Yandex.Cloud SA Key ID ") // rarer than the line's beginning, so looked for
	beginKey = []byte("-----BEGIN PRIVATE KEY-----")
	endKey   = []byte("-----END PRIVATE KEY-----")
)

const keyIDMost = 50 // [API fact: ids are at most 50 characters]

// nextWarning is where the next warning line at or after from begins; the
// text's length when there is none.
func nextWarning(text []byte, from int) int {
	for i := from; i < len(text); {
		at := bytes.Index(text[i:], keyIDIs)
		if at < 0 {
			return len(text)
		}
		start := i + at - len(warning)
		if start >= from && bytes.HasPrefix(text[start:], warning) {
			return start
		}
		i += at + len(keyIDIs)
	}
	return len(text)
}

// authorizedKeyAt reads the warning line and a private key that begin at start,
// as a file has them or within a JSON or YAML string, and tells where the key
// ends; 0 when there is none.
func authorizedKeyAt(text []byte, start int) int {
	b := text[start:min(len(text), start+AuthorizedKeyMost)]
	body, end := privateKeyIn(b)
	if end == 0 {
		return 0
	}
	if _, ok := privateKeyOf(body); !ok {
		return 0
	}
	return start + end
}

// privateKeyIn finds the PEM block under the warning line at the start of b: its
// body and where the block ends, which is 0 when there is none. In a diff every
// line begins with the same mark.
func privateKeyIn(b []byte) (body []byte, end int) {
	_, line := keyIDOf(b)
	if line == 0 {
		return nil, 0
	}
	if mark := markAt(b, line); mark != 0 {
		plain := unmarked(b, mark)
		if body, end = privateKeyIn(plain); end > 0 {
			end += bytes.Count(plain[:end], []byte{'\n'})
		}
		return body, end
	}
	i := breaks(b, line)
	if i == line || !bytes.HasPrefix(b[i:], beginKey) {
		return nil, 0
	}
	i += len(beginKey)
	n := bytes.IndexByte(b[i:], '-') // base64 has none
	if n < 0 || !bytes.HasPrefix(b[i+n:], endKey) {
		return nil, 0
	}
	return b[i : i+n], i + n + len(endKey)
}

// markAt is the mark of a diff that the line has which follows one that ends at
// i and begins a key's block; 0 when it has none.
func markAt(b []byte, i int) byte {
	if i < len(b) && b[i] == '\r' {
		i++
	}
	if i+1 >= len(b) || b[i] != '\n' || b[i+1] != '+' && b[i+1] != '-' || !bytes.HasPrefix(b[i+2:], beginKey) {
		return 0
	}
	return b[i+1]
}

// unmarked is a text without the mark that each of its lines but the first
// begins with, up to the first line that does not.
func unmarked(b []byte, mark byte) []byte {
	plain := make([]byte, 0, len(b))
	for {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 || n == len(b) || b[n] != mark {
			if n == 0 {
				n = len(b)
			}
			return append(plain, b[:n]...)
		}
		plain = append(plain, b[:n]...)
		b = b[n+1:]
	}
}

// keyIDOf reads the warning line at the start of b: the id of the key and where
// the line's text ends, which is 0 when it is no such line.
func keyIDOf(b []byte) (id string, end int) {
	if !bytes.HasPrefix(b, warning) || !bytes.HasPrefix(b[len(warning):], keyIDIs) {
		return "", 0
	}
	i := len(warning) + len(keyIDIs)
	i, opened := bracket(b, i, '<', "u003c")
	last := i
	for last < len(b) && word[b[last]] {
		last++
	}
	end, closed := bracket(b, last, '>', "u003e")
	if !opened || !closed || last == i || last-i > keyIDMost {
		return "", 0
	}
	return string(b[i:last]), end
}

// bracket steps over a bracket as it is or as JSON may escape it.
func bracket(b []byte, i int, plain byte, escape string) (int, bool) {
	if i < len(b) && b[i] == plain {
		return i + 1, true
	}
	at := i
	for at < len(b) && b[at] == '\\' {
		at++
	}
	end := at + len(escape)
	if at == i || end > len(b) || !strings.EqualFold(string(b[at:end]), escape) {
		return i, false
	}
	return end, true
}

// breaks steps over line ends and spaces, real or escaped (\n, and \\n in a
// string within a string).
func breaks(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\t', '\r', '\n':
			i++
			continue
		case '\\':
			n := i
			for n < len(b) && b[n] == '\\' {
				n++
			}
			if n < len(b) && (b[n] == 'n' || b[n] == 'r') {
				i = n + 1
				continue
			}
		}
		break
	}
	return i
}

// privateKeyOf parses the body of a PEM block as a PKCS #8 private key.
func privateKeyOf(body []byte) (any, bool) {
	plain := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		if n := breaks(body, i); n > i {
			i = n
			continue
		}
		if body[i] != '\\' { // JSON may escape a slash
			plain = append(plain, body[i])
		}
		i++
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(plain)))
	n, err := base64.StdEncoding.Decode(der, plain)
	if err != nil {
		return nil, false
	}
	key, err := x509.ParsePKCS8PrivateKey(der[:n])
	return key, err == nil
}

// KeyID is the id of the key that an authorized key's text names; "" when the
// text does not begin with the warning line.
func KeyID(text string) string {
	id, _ := keyIDOf([]byte(text))
	return id
}

// PublicHalf is what of an authorized key's text is enough to ask a server
// about it: the warning line with the key's id, and the public key in PEM
// ("PUBLIC KEY"). It is empty when the text is no authorized key.
func PublicHalf(text string) string {
	b := []byte(text)
	body, end := privateKeyIn(b)
	if end != len(b) || end == 0 {
		return ""
	}
	key, _ := privateKeyOf(body)
	private, ok := key.(crypto.Signer)
	if !ok {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return ""
	}
	return string(warning) + string(keyIDIs) + "<" + KeyID(text) + ">\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
