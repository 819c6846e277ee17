package server

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

const (
	envPrefix = "PROPUSK_"
	envConfig = envPrefix + "CONFIG" // the file's path, like --config
)

// LoadOptions is what Load reads from. Nothing else is consulted.
type LoadOptions struct {
	Command string   // as the user typed it, "propusk serve"; heads the help text
	Args    []string // the flags, without the command
	Environ []string // as os.Environ gives it
	Dev     bool     // the settings of `dev`: its own data folder by default
	Output  io.Writer
	// Flags adds the command's own flags. They must not be named like settings.
	Flags func(*flag.FlagSet)
	// Brief leaves the settings themselves out of the help text: the command
	// only needs to find a server's data.
	Brief bool
	// OwnEnv are PROPUSK_ variables that belong to someone else and are no error.
	OwnEnv []string
}

// ConfigError is everything that is wrong with the settings, each problem
// with the place it came from.
type ConfigError struct{ Problems []string }

func (e *ConfigError) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0]
	}
	return fmt.Sprintf("configuration has %d problems:\n  %s", len(e.Problems), strings.Join(e.Problems, "\n  "))
}

// loading is the state of one Load.
type loading struct {
	opts     LoadOptions
	settings []setting
	rank     map[string]int    // setting → where its value is from
	source   map[string]string // setting → the same for people to read
	problems []string
}

const (
	fromFile = iota + 1
	fromEnv
	fromFlag
)

// Load reads the settings: flags win over the environment, that over the file
// (--config or PROPUSK_CONFIG), that over defaults. It returns flag.ErrHelp
// after printing help to Output, and a *ConfigError that lists all problems at
// once: unknown flags, keys and PROPUSK_ variables are among them.
func Load(opts LoadOptions) (*Config, error) {
	c := new(Config)
	l := &loading{opts: opts, settings: settingsOf(c), rank: map[string]int{}, source: map[string]string{}}
	given, file, err := l.parseFlags()
	if errors.Is(err, flag.ErrHelp) {
		if opts.Output != nil {
			printHelp(opts.Output, opts)
		}
		return nil, err
	}
	env, known := l.environment()
	if file == "" {
		file = env[envConfig]
	}
	for _, g := range given {
		l.put(g.setting, g.text, fromFlag, "--"+g.setting.name)
	}
	for _, s := range l.settings {
		if text, ok := env[s.env()]; ok {
			l.putEnv(s, text)
		}
	}
	if file != "" {
		l.readFile(file)
	}
	l.unknownEnv(env, known, c.MasterKey.Env)
	if opts.Dev && c.Data == "" {
		c.Data = DevData
	}
	c.SetDefaults()
	l.problems = append(l.problems, c.check(opts.Dev, l.at)...)
	if len(l.problems) > 0 {
		return nil, &ConfigError{Problems: l.problems}
	}
	return c, nil
}

// DevData is the data folder of `dev` when none is named.
const DevData = "propusk-dev"

// at names a setting in a problem, with the place its value is from.
func (l *loading) at(name string) string {
	if from := l.source[name]; from != "" {
		return from
	}
	return name
}

// put sets one setting unless a stronger source has set it already.
func (l *loading) put(s setting, text string, rank int, from string) {
	if l.rank[s.name] > rank {
		return
	}
	if l.rank[s.name] == rank && !s.repeatable() {
		l.problems = append(l.problems, from+": given twice")
		return
	}
	l.rank[s.name], l.source[s.name] = rank, from
	if err := s.set(text); err != nil {
		l.problems = append(l.problems, from+": "+err.Error())
	}
}

func (l *loading) putEnv(s setting, text string) {
	if !s.repeatable() {
		l.put(s, text, fromEnv, s.env())
		return
	}
	for part := range strings.SplitSeq(text, ",") {
		l.put(s, strings.TrimSpace(part), fromEnv, s.env())
	}
}

type givenFlag struct {
	setting setting
	text    string
}

// flagValue collects what a flag was given; judging it is put's work, so that
// one bad flag does not hide the next.
type flagValue struct {
	setting setting
	given   *[]givenFlag
}

func (f flagValue) String() string { return "" }
func (f flagValue) IsBoolFlag() bool {
	return f.given != nil && f.setting.value.Type().Kind().String() == "bool"
}
func (f flagValue) Set(text string) error {
	*f.given = append(*f.given, givenFlag{f.setting, text})
	return nil
}

// parseFlags goes on after an unknown flag, to find all of them.
func (l *loading) parseFlags() (given []givenFlag, file string, err error) {
	fs := flag.NewFlagSet(l.opts.Command, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&file, "config", "", "")
	for _, s := range l.settings {
		fs.Var(flagValue{s, &given}, s.name, "")
	}
	if l.opts.Flags != nil {
		l.opts.Flags(fs)
	}
	args, afterUnknown := l.opts.Args, false
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, "", err
		}
		args = fs.Args()
		switch {
		case err != nil:
			l.problems = append(l.problems, err.Error())
			afterUnknown = true
			continue
		case len(args) == 0:
			return given, file, nil
		case !afterUnknown: // else it is likely the unknown flag's value
			l.problems = append(l.problems, fmt.Sprintf("unexpected argument %q", args[0]))
		}
		args, afterUnknown = args[1:], false
	}
}

// environment returns the PROPUSK_ variables and the names that mean something.
func (l *loading) environment() (env map[string]string, known map[string]bool) {
	env, known = map[string]string{}, map[string]bool{envConfig: true}
	for _, s := range l.settings {
		known[s.env()] = true
	}
	for _, name := range l.opts.OwnEnv {
		known[name] = true
	}
	for _, pair := range l.opts.Environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	return env, known
}

// serviceLink matches what Kubernetes puts into every container beside a
// Service called "propusk" or "propusk-something" [API fact: Kubernetes,
// environment variables of Services].
var serviceLink = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^PROPUSK_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
})

// unknownEnv reports names only: a variable's value may be a secret.
func (l *loading) unknownEnv(env map[string]string, known map[string]bool, masterKeyEnv string) {
	names := make([]string, 0, len(env))
	for name := range env {
		if !known[name] && name != masterKeyEnv && !serviceLink().MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		setting := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))
		l.problems = append(l.problems, name+": no such setting"+l.suggest(setting, envForm))
	}
}

func envForm(s setting) string  { return s.env() }
func pathForm(s setting) string { return s.path }

// suggest names the nearest setting, when one is near.
func (l *loading) suggest(name string, form func(setting) string) string {
	best, distance := setting{}, 3
	for _, s := range l.settings {
		if d := editDistance(name, s.name); d < distance {
			best, distance = s, d
		}
	}
	if best.name == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", form(best))
}

// editDistance is Levenshtein's, over bytes; names here are short.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
