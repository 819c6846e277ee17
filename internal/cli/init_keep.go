package cli

import (
	"context"
	"errors"
	"maps"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/token"
)

// keepSignIn makes the profile that of a sign-in: first what nobody looks at
// while the profile has other credentials, then the profile. When that fails the
// one before comes back.
func (s *session) keepSignIn(b *beginning, in *profile.SignIn) error {
	done, _ := s.signIns().Hold(s.profileName)
	defer done()
	before, err := s.signIns().Get(s.profileName)
	if err != nil {
		before = nil // it was of no use any more
	}
	if err := s.signIns().Put(s.profileName, in); err != nil {
		return err
	}
	keep := map[string]string{"federation-endpoint": in.Issuer}
	if in.Federation != "" {
		keep["federation-id"] = in.Federation
	}
	err = s.begin(b, keep)
	switch {
	case err == nil:
	case before == nil:
		s.signIns().Drop(s.profileName)
	default:
		err = errors.Join(err, s.signIns().Put(s.profileName, before))
	}
	return err
}

// begin makes the profile what it is with the new credential, in one step:
// active, at the server that was asked, and without what it had before.
func (s *session) begin(b *beginning, keep map[string]string) error {
	keep["endpoint"] = s.endpoint
	if s.caFile != "" {
		keep["ca-file"] = s.caFile
	}
	err := profile.Change(s.configPath, func(f *profile.File) error {
		if !f.Has(s.profileName) {
			if err := f.Create(s.profileName); err != nil {
				return &Misuse{err}
			}
		} else if err := f.Activate(s.profileName); err != nil {
			return err
		}
		for _, p := range []string{"token", "service-account-key", "instance-service-account", "federation-id", "federation-endpoint", "ca-file",
			"cloud-id", "folder-id", "folder-name"} {
			if err := f.Unset(s.profileName, p); err != nil {
				return err
			}
		}
		return setAll(f, s.profileName, keep)
	})
	if err == nil {
		s.profiles, err = profile.Read(s.configPath)
	}
	return err
}

// work has the session go on with a token, which is kept for the next command
// in place of those that the profile had.
func (s *session) work(c *credential, got profile.Token) error {
	s.tokens().DropOf(s.profileName)
	s.bearer, s.expires, s.kept = got.Text, got.ExpiresAt, ""
	s.keyFile = ""
	if c.metadata {
		return nil
	}
	if err := s.tokens().Keep(s.tokenKey(c, ""), got); err != nil {
		s.tell("the IAM token is not kept for the next command: %v", err)
	}
	return nil
}

// write gives the profile properties, and reads it again.
func (s *session) write(properties map[string]string) error {
	err := profile.Change(s.configPath, func(f *profile.File) error { return setAll(f, s.profileName, properties) })
	if err == nil {
		s.profiles, err = profile.Read(s.configPath)
	}
	return err
}

func setAll(f *profile.File, name string, properties map[string]string) error {
	for _, property := range slices.Sorted(maps.Keys(properties)) {
		if err := f.Set(name, property, properties[property]); err != nil {
			return misused(err)
		}
	}
	return nil
}

// greet tells the person as whom he has signed in: a browser may be signed in
// as another than he thinks.
func (s *session) greet(ctx context.Context) {
	claims, err := token.ParseUnverified(s.bearer.Reveal())
	if err != nil {
		s.say("You are signed in.")
		return
	}
	name := claims.SubjectID
	if claims.SubjectType != token.SubjectServiceAccount {
		var account iampb.UserAccount
		if s.call(ctx, iampb.UserAccountService_Get_FullMethodName, &iampb.GetUserAccountRequest{UserAccountId: claims.SubjectID}, &account) == nil {
			name = titled(firstOf(account.GetYandexPassportUserAccount().GetLogin(), account.GetSamlUserAccount().GetNameId()), claims.SubjectID)
		}
	}
	s.say("You are signed in as %s.", name)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
