//go:build unix

package server

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/keyfile"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// BenchmarkExchange is the exchange of a JWT, with nothing else going on and
// beside a thousand people, each at an address of his own, who type wrong
// passwords as fast as they are answered, and a second later again.
func BenchmarkExchange(b *testing.B) {
	b.Run("quiet", func(b *testing.B) { exchanges(b, 0) })
	b.Run("storm", func(b *testing.B) { exchanges(b, 1000) })
}

// BenchmarkStorm is that storm alone: what it takes of the machine is what
// everything else may lose by it, however busy the machine is otherwise.
func BenchmarkStorm(b *testing.B) {
	s, _, stop := storming(b, 1000)
	defer stop()
	computed := s.passwords.Hasher.Computed()
	before, began := processCPU(b), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	wall := time.Since(began)
	b.ReportMetric(100*(processCPU(b)-before).Seconds()/wall.Seconds()/float64(runtime.GOMAXPROCS(0)), "%machine")
	b.ReportMetric(float64(s.passwords.Hasher.Computed()-computed)/wall.Seconds(), "hashes/s")
}

func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func exchanges(b *testing.B, guessers int) {
	s, ctx, stop := storming(b, guessers)
	defer stop()
	f, err := keyfile.Parse(s.DevKey(DevKeyFile))
	if err != nil {
		b.Fatal(err)
	}
	jwt, err := keyfile.SignJWT(f, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	exchange := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt.Reveal()}}
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := walk(ctx, s, iampb.IamTokenService_Create_FullMethodName, exchange); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// storming is a server under attack by so many, when the first rush is over.
func storming(b *testing.B, guessers int) (*Server, context.Context, func()) {
	s, err := New(b.Context(), Config{Data: b.TempDir(), HTTPListen: "127.0.0.1:0", GRPCListen: Off, AccessListen: Off, DebugListen: Off}, Options{Dev: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var storm sync.WaitGroup
	for i := range guessers {
		guess := &propuskpb.StartSignInRequest{Login: "alice", Password: "a guess", Client: &propuskpb.Client{Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250)}}
		if i%2 == 0 {
			guess.Login = fmt.Sprint("nobody", i)
		}
		storm.Go(func() {
			for ctx.Err() == nil {
				_ = walk(ctx, s, propuskpb.SignInService_Start_FullMethodName, guess)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		})
	}
	if guessers > 0 {
		time.Sleep(3 * time.Second)
	}
	return s, ctx, func() {
		end()
		storm.Wait()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

func walk(ctx context.Context, s *Server, method string, m proto.Message) error {
	_, err := s.gate.Call(ctx, &gate.Request{Method: method, Door: "web", Decode: func(into proto.Message) error { proto.Merge(into, m); return nil }})
	return err
}
