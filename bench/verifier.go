package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/token"
)

const (
	firstSightPromise = 1.1 // of ed25519.Verify
	seenPromise       = 300 * time.Nanosecond
)

// verify measures token.Verifier in this process, in turns with the signature
// check that it cannot do without. It knows 10,000 live revocations.
func (p *plan) verify(_ context.Context, t *table, _ *installation) error {
	say("token.Verifier")
	if err := flag.Set("test.benchtime", p.verifier.String()); err != nil {
		return err
	}
	w, err := newVerifierWorld()
	if err != nil {
		return err
	}
	var pairs []pair
	var seen []testing.BenchmarkResult
	for range p.rounds {
		plain, first := testing.Benchmark(w.ed25519), testing.Benchmark(w.firstSight)
		again := testing.Benchmark(w.seenBefore)
		if plain.N == 0 || first.N == 0 || again.N == 0 {
			return fmt.Errorf("a token was refused")
		}
		pairs = append(pairs, pair{round{cpu: perOp(plain)}, round{cpu: perOp(first)}})
		seen = append(seen, again)
	}
	t.heading("token.Verifier, beside ed25519.Verify")
	t.compare("first sight, us", pairs, func(r round) float64 { return r.cpu }, "%.2f", firstSightPromise)
	us := perOp(slices.MinFunc(seen, func(a, b testing.BenchmarkResult) int { return cmp.Compare(perOp(a), perOp(b)) }))
	t.add(row{what: "  seen before, us", ours: fmt.Sprintf("%.3f", us),
		promise: fmt.Sprintf("<= %.1f", seenPromise.Seconds()*1e6), kept: us <= seenPromise.Seconds()*1e6})
	allocations := median(seen, testing.BenchmarkResult.AllocsPerOp)
	t.add(row{what: "  seen before, allocations", ours: fmt.Sprint(allocations), promise: "0", kept: allocations == 0})
	return nil
}

// perOp is the CPU time of one operation, in µs. The clock on the wall would
// count in what other programs do meanwhile.
func perOp(r testing.BenchmarkResult) float64 { return r.Extra[cpuMetric] }

const cpuMetric = "cpu-us/op"

func reportCPU(b *testing.B, since time.Duration) {
	b.ReportMetric((ownCPU()-since).Seconds()*1e6/float64(b.N), cpuMetric)
}

// ownCPU is the user and system time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// verifierWorld is many tokens, a verifier that forgets them all before they
// come again, and one that remembers a thousand.
type verifierWorld struct {
	public        ed25519.PublicKey
	tokens        []string
	signatures    [][]byte
	forgets, sees *token.Verifier
}

const (
	manyTokens = 4096
	seenTokens = 1000
)

func newVerifierWorld() (*verifierWorld, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	w := &verifierWorld{public: public}
	for i := range manyTokens {
		text, err := token.Sign(sampleClaims(i), private)
		if err != nil {
			return nil, err
		}
		signature, err := base64.RawURLEncoding.DecodeString(text[strings.LastIndexByte(text, '.')+1:])
		if err != nil {
			return nil, err
		}
		w.tokens, w.signatures = append(w.tokens, text), append(w.signatures, signature)
	}
	if w.forgets, err = newVerifier(public, 8); err != nil {
		return nil, err
	}
	w.sees, err = newVerifier(public, 0)
	return w, err
}

func sampleClaims(i int) *token.Claims {
	now := time.Now().UTC()
	c := &token.Claims{
		ID: fmt.Sprintf("tok%017d", i), KeyID: "key00000000000000001", Installation: "ins00000000000000001",
		IssuedAt: now, ExpiresAt: now.Add(12 * time.Hour), Position: 10_000,
		SubjectType: token.SubjectServiceAccount, SubjectID: fmt.Sprintf("aje%017d", i),
		OrganizationID: "bpf00000000000000001", FolderID: "b1g00000000000000002",
	}
	c.DependsOn = []token.Dependency{
		{Kind: token.KindToken, ID: c.ID}, {Kind: token.KindCredential, ID: fmt.Sprintf("ajk%017d", i)},
		{Kind: token.KindSubject, ID: c.SubjectID}, {Kind: token.KindOrganization, ID: c.OrganizationID},
		{Kind: token.KindCloud, ID: "b1g00000000000000001"}, {Kind: token.KindFolder, ID: c.FolderID},
	}
	return c
}

func newVerifier(public ed25519.PublicKey, tokens int) (*token.Verifier, error) {
	v, err := token.NewVerifier(token.Config{Local: true, MaxTokens: tokens})
	if err != nil {
		return nil, err
	}
	s := token.Snapshot{
		Installation: "ins00000000000000001", Position: 10_000,
		Keys: []token.PublicKey{{ID: "key00000000000000001", Key: public, SignsFrom: time.Now().Add(-time.Hour)}},
	}
	for i := range 10_000 {
		s.Revocations = append(s.Revocations, token.Revocation{
			Kind: token.KindCredential, Hash: token.HashID(token.KindCredential, fmt.Sprintf("gone%d", i)), Seq: uint64(i + 1)})
	}
	return v, v.Load(s)
}

func (w *verifierWorld) ed25519(b *testing.B) {
	defer reportCPU(b, ownCPU())
	for i := 0; b.Loop(); i++ {
		text := w.tokens[i%manyTokens]
		if !ed25519.Verify(w.public, []byte(text[:strings.LastIndexByte(text, '.')]), w.signatures[i%manyTokens]) {
			b.FailNow()
		}
	}
}

func (w *verifierWorld) firstSight(b *testing.B) {
	defer reportCPU(b, ownCPU())
	for i := 0; b.Loop(); i++ {
		if _, err := w.forgets.Verify(w.tokens[i%manyTokens]); err != nil {
			b.FailNow()
		}
	}
}

func (w *verifierWorld) seenBefore(b *testing.B) {
	for _, text := range w.tokens[:seenTokens] {
		if _, err := w.sees.Verify(text); err != nil {
			b.FailNow()
		}
	}
	b.ReportAllocs()
	defer reportCPU(b, ownCPU())
	for i := 0; b.Loop(); i++ {
		if _, err := w.sees.Verify(w.tokens[i%seenTokens]); err != nil {
			b.FailNow()
		}
	}
}
