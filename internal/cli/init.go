package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/propusk/propusk/internal/cli/profile"
)

// beginning is what init was told by flags.
type beginning struct {
	hints
	pages  string
	device bool
	bound  bool
}

func initCommand() *treeCommand {
	return &treeCommand{command: command{verb: "init", summary: "sign in and make a profile, step by step", flags: func(f *flag.FlagSet) action {
		var b beginning
		f.StringVar(&b.pages, "federation-endpoint", "", "URL of the server's pages; otherwise the profile's, otherwise that of the endpoint")
		f.StringVar(&b.federation, "federation-id", "", "federation to sign in through")
		f.StringVar(&b.username, "username", "", "login to sign in with")
		f.BoolVar(&b.device, "device", false, "sign in with a browser of another machine")
		f.BoolVar(&b.bound, "dpop", false, "keep a key beside the profile, without which the refresh token is worth nothing")
		return func(ctx context.Context, s *session, _ []string) error { return s.initialize(ctx, &b) }
	}}}
}

// initialize takes the person through signing in, and through choosing where he
// works [API fact: the tool's texts].
func (s *session) initialize(ctx context.Context, b *beginning) error {
	if s.profiles == nil {
		return &Misuse{profile.ErrNoHome}
	}
	fmt.Fprintln(s.env.Stderr, "Welcome! This command will take you through the configuration process.")
	if err := s.pickProfile(); err != nil {
		return err
	}
	if err := s.signIn(ctx, b); err != nil {
		return err
	}
	if err := s.chooseCloud(ctx); err != nil {
		return err
	}
	s.say("Profile '%s' is ready. Try: yc iam whoami", s.profileName)
	return nil
}

func (s *session) say(format string, args ...any) {
	s.progress(printable(fmt.Sprintf(format, args...)) + "\n")
}

// pickProfile settles which profile is made or changed.
func (s *session) pickProfile() error {
	if len(s.profiles.Names()) == 0 {
		s.profileName = profile.Default
		return nil
	}
	n, err := s.choose("Pick desired action:", []string{
		fmt.Sprintf("Re-initialize this profile '%s' with new settings", s.profileName), "Create a new profile"})
	if err != nil || n == 0 {
		return err
	}
	for {
		name, err := s.ask("Enter profile name. Names start with a lower case letter and contain only lower case letters a-z, digits 0-9, and hyphens '-': ")
		if err != nil {
			return err
		}
		if err := profile.CheckName(name); err != nil {
			s.say("%v", err)
			continue
		}
		if s.profiles.Has(name) {
			s.say("Profile '%s' is there already.", name)
			continue
		}
		s.profileName = name
		return nil
	}
}

// ways to sign in, in the order in which they are offered.
const (
	byBrowser = iota
	byDevice
	byOAuthToken
)

func (s *session) way(b *beginning) (int, error) {
	switch {
	case s.token != "":
		return byOAuthToken, nil
	case b.device:
		return byDevice, nil
	case s.noBrowser || b.hints != hints{}:
		return byBrowser, nil
	}
	return s.choose("How do you want to sign in?", []string{"With a browser on this machine", "With a browser on another machine, by a code", "With an OAuth token"})
}

// signIn proves who the person is and keeps that in the profile.
func (s *session) signIn(ctx context.Context, b *beginning) error {
	way, err := s.way(b)
	if err != nil {
		return err
	}
	if way == byOAuthToken {
		return s.keepOAuthToken(b)
	}
	at := s.federationEndpoint(b.pages)
	i, err := s.issuerAt(ctx, at)
	if err != nil {
		return err
	}
	in, err := profile.NewSignIn(i.URL, b.bound)
	if err != nil {
		return err
	}
	var got profile.Token
	if way == byDevice {
		got, err = i.byDevice(ctx, in)
	} else {
		if b.federation != "" {
			s.say("You are going to be authenticated via federation-id '%s'.", b.federation)
		}
		if b.username != "" {
			s.say("You are going to be authenticated via username '%s'.", b.username)
		}
		got, err = i.byBrowser(ctx, in, b.hints)
	}
	if err != nil {
		return err
	}
	if err := s.begin(b, at); err != nil {
		return err
	}
	if err := profile.SignInsOf(s.configPath).Put(s.profileName, in); err != nil {
		return err
	}
	if in.RefreshToken.Reveal() == "" {
		s.say("You are signed in until %s; your organization gives no refresh tokens.", got.ExpiresAt.Local().Format("2006-01-02 15:04"))
		if b.bound {
			s.tell("--dpop: there is no refresh token to bind to the key")
		}
	} else {
		s.say("You are signed in.")
	}
	key := profile.Key(s.endpoint, s.profileName, (&credential{signIn: in}).identity(), "")
	_, unkept, err := profile.TokensOf(s.configPath).Renew(key, s.env.Now, func() (profile.Token, error) { return got, nil })
	if unkept != nil {
		s.tell("the token could not be kept: %v", unkept)
	}
	s.bearer, s.expires = got.Text, got.ExpiresAt
	return err
}

func (s *session) keepOAuthToken(b *beginning) error {
	if b.bound {
		return misuse("--dpop is for signing in with a browser: an OAuth token is bound to nothing")
	}
	text := s.token
	if text == "" {
		var err error
		if text, err = s.askSecret("Please enter OAuth token: "); err != nil {
			return err
		}
	}
	c, err := eitherToken(text)
	switch {
	case err != nil:
		return err
	case c.oauth == "":
		return misuse("that is no OAuth token")
	}
	s.token = ""
	if err := s.begin(b, ""); err != nil {
		return err
	}
	profile.SignInsOf(s.configPath).Drop(s.profileName)
	return s.write(map[string]string{"token": c.oauth})
}

// begin makes the profile what it is before the sign-in is kept: active, without
// other credentials, at the server that was asked.
func (s *session) begin(b *beginning, pages string) error {
	err := profile.Change(s.configPath, func(f *profile.File) error {
		if !f.Has(s.profileName) {
			if err := f.Create(s.profileName); err != nil {
				return &Misuse{err}
			}
		} else if err := f.Activate(s.profileName); err != nil {
			return err
		}
		for _, p := range []string{"token", "service-account-key", "instance-service-account", "federation-id", "cloud-id", "folder-id", "folder-name"} {
			if err := f.Unset(s.profileName, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	keep := map[string]string{"endpoint": s.endpoint}
	if pages != "" {
		keep["federation-endpoint"] = pages
	}
	if b.federation != "" {
		keep["federation-id"] = b.federation
	}
	if s.caFile != "" {
		keep["ca-file"] = s.caFile
	}
	return s.write(keep)
}

// write gives the profile properties, and reads it again.
func (s *session) write(properties map[string]string) error {
	err := profile.Change(s.configPath, func(f *profile.File) error {
		for name, value := range properties {
			if err := f.Set(s.profileName, name, value); err != nil {
				return misused(err)
			}
		}
		return nil
	})
	if err == nil {
		s.profiles, err = profile.Read(s.configPath)
	}
	return err
}
