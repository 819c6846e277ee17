package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// session is one run of a command: who asks, where, and how answers are printed.
type session struct {
	env *Environment

	configPath  string
	profileName string
	profiles    *profile.File // nil without a home folder
	makes       bool          // a profile that is named need not be there
	newProfile  string        // that is to be made, of the server of profileName
	endpoint    string
	caFile      string
	plaintext   bool
	plainGiven  bool
	discovers   bool // asks where each service is, as the whole tree does
	token       string
	keyFile     string
	impersonate string
	format      string
	filter      string
	cloudID     string
	folderID    string
	folderName  string
	async       bool
	debug       bool
	debugBodies bool
	quiet       bool
	noBrowser   bool
	attempts    int
	timeout     time.Duration // 0 for none
	whole       bool          // of a change the operation is printed

	typed     *bufio.Reader // of what a person types
	bearer    iam.Secret    // the IAM token in use, once there is one
	expires   expiry        // of that token, when known
	ring      *profile.Keyring
	audience  string // of JWTs, once one was signed
	kept      string // under what the token in use was found kept
	skewTold  bool
	traceID   string   // of the run
	hidden    []string // secrets of this run, beside bearer
	told      []told   // the latest calls
	untold    int      // calls before those
	conns     map[string]*grpc.ClientConn
	addresses map[string]string // of services, once the server has told

	organizationID string // in which names are looked for, when a flag says so
	gathering      bool   // what is printed is kept in gathered, to be printed together
	gathered       []proto.Message
}

const (
	defaultEndpoint = "127.0.0.1:4430" // where serve and dev listen
	userAgent       = "propusk-cli"

	envConfig   = "YC_CONFIG"
	envProfile  = "YC_PROFILE"
	envEndpoint = "YC_ENDPOINT"
	envToken    = "YC_IAM_TOKEN"                // [API fact: environment variables]
	envKeyFile  = "YC_SERVICE_ACCOUNT_KEY_FILE" // a path, or the key file's text
	envAnyToken = "YC_TOKEN"                    // IAM or OAuth, as other programs take it
	envCloud    = "YC_CLOUD_ID"
	envFolder   = "YC_FOLDER_ID"
	envSilence  = "YC_CLI_INITIALIZATION_SILENCE"
)

func (s *session) declare(f *flag.FlagSet) {
	s.declareServer(f)
	f.StringVar(&s.format, "format", "", "how answers are printed: text, yaml, json or json-rest; otherwise the profile's, otherwise text")
	f.StringVar(&s.filter, "jq", "", "jq filter to print the answer through")
	f.StringVar(&s.impersonate, "impersonate-service-account-id", "", "act as this service account")
	f.IntVar(&s.attempts, "retry", usualAttempts, "how often to try while the server cannot be reached, for two minutes at most; 0 for once, below 0 for as often as it takes")
	f.BoolVar(&s.debugBodies, "debug-grpc", false, "the same as --debug, with what is sent and answered; secrets are left out")
	f.BoolVar(&s.quiet, "no-user-output", false, "print nothing for people on standard error but errors")
	f.BoolVar(&s.noBrowser, "no-browser", false, "do not open a browser: print the link")
	s.declareNewer(f)
	for _, d := range []struct {
		into        *string
		name, usage string
	}{
		{&s.cloudID, "cloud-id", "the cloud in which --folder-name is looked for; otherwise $" + envCloud + ", otherwise the profile's"},
		{&s.folderID, "folder-id", "the folder to work in; otherwise $" + envFolder + ", otherwise the profile's"},
		{&s.folderName, "folder-name", "the same by its name"},
	} {
		if f.Lookup(d.name) == nil { // a command's own flag wins
			f.StringVar(d.into, d.name, "", d.usage)
		}
	}
}

// declareServer declares who asks, and where.
func (s *session) declareServer(f *flag.FlagSet) {
	s.attempts = usualAttempts
	f.StringVar(&s.configPath, "config", "", "file of profiles; otherwise $"+envConfig+", otherwise ~/.config/propusk/config.yaml")
	f.StringVar(&s.profileName, "profile", "", "profile to use; otherwise $"+envProfile+", otherwise the active one")
	f.StringVar(&s.endpoint, "endpoint", "", "host:port of the API's gRPC; otherwise $"+envEndpoint+", otherwise the profile's, otherwise "+defaultEndpoint)
	f.StringVar(&s.caFile, "ca-file", "", "PEM file of the certificates to trust instead of the system's")
	f.BoolVar(&s.plaintext, "plaintext", false, "no TLS, on loopback only; so it is there unless --ca-file or --plaintext=false is given")
	f.StringVar(&s.token, "token", "", "IAM or OAuth token; better in $"+envToken+", because others on the machine can see a command's flags")
	f.StringVar(&s.keyFile, "key-file", "", "authorized-key file to get an IAM token with; otherwise $"+envKeyFile)
	f.BoolVar(&s.debug, "debug", false, "tell of every call on standard error")
}

