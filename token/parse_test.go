package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// field spells one field of a payload by hand.
func field(number byte, value string) string {
	return string(binary.AppendUvarint([]byte{number}, uint64(len(value)))) + value
}

func number(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

// sampleFields is the sample's payload, field by field; the index is the number.
func sampleFields() []string {
	return []string{
		"\x01",
		field(1, "tok00000000000000001"),
		field(2, "sik00000000000000001"),
		field(3, "ins00000000000000001"),
		field(4, number(uint64(issued.UnixMilli()))),
		field(5, number(uint64(issued.Add(12*time.Hour).UnixMilli()))),
		field(6, number(4711)),
		field(7, "serviceAccount"),
		field(8, "aje00000000000000001"),
		field(9, "bpf00000000000000001"),
		field(10, "b1g00000000000000001"),
		field(11, "\x02\x14aje00000000000000001\x03\x14ajk00000000000000001"),
	}
}

// seal signs a payload as it is.
func seal(payload string) string {
	text := "t1." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(seedKey(1), []byte(text)))
}

// unsigned is a payload with a signature of zeros.
func unsigned(payload string) string {
	return "t1." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + strings.Repeat("A", 86)
}

func TestLayoutByHand(t *testing.T) {
	if got, want := mustSign(t, sample(), seedKey(1)), seal(strings.Join(sampleFields(), "")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLaterFieldsAreIgnored(t *testing.T) {
	s := seal(strings.Join(sampleFields(), "") + field(128, "") + field(200, "anything at all") + field(254, "\x00"))
	c, err := token.ParseUnverified(s)
	if err != nil || c.ID != "tok00000000000000001" {
		t.Fatalf("got %v, %v", c, err)
	}
	if again, err := token.Reencode(s); err != nil || again != s {
		t.Errorf("re-encoded: %q, %v", again, err)
	}
}

func TestLaterKindsAndSubjectsAreRead(t *testing.T) {
	f := sampleFields()
	f[7], f[10], f[11] = field(7, "robot"), "", field(11, "\xc8\x02xy")
	c, err := token.ParseUnverified(seal(strings.Join(f, "") + field(200, strings.Repeat("x", 60))))
	if err != nil || c.SubjectType != "robot" || c.DependsOn[1] != (token.Dependency{Kind: 200, ID: "xy"}) {
		t.Fatalf("got %+v, %v", c, err)
	}
}

// short is a payload of n bytes before padding.
func short(n int) string {
	head := "\x01" + field(1, "t") + field(2, "k") + field(3, "i") + field(4, number(1)) + field(5, number(2)) + field(6, number(0)) +
		field(7, "userAccount") + field(8, "u")
	return head + field(130, strings.Repeat("x", n-len(head)-2))
}

func TestPaddingHasOneLength(t *testing.T) {
	for n := 60; n <= 160; n++ {
		var good []int
		for zeros := -1; zeros < 100; zeros++ {
			p := short(n)
			if zeros >= 0 {
				p += field(255, strings.Repeat("\x00", zeros))
			}
			if _, err := token.ParseUnverified(unsigned(p)); err == nil {
				good = append(good, zeros)
			}
		}
		want := []int{-1}
		if n < 150 {
			want[0] = max(0, 148-n)
		}
		if !slices.Equal(good, want) {
			t.Errorf("%d bytes: paddings %v are taken, want %v", n, good, want)
		}
	}
}

// TestOneSpelling changes a good token in ways that mean the same or nearly
// so. The signature is good each time.
func TestOneSpelling(t *testing.T) {
	at := func(i int, field string) func([]string) { return func(f []string) { f[i] = field } }
	after := func(i int, more string) func([]string) { return func(f []string) { f[i] += more } }
	for name, change := range map[string]func([]string){
		"version 0":               at(0, "\x00"),
		"version 2":               at(0, "\x02"),
		"missing id":              at(1, ""),
		"missing key":             at(2, ""),
		"missing installation":    at(3, ""),
		"missing issued-at":       at(4, ""),
		"missing expires-at":      at(5, ""),
		"missing position":        at(6, ""),
		"missing subject type":    at(7, ""),
		"missing subject":         at(8, ""),
		"field 0":                 at(0, "\x01"+field(0, "")),
		"twice":                   after(1, field(1, "tok00000000000000001")),
		"descending":              func(f []string) { f[1], f[2] = f[2], f[1] },
		"empty id":                at(1, field(1, "")),
		"empty organization":      at(9, field(9, "")),
		"empty folder":            at(10, field(10, "")),
		"empty dependencies":      at(11, field(11, "")),
		"long length":             at(3, "\x03\x94\x00ins00000000000000001"),
		"length of ten bytes":     at(3, "\x03\x94\x80\x80\x80\x80\x80\x80\x80\x80\x00ins00000000000000001"),
		"huge length":             at(3, "\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ins00000000000000001"),
		"length beyond the end":   after(11, "\x80\x7f"),
		"length without end":      after(11, "\x80\x80"),
		"field without length":    after(11, "\x80"),
		"long number":             at(6, field(6, "\xe7\xa4\x00")),
		"empty number":            at(6, field(6, "")),
		"number too large":        at(6, field(6, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
		"number of eleven bytes":  at(6, field(6, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01")),
		"bytes after a number":    at(6, field(6, "\x05\x05")),
		"number cut short":        at(6, field(6, "\xe7")),
		"issued at 0":             func(f []string) { f[4], f[5] = field(4, "\x00"), field(5, "\x01") },
		"life too long":           at(5, field(5, number(uint64(issued.UnixMilli())+43200001))),
		"life below zero":         at(5, field(5, number(uint64(issued.UnixMilli())))),
		"time beyond years":       func(f []string) { f[4], f[5] = field(4, number(1<<60)), field(5, number(1<<60+1)) },
		"time beyond int64":       at(5, field(5, number(1<<64-1))),
		"id with a space":         at(1, field(1, "tok 0000000000000001")),
		"id with DEL":             at(1, field(1, "tok\x7f0000000000000001")),
		"id of 51":                at(1, field(1, strings.Repeat("t", 51))),
		"account of 51":           at(8, field(8, strings.Repeat("t", 51))),
		"folder of a user":        at(7, field(7, "userAccount")),
		"unknown critical field":  after(11, field(12, "x")),
		"last critical field":     after(11, field(127, "x")),
		"needless padding":        after(11, field(255, "")),
		"trailing zero":           after(11, "\x00"),
		"ignorable twice":         after(11, field(128, "x")+field(128, "x")),
		"ignorable descending":    after(11, field(129, "x")+field(128, "x")),
		"itself spelled":          at(11, field(11, "\x01\x14tok00000000000000001\x02\x14aje00000000000000001")),
		"dependencies descending": at(11, field(11, "\x03\x14ajk00000000000000001\x02\x14aje00000000000000001")),
		"ids descending":          at(11, field(11, "\x03\x02bb\x03\x02aa")),
		"dependency twice":        at(11, field(11, "\x03\x02aa\x03\x02aa")),
		"dependency cut":          at(11, field(11, "\x03\x14ajk0000000000000000")),
		"dependency without id":   at(11, field(11, "\x03\x00")),
		"dependency of kind 0":    at(11, field(11, "\x00\x02aa")),
		"dependency on its key":   at(11, field(11, "\x09\x14sik00000000000000001")),
		"on the installation":     at(11, field(11, "\x0a\x02aa")),
		"half a dependency":       at(11, field(11, "\x03")),
		"long dependency id":      at(11, field(11, "\x03\x33"+strings.Repeat("a", 51))),
		"13 dependencies":         at(11, field(11, "\x03\x01a\x03\x01b\x03\x01c\x03\x01d\x03\x01e\x03\x01f\x03\x01g\x03\x01h\x03\x01i\x03\x01j\x03\x01k\x03\x01l")),
	} {
		f := sampleFields()
		change(f)
		if _, err := token.ParseUnverified(seal(strings.Join(f, ""))); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOneSpellingOfText(t *testing.T) {
	good := mustSign(t, sample(), seedKey(1))
	cut := strings.LastIndexByte(good, '.')
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spare := good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])+1])
	for name, s := range map[string]string{
		"empty": "", "prefix": "t1.", "spare bits": spare,
		"another prefix":                      "t2" + good[2:],
		"upper case":                          "T1" + good[2:],
		"padded":                              good + "==",
		"line end after":                      good + "\n",
		"line end inside":                     good[:100] + "\n" + good[100:],
		"line ends, same length of signature": good[:len(good)-10] + "\r\n" + good[len(good)-8:],
		"line ends in place of payload":       good[:40] + "\n\n\n\n" + good[44:],
		"space before":                        " " + good,
		"three dots":                          good[:100] + "." + good[100:],
		"no second dot":                       good[:cut] + good[cut+1:],
		"standard alphabet":                   good[:50] + "+" + good[51:],
		"NUL":                                 good[:50] + "\x00" + good[51:],
		"too long":                            "t1." + strings.Repeat("A", 1024-3-87+1) + good[cut:],
		"too short":                           "t1." + strings.Repeat("A", 199) + good[cut:],
	} {
		if _, err := token.ParseUnverified(s); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
