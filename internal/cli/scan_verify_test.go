package cli_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/leak"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// detector is a server that knows some credentials.
func detector(t *testing.T, state map[string]propuskpb.Verdict_State) *fake {
	f := newFake(t)
	f.answer = func(_ string, request proto.Message) (proto.Message, error) {
		switch r := request.(type) {
		case *propuskpb.InspectRequest:
			answer := &propuskpb.InspectResponse{}
			for _, x := range r.GetFindings() {
				v := &propuskpb.Verdict{State: propuskpb.Verdict_DEAD}
				if known, ok := state[x.GetPayload()]; ok {
					v = &propuskpb.Verdict{State: known, SubjectId: "ajerobot", CredentialId: "ajekey"}
				}
				answer.Verdicts = append(answer.Verdicts, v)
			}
			return answer, nil
		case *propuskpb.RevokeLeakRequest:
			if state[r.GetFinding().GetPayload()] == propuskpb.Verdict_STATE_UNSPECIFIED {
				return nil, status.Errorf(codes.NotFound, "no credential %s", r.GetFinding().GetPayload())
			}
			return &propuskpb.RevokeLeakResponse{}, nil
		}
		return nil, errors.New("unexpected")
	}
	return f
}

func (s *scanner) ask(f *fake) {
	s.environ = []string{"YC_IAM_TOKEN=" + goodToken, "YC_ENDPOINT=" + f.endpoint}
}

func TestScanVerify(t *testing.T) {
	var s scanner
	live, dormant, dead := s.apiKey(), s.accessSecret(), s.apiKey()
	file := keyText(t)
	tree(t, map[string]string{"a": live + "\n" + dead, "b": live + "\n" + dormant, "key": file})
	f := detector(t, map[string]propuskpb.Verdict_State{live: propuskpb.Verdict_LIVE, dormant: propuskpb.Verdict_DORMANT})
	s.ask(f)

	s.run(t).exit(t, 1)
	if len(f.asked) != 0 {
		t.Fatalf("the server was asked %q without --verify", f.asked)
	}
	out := s.run(t, "--verify", "--debug").exit(t, 1)
	for _, line := range []string{
		"a:1:1: yandex_cloud_api_key_v1 AQVN****" + live[34:] + " live of ajerobot (ajekey)\n",
		"a:2:1: yandex_cloud_api_key_v1 AQVN****" + dead[34:] + " dead\n",
		"b:1:1: yandex_cloud_api_key_v1 AQVN****" + live[34:] + " live of ajerobot (ajekey)\n",
		"b:2:1: yandex_cloud_iam_access_secret YC****" + dormant[36:] + " dormant of ajerobot (ajekey)\n",
		"yandex_cloud_iam_key_v1 key ajekey dead\n",
	} {
		if !strings.Contains(out.stdout, line) {
			t.Errorf("%q is not in %s", line, out.stdout)
		}
	}
	if len(f.asked) != 1 {
		t.Fatalf("asked %q", f.asked)
	}
	sent := f.requests[0].(*propuskpb.InspectRequest).GetFindings()
	if len(sent) != 4 { // the live one once
		t.Fatalf("%d credentials were sent", len(sent))
	}
	if key := sent[3]; key.GetType() != string(leak.AuthorizedKey) || !strings.Contains(key.GetPayload(), "BEGIN PUBLIC KEY") || strings.Contains(key.GetPayload(), "PRIVATE") {
		t.Error("of an authorized key more than the public half was sent")
	}
	doc := s.run(t, "--verify", "--format", "sarif").exit(t, 1).stdout
	if strings.Count(doc, `"level":"note"`) != 2 || strings.Count(doc, `"state":"LIVE"`) != 2 {
		t.Error(doc)
	}
}

func TestScanVerifyInBatches(t *testing.T) {
	var s scanner
	var text strings.Builder
	for range 250 {
		text.WriteString(s.apiKey() + "\n")
	}
	tree(t, map[string]string{"a": text.String()})
	f := detector(t, nil)
	s.ask(f)
	s.run(t, "--verify").exit(t, 1)
	var sizes []int
	for _, r := range f.requests {
		sizes = append(sizes, len(r.(*propuskpb.InspectRequest).GetFindings()))
	}
	if fmt.Sprint(sizes) != "[100 100 50]" {
		t.Errorf("asked about %v", sizes)
	}
}

