package temporary_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/temporary"
)

func payloadOf(t testing.TB, s *temporary.Session) []byte {
	t.Helper()
	text, _, err := newKey(t, keyID, 1).Make(s)
	if err != nil {
		t.Fatal(err)
	}
	return temporary.Payload(text)
}

// replaced is a payload with one part, which it has once, spelled differently.
func replaced(t testing.TB, payload []byte, old, new string) []byte {
	t.Helper()
	if n := bytes.Count(payload, []byte(old)); n != 1 {
		t.Fatalf("%q is %d times in the payload", old, n)
	}
	return bytes.Replace(payload, []byte(old), []byte(new), 1)
}

// Payloads behind a good tag are still read strictly: a node of a later version
// may hold the same key.
func TestPayloads(t *testing.T) {
	k := newKey(t, keyID, 1)
	long := child() // without padding
	long.Policy = strings.Repeat("p", 100)
	good := payloadOf(t, long)
	_, after, _ := bytes.Cut(good, []byte("\x08\x01\x01\x09\x0d"))
	_, dependencies, _ := bytes.Cut(good, []byte("\x0d\x17"))
	dependencies = append([]byte("\x0d\x17"), dependencies[:0x17]...)
	subject := string(after[:13])
	policy := "\x0f\x64" + strings.Repeat("p", 100)
	short := own()
	padded := payloadOf(t, short)
	for name, c := range map[string]struct {
		payload []byte
		reason  string // "": it is taken
	}{
		"as it was made":                     {good, ""},
		"another version":                    {append([]byte{2}, good[1:]...), "version"},
		"an unknown field":                   {append(bytes.Clone(good), 16, 1, 'x'), "must not ignore"},
		"a field to be ignored":              {append(bytes.Clone(good), 128, 1, 'x'), ""},
		"two of them":                        {append(bytes.Clone(good), 128, 0, 129, 1, 'x'), ""},
		"not ascending":                      {append(bytes.Clone(good), 129, 0, 128, 0), "ascending"},
		"a field twice":                      {append(bytes.Clone(good), policy...), "ascending"},
		"bytes behind it":                    {append(bytes.Clone(good), 0), "length"},
		"a length too long":                  {append(bytes.Clone(good), 128, 2, 'x'), "length"},
		"a length not minimal":               {append(bytes.Clone(good), 128, 0x81, 0x00, 'x'), "length"},
		"padding not needed":                 {append(bytes.Clone(good), 255, 0), "padding"},
		"padding that is no 0":               {append(bytes.Clone(padded[:len(padded)-1]), 1), "padding"},
		"a name that is empty":               {replaced(t, good, "\x0e\x06backup", "\x0e\x00"), "empty"},
		"a name of two words":                {replaced(t, good, "\x0e\x06backup", "\x0e\x06back p"), "name"},
		"a life of 0":                        {replaced(t, padded, "\x06\x01\x01", "\x06\x01\x00"), "life"},
		"a number not minimal":               {append(replaced(t, padded[:len(padded)-1], "\x06\x01\x01", "\x06\x02\x81\x00"), 0)[:len(padded)], "minimal"},
		"no position":                        {replaced(t, good, "\x07\x02\xe7\x24", ""), "missing"},
		"no access key":                      {replaced(t, good, "\x03\x19"+long.AccessKeyID, ""), "no access key"},
		"two access keys":                    {replaced(t, good, "\x03\x19"+long.AccessKeyID, "\x03\x19"+long.AccessKeyID+"\x04\x01x"), "or two"},
		"a subject of type 0":                {replaced(t, good, "\x08\x01\x01", "\x08\x01\x00"), "type"},
		"a subject of type 4":                {replaced(t, good, "\x08\x01\x01", "\x08\x01\x04"), "type"},
		"another subject":                    {replaced(t, good, "\x0d\x17\x02\x00", "\x0d\x19\x02\x02xx"), ""},
		"its own subject spelled out":        {replaced(t, good, "\x0d\x17\x02\x00", "\x0d\x24\x02\x0d"+subject), "dependency"},
		"dependencies of length 0":           {replaced(t, good, string(dependencies), "\x0d\x00"), "empty"},
		"a session that depends on a key":    {replaced(t, good, "\x02\x00", "\x09\x00"), "dependency"},
		"dependencies that descend":          {replaced(t, good, "\x02\x00", "\x08\x00"), "ascending"},
		"a dependency that is cut short":     {replaced(t, good, "\x08\x00\x0e", "\x08\x09\x0e"), "cut short"},
		"an id that should have been packed": {append([]byte("\x01\x01\x14"+keyID), good[16:]...), "id"},
	} {
		_, _, err := k.Parse(k.Tagged(c.payload))
		if c.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, temporary.ErrMalformed) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}
