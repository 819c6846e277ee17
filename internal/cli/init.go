package cli

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/keyfile"
)

// beginning is what init was told by flags.
type beginning struct {
	hints
	pages   string
	device  bool
	bound   bool
	machine bool
	limit   time.Duration // for the person to sign in

	given func() map[string]bool // flags that stand on the command line
	check func() error           // settles anew where to go, for another profile
}

func initCommand() *treeCommand {
	return &treeCommand{command: command{verb: "init", makes: true, summary: "sign in and make a profile, step by step", flags: func(f *flag.FlagSet) action {
		var b beginning
		f.StringVar(&b.pages, "federation-endpoint", "", "URL or host of the server's pages; otherwise the profile's, otherwise that of the endpoint")
		f.StringVar(&b.federation, "federation-id", "", "federation to sign in through")
		f.StringVar(&b.userPool, "userpool-id", "", "user pool to sign in through")
		f.StringVar(&b.username, "username", "", "login to sign in with")
		f.BoolVar(&b.device, "device", false, "sign in with a browser of another machine")
		f.BoolVar(&b.bound, "dpop", false, "keep a key with the profile, without which the refresh token is worth nothing")
		f.BoolVar(&b.machine, "instance-service-account", false, "work as the service account of this machine, by its metadata address")
		f.DurationVar(&b.limit, "timeout", signInLimit, "how long to wait until you have signed in")
		f.String("region", "", "taken for scripts that give it; this server has no regions")
		return func(ctx context.Context, s *session, _ []string) error {
			b.given = func() map[string]bool { return given(f) }
			b.check = func() error { return s.checkServer(f) }
			return s.initialize(ctx, &b)
		}
	}}}
}

// initialize takes the person through signing in, and through choosing where he
// works [API fact: the tool's texts]. The profile stays what it was until he is
// signed in.
func (s *session) initialize(ctx context.Context, b *beginning) error {
	if s.profiles == nil {
		return &Misuse{profile.ErrNoHome}
	}
	if err := s.refuseBoth(b); err != nil {
		return err
	}
	if s.newProfile != "" {
		if err := profile.CheckName(s.newProfile); err != nil {
			return &Misuse{err}
		}
	}
	if err := s.openKeyring(); err != nil {
		return err
	}
	s.progress("Welcome! This command will take you through the configuration process.\n")
	if err := s.pickProfile(b); err != nil {
		return err
	}
	if err := s.signIn(ctx, b); err != nil {
		return err
	}
	s.greet(ctx)
	if err := s.chooseCloud(ctx); err != nil {
		return err
	}
	s.say("Profile '%s' is ready. Try: yc iam whoami", s.profileName)
	for _, name := range []string{envToken, envKeyFile, envAnyToken} {
		if s.env.variable(name) != "" {
			s.tell("$%s goes before the profile: unset it to work as the one who has just signed in", name)
		}
	}
	return nil
}

// refuseBoth refuses flags that contradict each other.
func (s *session) refuseBoth(b *beginning) error {
	ways := 0
	for _, is := range []bool{s.token != "", s.keyFile != "", b.machine, b.device, b.hints != hints{}} {
		if is {
			ways++
		}
	}
	switch {
	case ways > 1:
		return misuse("of --token, --key-file, --instance-service-account, --device, and --federation-id, --userpool-id or --username, give one")
	case b.federation != "" && b.userPool != "":
		return misuse("--federation-id and --userpool-id exclude each other")
	case b.bound && (s.token != "" || s.keyFile != "" || b.machine):
		return misuse("--dpop is for signing in with a browser: what you have is bound to nothing")
	case b.limit <= 0:
		return misuse("--timeout: nobody signs in within %v", b.limit)
	}
	return nil
}

func (s *session) say(format string, args ...any) {
	s.progress(printable(fmt.Sprintf(format, args...)) + "\n")
}

// ways to sign in, in the order in which they are offered.
const (
	byBrowser = iota
	byDevice
	byOAuthToken
	byKeyFile
	byMachine
)

func (s *session) way(b *beginning) (int, error) {
	switch {
	case s.token != "":
		return byOAuthToken, nil
	case s.keyFile != "":
		return byKeyFile, nil
	case b.machine:
		return byMachine, nil
	case b.device:
		return byDevice, nil
	case s.noBrowser || b.bound || b.hints != hints{}:
		return byBrowser, nil
	}
	return s.choose("How do you want to sign in?", []string{"With a browser on this machine", "With a browser on another machine, by a code",
		"With an OAuth token", "With the key file of a service account", "As the service account of this machine"})
}

// signIn proves who the person is, and then makes that the profile's.
func (s *session) signIn(ctx context.Context, b *beginning) error {
	way, err := s.way(b)
	if err != nil {
		return err
	}
	if way == byBrowser || way == byDevice {
		return s.signInOnPages(ctx, b, way)
	}
	c, keep := &credential{metadata: true}, map[string]string{"instance-service-account": "true"}
	switch way {
	case byOAuthToken:
		if c, err = s.typedOAuthToken(); err != nil {
			return err
		}
		keep = map[string]string{"token": c.oauth}
	case byKeyFile:
		path := s.keyFile
		if path == "" {
			if path, err = s.ask("Please enter the path of the key file: "); err != nil {
				return err
			}
		}
		key, err := keyfile.Read(path)
		if err != nil {
			return &Misuse{fmt.Errorf("key file: %w", err)}
		}
		c, keep = &credential{key: key}, map[string]string{"service-account-key": path}
	}
	got, err := s.make(ctx, c)
	if err != nil {
		return err
	}
	if pages := firstOf(b.pages, s.pagesOfProfile()); pages != "" {
		keep["federation-endpoint"] = pages
	}
	if err := s.begin(b, keep); err != nil {
		return err
	}
	s.signIns().Drop(s.profileName)
	return s.work(c, got)
}

func (s *session) signInOnPages(ctx context.Context, b *beginning, way int) error {
	pages := b.pages
	if pages == "" {
		pages = s.pagesOfProfile()
	}
	i, err := s.issuerAt(ctx, s.federationEndpoint(pages))
	if err != nil {
		return err
	}
	in, err := profile.NewSignIn(i.URL, b.bound)
	if err != nil {
		return err
	}
	in.Endpoint = s.endpoint
	in.Federation, in.UserPool, in.Username = b.federation, b.userPool, b.username
	var got profile.Token
	if way == byDevice {
		got, err = i.byDevice(ctx, in, b.limit)
	} else {
		got, err = i.byBrowser(ctx, in, b.limit)
	}
	if err != nil {
		return err
	}
	if err := s.keepSignIn(b, in); err != nil {
		return err
	}
	if in.RefreshToken.Reveal() == "" {
		s.say("You are signed in until %s; the server gives you no refresh tokens.", got.ExpiresAt.Local().Format("2006-01-02 15:04"))
		if b.bound {
			s.tell("--dpop: there is no refresh token to bind to the key")
		}
	}
	return s.work(&credential{signIn: in}, got)
}

func (s *session) typedOAuthToken() (*credential, error) {
	text := s.token
	if text == "" {
		var err error
		if text, err = s.askSecret("Please enter OAuth token: "); err != nil {
			return nil, err
		}
	}
	c, err := eitherToken(text)
	switch {
	case err != nil:
		return nil, err
	case c.oauth == "":
		return nil, misuse("that is no OAuth token")
	}
	s.token = ""
	return c, nil
}