// check settles where to go and how to print, before anything is sent.
func (s *session) check(f *flag.FlagSet) error {
	if err := s.checkServer(f); err != nil {
		return err
	}
	if s.format = s.setting(s.format, "", "format"); s.format == "" {
		s.format = "text"
	}
	if err := output.CheckFormat(s.format); err != nil {
		return misuse("%s: %w", s.source("format", given(f)["format"], ""), err)
	}
	if s.filter != "" {
		if err := output.CheckFilter(s.filter); err != nil {
			return &Misuse{err}
		}
	}
	if s.debug = s.debug || s.debugBodies; s.debug {
		fmt.Fprintf(s.env.Stderr, "debug: config file %s, profile %s, endpoint %s\n", printable(s.configPath), s.profileName, s.endpoint)
	}
	return nil
}

func (s *session) checkServer(f *flag.FlagSet) error {
	if err := s.readProfiles(true); err != nil {
		return err
	}
	s.caFile = s.setting(s.caFile, "", "ca-file")
	if s.endpoint = s.setting(s.endpoint, envEndpoint, "endpoint"); s.endpoint == "" {
		s.endpoint = defaultEndpoint
	}
	if err := profile.CheckEndpoint(s.endpoint); err != nil {
		return misuse("%s: %w", s.source("endpoint", given(f)["endpoint"], envEndpoint), err)
	}
	host, _, _ := net.SplitHostPort(s.endpoint)
	s.hide(s.token, s.env.variable(envToken), s.env.variable(envAnyToken))
	s.plainGiven = given(f)["plaintext"]
	switch {
	case !s.plainGiven:
		s.plaintext = s.caFile == "" && isLoopback(host)
	case s.plaintext && s.caFile != "":
		return misuse("--plaintext and --ca-file exclude each other")
	case s.plaintext && !isLoopback(host):
		return misuse("--plaintext: %s is not this machine, and a token does not travel without TLS", printable(host))
	}
	return nil
}

// source names where a setting comes from.
func (s *session) source(property string, flagged bool, variable string) string {
	switch {
	case flagged:
		return "--" + property
	case variable != "" && s.env.variable(variable) != "":
		return "$" + variable
	}
	return fmt.Sprintf("profile %q: %s", s.profileName, property)
}

// readProfiles finds the profile to work with, which must be there when it is
// named. Without a home folder there is none, which is told when it is missed.
func (s *session) readProfiles(must bool) error {
	chosen := s.configPath != "" || s.env.variable(envConfig) != ""
	path, err := s.configFile()
	if errors.Is(err, profile.ErrNoHome) && s.profileName == "" {
		return nil
	}
	if err != nil {
		return &Misuse{err}
	}
	s.profiles, err = profile.Read(path)
	if errors.Is(err, fs.ErrPermission) && s.profileName == "" && !chosen {
		s.profiles = nil // another's home, as after sudo -u: what the environment says is enough
		s.tell("%v: it is left out", err)
		return nil
	}
	if err != nil {
		return err
	}
	named := s.profileName
	if named == "" {
		named = s.env.variable(envProfile)
	}
	if s.profileName = named; named == "" {
		s.profileName = s.profiles.Current()
	}
	switch {
	case !must || named == "" || s.profiles.Has(named):
	case s.makes:
		s.newProfile, s.profileName = named, s.profiles.Current()
	default:
		return misuse("there is no profile %q in %s", named, path)
	}
	if !s.silent() {
		for _, text := range s.profiles.Warnings(s.profileName) {
			s.tell("%s", printable(text))
		}
	}
	return nil
}

// silent tells whether nothing is to be said of how things are kept here
// [API fact: environment variables].
func (s *session) silent() bool {
	yes, err := strconv.ParseBool(s.env.variable(envSilence))
	return err == nil && yes
}

func (s *session) configFile() (string, error) {
	if s.configPath == "" {
		s.configPath = s.env.variable(envConfig)
	}
	if s.configPath != "" {
		return s.configPath, nil
	}
	path, err := profile.Path(s.env.variable)
	s.configPath = path
	return path, err
}

// setting is the value of a flag, otherwise of a variable, otherwise of a
// property of the profile.
func (s *session) setting(flagged, variable, property string) string {
	if flagged != "" {
		return flagged
	}
	if variable != "" {
		if v := s.env.variable(variable); v != "" {
			return v
		}
	}
	if s.profiles == nil {
		return ""
	}
	return s.profiles.Get(s.profileName, property)
}

// tell says something to the person, which no program reads.
func (s *session) tell(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintln(s.env.Stderr, "WARNING: "+fmt.Sprintf(format, args...))
	}
}

func (s *session) printer() *output.Printer {
	return &output.Printer{Out: s.env.Stdout, Format: s.format, Filter: s.filter, Columns: s.env.Columns}
}

// print shows one message.
func (s *session) print(ctx context.Context, m proto.Message) error {
	if s.gathering {
		s.gathered = append(s.gathered, m)
		return nil
	}
	return s.printer().Message(ctx, m)
}

// column is one of a list's table.
type column[T any] struct {
	title string
	cell  func(T) string
}

// printList shows a list: as an array, or in text as a table.
func printList[T proto.Message](ctx context.Context, s *session, rows []T, columns []column[T]) error {
	all := make([]proto.Message, 0, len(rows))
	for _, r := range rows {
		all = append(all, r)
	}
	titled := make([]output.Column, 0, len(columns))
	for _, c := range columns {
		titled = append(titled, output.Column{Title: c.title, Cell: func(m proto.Message) string { return c.cell(m.(T)) }})
	}
	return s.printer().List(ctx, all, titled)
}

func printable(text string) string { return output.Printable(text) }
