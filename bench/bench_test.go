package main

import (
	"bufio"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A weak key is an RSA-2048 key to everybody else.
func TestWeakKeySigns(t *testing.T) {
	k, err := newWeakKey()
	if err != nil {
		t.Fatal(err)
	}
	if n := k.public.N.BitLen(); n != 2048 {
		t.Fatalf("the modulus has %d bits", n)
	}
	for i := range 50 {
		digest := sha256.Sum256(fmt.Append(nil, i))
		signature := k.signPSS(digest)
		err := rsa.VerifyPSS(&k.public, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			t.Fatalf("signature %d: %v", i, err)
		}
		digest[0] ^= 1
		if rsa.VerifyPSS(&k.public, crypto.SHA256, digest[:], signature, nil) == nil {
			t.Fatal("a signature of something else is taken")
		}
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a) b c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0\n"))
	if err != nil || got != 2810*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1 2", "42 x S 1 2 3 4 5 6 7 8 9 10 250 31"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for answer, good := range map[string]bool{
		"HTTP/1.1 200 OK\r\ncontent-length: 19\r\nDate: x\r\n\r\n{\"iamToken\":\"t1.a\"}": true,
		"HTTP/1.1 401 No\r\nContent-Length: 19\r\n\r\n{\"iamToken\":\"t1.a\"}":            false,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":                                  false,
		"HTTP/1.1 200 OK\r\n\r\n{\"iamToken\":\"t1.a\"}":                                  false,
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":                                   false,
		"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n":                                   false,
		"HTTP/1.1 200 OK\r\nContent-Le":                                                   false,
	} {
		c := restClient{in: bufio.NewReader(strings.NewReader(answer))}
		if err := c.readAnswer(); (err == nil) != good {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

func TestSumUp(t *testing.T) {
	var w worker
	for i := range 100 {
		w.took = append(w.took, time.Duration(100-i)*time.Millisecond)
	}
	got, err := sumUp([]worker{w}, 2*time.Second, time.Second)
	want := round{requests: 100, cpu: 10_000, rate: 50, p50: 51, p99: 100}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := sumUp([]worker{{}}, time.Second, 0); err == nil {
		t.Error("a round without requests is taken")
	}
	if _, err := sumUp([]worker{w, {err: fmt.Errorf("broken")}}, time.Second, 0); err == nil {
		t.Error("a round with a failure is taken")
	}
}

// The ratio is that of neighbours, so that a machine that slows down for both
// halves of a pair changes nothing.
func TestCompareJudgesPairs(t *testing.T) {
	var kept, broken table
	pairs := []pair{{round{cpu: 10}, round{cpu: 14}}, {round{cpu: 100}, round{cpu: 140}}, {round{cpu: 20}, round{cpu: 60}}}
	of := func(r round) float64 { return r.cpu }
	kept.compare("x", pairs, of, "%.0f", 1.5)
	broken.compare("x", pairs, of, "%.0f", 1.3)
	if got := kept.rows[0]; got.ratio != "1.40" || got.floor != "20" || got.ours != "60" || kept.missed() != 0 {
		t.Errorf("%+v", got)
	}
	if broken.missed() != 1 {
		t.Errorf("%+v", broken.rows[0])
	}
	var b strings.Builder
	broken.heading("a part")
	broken.print(&b)
	if !strings.Contains(b.String(), "MISSED") || strings.Contains(b.String(), "kept") {
		t.Errorf("%s", b.String())
	}
}

func TestParseBench(t *testing.T) {
	got, err := parseBench("goos: linux\nBenchmarkA/x-1-2 \t 100\t 12.5 ns/op\t 0 allocs/op\nBenchmarkA/x-1-2 \t 100\t 11 ns/op\t 1 allocs/op\nBenchmarkB 1 3 q/op\nPASS\n")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	a := got["BenchmarkA/x-1"]
	if a.least("ns/op") != 11 || a.most("allocs/op") != 1 || got["BenchmarkB"].most("q/op") != 3 || a.least("nothing") != 0 {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"", "PASS\n", "BenchmarkA-2 100 x ns/op\n"} {
		if got, err := parseBench(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// Signing JWTs is what a run's preparation waits for.
func BenchmarkWeakKey(b *testing.B) {
	k, err := newWeakKey()
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a"))
	for b.Loop() {
		k.signPSS(digest)
	}
}
