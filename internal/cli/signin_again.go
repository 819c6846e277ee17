package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/propusk/propusk/internal/cli/profile"
)

// renewSignIn makes an IAM token of a sign-in: by its refresh token, or by
// having the person sign in again. One process at a time does, and reads the
// sign-in again: another one may just have got a new refresh token.
func (s *session) renewSignIn(ctx context.Context, in *profile.SignIn) (profile.Token, error) {
	done, alone := s.signIns().Hold(s.profileName)
	defer done()
	kept, err := s.signIns().Get(s.profileName)
	if err != nil {
		return profile.Token{}, err
	}
	replaces := ""
	if kept != nil {
		replaces = kept.ID
		switch {
		case kept.ID == in.ID, in.Issuer == "" && kept.Federation == in.Federation: // another process may just have signed in
			in = kept
		case in.Issuer != "":
			return profile.Token{}, fmt.Errorf("profile %q was signed in anew meanwhile: try again", s.profileName)
		}
		if err := s.bound(&credential{signIn: in}); err != nil { // it may be at another server
			return profile.Token{}, err
		}
	}
	if in.RefreshToken.Reveal() != "" {
		return s.refresh(ctx, in, replaces)
	}
	again := misuse("the sign-in of profile %q has ended: sign in again by init", s.profileName)
	switch {
	case !s.atTerminal(): // nobody would see the browser, or answer
		return profile.Token{}, again
	case !alone:
		return profile.Token{}, errors.New("another command waits for you to sign in: do so, and try again")
	}
	return s.signInAgain(ctx, in, replaces)
}

// refresh uses the refresh token. A new one is on disk before the IAM token that
// came with it is used; the server gives the same one again for a minute, should
// this process end before that.
func (s *session) refresh(ctx context.Context, in *profile.SignIn, replaces string) (profile.Token, error) {
	i, err := s.issuerAt(ctx, in.Issuer)
	if err != nil {
		return profile.Token{}, err
	}
	began, before := s.env.Now(), in.RefreshToken.Reveal()
	answer, err := i.post(ctx, in, i.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before}})
	if r, ok := errors.AsType[*refusal](err); ok && r.code == "invalid_grant" {
		return profile.Token{}, misuse("the sign-in of profile %q has ended: sign in again by init: %w", s.profileName, err)
	}
	if err != nil {
		return profile.Token{}, fmt.Errorf("renew the sign-in: %w", err)
	}
	got, err := i.take(in, answer, began)
	if err == nil && in.RefreshToken.Reveal() != before {
		if err := s.keepUnlessNewer(in, replaces); err != nil {
			s.tell("the new refresh token could not be kept, and the old one ends in a minute: %v", err)
		}
	}
	return got, err
}

// keepUnlessNewer keeps what has become of a sign-in, in place of one that it
// replaces, by its id, or of none; unless the person has signed in by init
// meanwhile, or given it up.
func (s *session) keepUnlessNewer(in *profile.SignIn, replaces string) error {
	if now, err := s.signIns().Get(s.profileName); err == nil && (now == nil && replaces != "" || now != nil && now.ID != replaces) {
		return nil
	}
	return s.signIns().Put(s.profileName, in)
}

// signInAgain has the person sign in with the browser once more, as he did before.
func (s *session) signInAgain(ctx context.Context, in *profile.SignIn, replaces string) (profile.Token, error) {
	at := in.Issuer
	if at == "" {
		at = s.federationEndpoint(s.pagesOfProfile())
	}
	i, err := s.issuerAt(ctx, at)
	if err != nil {
		return profile.Token{}, err
	}
	in.Issuer, in.Endpoint = i.URL, s.endpoint
	got, err := i.byBrowser(ctx, in, signInLimit)
	if err != nil {
		return profile.Token{}, err
	}
	if err := s.keepUnlessNewer(in, replaces); err != nil {
		s.tell("the sign-in could not be kept: %v", err)
	}
	return got, nil
}

// atTerminal tells whether a person may be typing.
func (s *session) atTerminal() bool {
	if s.env.HideTyping == nil {
		return false
	}
	show, err := s.env.HideTyping()
	if err != nil {
		return false
	}
	show()
	return true
}