func TestScanRevoke(t *testing.T) {
	var s scanner
	live, dormant, dead := s.apiKey(), s.accessSecret(), s.apiKey()
	tree(t, map[string]string{"a": live + "\n" + dead, "b/c": live + "\n" + dormant})
	f := detector(t, map[string]propuskpb.Verdict_State{live: propuskpb.Verdict_LIVE, dormant: propuskpb.Verdict_DORMANT})
	s.ask(f)
	revoked := func() (payloads []string) {
		for _, r := range f.requests {
			if r, ok := r.(*propuskpb.RevokeLeakRequest); ok {
				payloads = append(payloads, r.GetFinding().GetPayload()+" "+r.GetUri())
			}
		}
		f.requests, f.asked = nil, nil
		return payloads
	}

	s.run(t, "--revoke").misused(t, "nobody can be asked")
	s.interactive = true
	for _, answer := range []string{"", "\n", "y\n", "no\n", "yess\n"} {
		s.stdin = strings.NewReader(answer)
		if r := s.run(t, "--revoke").exit(t, 1); !strings.Contains(r.stderr, "nothing was revoked") || strings.Contains(r.stdout, "revoked") {
			t.Errorf("%q: %s%s", answer, r.stdout, r.stderr)
		}
		if got := revoked(); got != nil {
			t.Errorf("%q revoked %d credentials", answer, len(got))
		}
	}
	s.stdin = strings.NewReader("yes\n")
	r := s.run(t, "--revoke").exit(t, 1)
	if got := revoked(); len(got) != 2 || got[0] != live+" a:1:1" || got[1] != dormant+" b/c:2:1" {
		t.Errorf("revoked %d credentials", len(got))
	}
	if !strings.Contains(r.stderr, "these 2 credentials") || !strings.HasSuffix(r.stdout, "\nrevoked yandex_cloud_api_key_v1 AQVN****"+live[34:]+
		" ajekey\nrevoked yandex_cloud_iam_access_secret YC****"+dormant[36:]+" ajekey\n") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}

	s.interactive = false
	doc := s.run(t, "--revoke", "--yes", "--format", "json").exit(t, 1).stdout
	if len(revoked()) != 2 || strings.Count(doc, `"revoked":true`) != 3 { // one of them stands twice
		t.Error(doc)
	}
	// Nothing that works: nothing to ask.
	s.interactive = true
	s.stdin = failing{}
	tree(t, map[string]string{"a": dead})
	s.run(t, "--revoke").exit(t, 1)
}

// What the server says about a credential does not bring the credential out.
func TestScanServerEchoes(t *testing.T) {
	var s scanner
	key, secret := s.apiKey(), s.accessSecret()
	tree(t, map[string]string{"a": key + "\n" + secret})
	f := newFake(t)
	s.ask(f)
	f.answer = func(_ string, request proto.Message) (proto.Message, error) {
		return nil, status.Errorf(codes.Internal, "bad: %v", request)
	}
	r := s.run(t, "--verify", "--debug").exit(t, 1)
	if !strings.Contains(r.stderr, "INTERNAL") || strings.Count(r.stdout, " unknown\n") != 2 {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	f.answer = func(_ string, request proto.Message) (proto.Message, error) {
		if r, ok := request.(*propuskpb.InspectRequest); ok {
			return &propuskpb.InspectResponse{Verdicts: []*propuskpb.Verdict{{State: propuskpb.Verdict_LIVE}, {State: propuskpb.Verdict_UNKNOWN}}[:len(r.GetFindings())]}, nil
		}
		return nil, status.Errorf(codes.FailedPrecondition, "cannot end %v", request)
	}
	r = s.run(t, "--revoke", "--yes", "--format", "json").exit(t, 1)
	if !strings.Contains(r.stdout, "not revoked: FAILED_PRECONDITION") || strings.Contains(r.stdout, `"revoked"`) ||
		!strings.Contains(r.stdout, "cannot tell now") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	f.answer = func(string, proto.Message) (proto.Message, error) { return &propuskpb.InspectResponse{}, nil }
	if r := s.run(t, "--verify").exit(t, 1); !strings.Contains(r.stderr, "judged 0 of 2") {
		t.Error(r.stderr)
	}
	s.environ = []string{"YC_ENDPOINT=" + f.endpoint}
	s.stdin = io.MultiReader()
	s.run(t, "--verify").misused(t, "say who you are")
}
