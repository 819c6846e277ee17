package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/propusk/propusk/internal/cli/scan"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/leak"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const (
	mostInspected = 100     // in one call
	mostSent      = 1 << 20 // bytes in one call
	uriMost       = 2048
)

// judge asks the server about what was found, shows it, and with --revoke has
// what works ended. What the server cannot tell stays UNKNOWN, and is a problem.
func (s *scanning) judge(ctx context.Context, out scan.Report, found []*scan.Finding) error {
	places := map[string][]*scan.Finding{} // by fingerprint
	var order []string
	for _, e := range found {
		e.State = propuskpb.Verdict_UNKNOWN.String()
		if places[e.Fingerprint] == nil {
			order = append(order, e.Fingerprint)
		}
		places[e.Fingerprint] = append(places[e.Fingerprint], e)
	}
	if err := s.inspect(ctx, places, order); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if wrong, ok := errors.AsType[*Misuse](err); ok {
			return wrong
		}
		s.trouble("--verify", err)
	}
	_, asText := out.(scan.Text)
	show := func() error {
		for _, e := range found {
			if err := out.Finding(e); err != nil {
				return err
			}
		}
		return nil
	}
	if asText { // a person sees what is about to be revoked
		if err := show(); err != nil {
			return err
		}
	}
	if s.revoke {
		if err := s.endAll(ctx, places, order, asText); err != nil {
			return err
		}
	}
	if asText {
		return nil
	}
	return show()
}

// inspect has the server judge every distinct credential once. Of an authorized
// key only the public half is sent.
func (s *scanning) inspect(ctx context.Context, places map[string][]*scan.Finding, order []string) error {
	for len(order) > 0 {
		request, n := &propuskpb.InspectRequest{}, 0
		for size := 0; n < min(len(order), mostInspected); n++ {
			secret := s.scanner.Secrets[order[n]]
			text := secret.Text.Reveal()
			if secret.Kind == leak.AuthorizedKey {
				text = leak.PublicHalf(text)
			}
			if size += len(text); n > 0 && size > mostSent {
				break
			}
			request.Findings = append(request.Findings, &propuskpb.Finding{Type: string(secret.Kind), Payload: text})
		}
		answer := new(propuskpb.InspectResponse)
		if err := s.call(ctx, propuskpb.LeakService_Inspect_FullMethodName, request, answer); err != nil {
			return s.without(err, request.GetFindings())
		}
		if len(answer.GetVerdicts()) != n {
			return fmt.Errorf("the server judged %d of %d credentials", len(answer.GetVerdicts()), n)
		}
		for i, v := range answer.GetVerdicts() {
			for _, e := range places[order[i]] {
				e.State, e.SubjectID, e.CredentialID = v.GetState().String(), v.GetSubjectId(), v.GetCredentialId()
			}
			if v.GetState() == propuskpb.Verdict_UNKNOWN || v.GetState() == propuskpb.Verdict_STATE_UNSPECIFIED {
				s.trouble(places[order[i]][0].Where(), errors.New("the server cannot tell now whether this works"))
			}
		}
		order = order[n:]
	}
	return nil
}

// endAll has the server end what works or may work again.
func (s *scanning) endAll(ctx context.Context, places map[string][]*scan.Finding, order []string, asText bool) error {
	var ending []*scan.Finding
	for _, print := range order {
		e := places[print][0]
		if e.State == propuskpb.Verdict_LIVE.String() || e.State == propuskpb.Verdict_DORMANT.String() {
			ending = append(ending, e)
		}
	}
	if len(ending) == 0 {
		return nil
	}
	if !s.yes {
		if ok, err := s.confirm(ending, asText); err != nil || !ok {
			return err
		}
	}
	for _, e := range ending {
		secret := s.scanner.Secrets[e.Fingerprint]
		finding := &propuskpb.Finding{Type: string(secret.Kind), Payload: secret.Text.Reveal()}
		where := e.Where()
		err := s.call(ctx, propuskpb.LeakService_Revoke_FullMethodName,
			&propuskpb.RevokeLeakRequest{Finding: finding, Uri: strings.ToValidUTF8(where[:min(len(where), uriMost)], "")}, new(propuskpb.RevokeLeakResponse))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.trouble(where, fmt.Errorf("not revoked: %w", s.without(err, []*propuskpb.Finding{finding})))
			continue
		}
		for _, other := range places[e.Fingerprint] {
			other.Revoked = true
		}
		if asText {
			if _, err := fmt.Fprintf(s.env.Stdout, "revoked %s %s %s\n", e.Kind, e.Masked, printable(e.CredentialID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// confirm asks whether to go on; only "yes" is a yes.
func (s *scanning) confirm(ending []*scan.Finding, shown bool) (bool, error) {
	if !shown {
		for _, e := range ending {
			if err := (scan.Text{W: s.env.Stderr}).Finding(e); err != nil {
				return false, err
			}
		}
	}
	what := "this credential"
	if len(ending) > 1 {
		what = fmt.Sprintf("these %d credentials", len(ending))
	}
	fmt.Fprintf(s.env.Stderr, "Have %s end %s for good, with all that was made of them? Type yes: ", s.endpoint, what)
	line, err := bufio.NewReader(s.env.Stdin).ReadString('\n')
	if strings.TrimSpace(line) == "yes" {
		return true, nil
	}
	if err != nil {
		fmt.Fprintln(s.env.Stderr)
	}
	fmt.Fprintln(s.env.Stderr, "propusk scan: nothing was revoked")
	return false, nil
}

// without is an error that repeats nothing of what was sent, whatever the
// server answered.
func (s *scanning) without(err error, sent []*propuskpb.Finding) error {
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		return err
	}
	clean := func(text string) string {
		for _, x := range sent {
			text = strings.ReplaceAll(text, x.GetPayload(), leak.Mask(leak.Kind(x.GetType()), x.GetPayload()))
		}
		return iam.Conceal(text)
	}
	out := *f
	out.Message = clean(f.Message)
	out.Details = make([]string, 0, len(f.Details))
	for _, d := range f.Details {
		out.Details = append(out.Details, clean(d))
	}
	return &out
}
