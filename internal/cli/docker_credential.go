package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/propusk/propusk/internal/cli/profile"
)

// registryUser is the name beside an IAM token in a password's place [API fact:
// docker login's user names].
const registryUser = "iam"

// dockerCredential is a credential helper of docker and of whatever reads its
// configuration (helm, crane, skopeo, kubelet): it gives an IAM token to the
// registries that configure has named, and to no other.
func dockerCredential() command {
	return command{verb: "docker-credential", takes: "get|store|erase|list|version, or configure REGISTRY…", needs: nothing,
		summary: "give docker, helm and their like an IAM token as the password of user " + registryUser,
		example: "configure cr.example.com", flags: func(f *flag.FlagSet) action {
			return func(ctx context.Context, s *session, args []string) error {
				if len(args) == 0 {
					return misuse("say get, store, erase, list or version, as docker does, or configure")
				}
				if args[0] == "configure" {
					return s.configureDocker(f, args[1:])
				}
				if len(args) > 1 {
					return misuse("unexpected argument %q", args[1])
				}
				switch args[0] {
				case "get":
					return s.answerDocker(ctx, f)
				case "list":
					return s.listForDocker()
				case "store":
					return fmt.Errorf("docker login is not supported with the %s credential helper, and not needed: it finds the password by itself", helperName(f))
				case "erase":
					return s.eraseForDocker(f)
				case "version":
					_, err := fmt.Fprintf(s.env.Stdout, "docker-credential-%s %s\n", helperName(f), s.env.Version)
					return err
				}
				return misuse("there is no command %q: say get, store, erase, list, version or configure", args[0])
			}
		}}
}

// containerNode is where people know the helper's configuration.
func containerNode() node {
	return node{word: "container", summary: "container registries", below: []node{
		leaf(dockerCredential()), // where aliases of the original's helper look
		{word: "registry", summary: "sign in to container registries", below: []node{
			leaf(command{verb: "configure-docker", takes: "REGISTRY…", needs: nothing, summary: "have docker and its like ask this program for passwords of registries",
				example: "cr.example.com --profile ci", flags: func(f *flag.FlagSet) action {
					return func(_ context.Context, s *session, args []string) error { return s.configureDocker(f, args) }
				}}),
		}},
	}}
}

// DockerHelper runs the helper under the name that docker knows it by, of which
// helper is what stands behind "docker-credential-". What goes wrong is said on
// standard output too, because docker looks there.
func DockerHelper(ctx context.Context, env Environment, helper string, args []string) int {
	var said, told bytes.Buffer
	env.Stdout, env.Stderr = io.MultiWriter(env.Stdout, &said), io.MultiWriter(env.Stderr, &told)
	program := "propusk"
	if helper == "yc" {
		program = "yc"
	}
	code := Main(ctx, env, program, append([]string{"docker-credential"}, args...))
	if code != 0 && said.Len() == 0 {
		for line := range strings.Lines(told.String()) {
			if text, ok := strings.CutPrefix(line, "ERROR: "); ok {
				_, _ = io.WriteString(env.Stdout, text)
			}
		}
	}
	return code
}

// helperName is what stands behind "docker-credential-" in the helper's name.
func helperName(f *flag.FlagSet) string {
	if strings.HasPrefix(f.Name(), "yc ") {
		return "yc"
	}
	return "propusk"
}

// listForDocker prints the registries that there are passwords for.
func (s *session) listForDocker() error {
	known, err := s.dockerRegistries()
	if err != nil {
		return err
	}
	out := map[string]string{}
	for host := range known.Registries {
		out[host] = registryUser
	}
	return json.NewEncoder(s.env.Stdout).Encode(out)
}

// dockerRegistries are those that configure has named, and whose password each
// gets. A registry that nobody has named gets none: whoever can make a client ask
// (an image's name in somebody's file is enough) would get a token otherwise.
type dockerRegistries struct {
	Registries map[string]dockerRegistry `json:"registries"`
}

type dockerRegistry struct {
	Profile string `json:"profile,omitempty"` // "" is the active one
}

// dockerRegistriesPath is beside the file of profiles.
func (s *session) dockerRegistriesPath() (string, error) {
	path, err := s.configFile()
	if err != nil {
		return "", &Misuse{err}
	}
	return filepath.Join(filepath.Dir(path), "docker-registries.json"), nil
}

func (s *session) dockerRegistries() (out dockerRegistries, err error) {
	out.Registries = map[string]dockerRegistry{}
	path, err := s.dockerRegistriesPath()
	if err != nil {
		return out, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return out, fmt.Errorf("registries of docker: %s: %w", path, err)
	}
	if out.Registries == nil { // null is written there
		out.Registries = map[string]dockerRegistry{}
	}
	return out, nil
}

// configureDocker names registries for which docker's clients are to ask here.
func (s *session) configureDocker(f *flag.FlagSet, hosts []string) error {
	if len(hosts) == 0 {
		return misuse("name the registries, such as cr.example.com")
	}
	for i, h := range hosts {
		if hosts[i] = registryHost(h); hosts[i] == "" {
			return misuse("%q is no registry: a host or host:port is expected", printable(h))
		}
	}
	flagged := s.profileName
	if err := s.readProfiles(true); err != nil {
		return err
	}
	known, err := s.dockerRegistries()
	if err != nil {
		return err
	}
	for _, h := range hosts {
		known.Registries[h] = dockerRegistry{Profile: flagged}
	}
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	path, err := s.dockerRegistriesPath()
	if err != nil {
		return err
	}
	config, err := dockerConfigPath(s.env.variable)
	if err != nil {
		return &Misuse{err}
	}
	// First ours: a client that asks for a registry which is not in it is sent away.
	if err := replaceFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("registries of docker: %w", err)
	}
	if err := addCredentialHelper(config, helperName(f), hosts); err != nil {
		return fmt.Errorf("docker's configuration: %w", err)
	}
	if !s.quiet {
		fmt.Fprintf(s.env.Stderr, "Credential helper is configured in '%s'\n", config) // [API fact: configure-docker]
	}
	name := "docker-credential-" + helperName(f)
	switch at := s.inPath(name); {
	case at == "":
		s.tell("docker will look for a program %s: link this one under that name in a folder of $PATH", name)
	case !thisProgram(at): // that of the cloud itself has the same name, and its tokens are for nobody here
		s.tell("docker will run %s, which is another program than this one and may send %s other passwords: put this one before it in $PATH under that name",
			at, strings.Join(hosts, ", "))
	}
	return nil
}

// inPath is the program that is found by a name; "" when there is none.
func (s *session) inPath(name string) string {
	for _, folder := range filepath.SplitList(s.env.variable("PATH")) {
		for _, end := range []string{"", ".exe"} {
			at := filepath.Join(folder, name+end)
			if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
				return at
			}
		}
	}
	return ""
}

// thisProgram tells whether a file is the program that runs, or a copy of it. A
// file that cannot be looked at is taken for one.
func thisProgram(at string) bool {
	own, err := os.Executable()
	if err != nil {
		return true
	}
	there, terr := os.Stat(at)
	here, herr := os.Stat(own)
	return terr != nil || herr != nil || os.SameFile(there, here) || there.Size() == here.Size()
}

// registryHost is the host, or host:port, of a registry's address as clients
// write it; "" for what is none.
func registryHost(text string) string {
	for _, scheme := range []string{"https://", "http://"} {
		text = strings.TrimPrefix(text, scheme)
	}
	host, _, _ := strings.Cut(text, "/")
	u, err := url.Parse("https://" + host)
	if err != nil || host == "" || u.Host != host || u.User != nil || u.Hostname() == "" || strings.ContainsAny(host, "*%?#@ ") {
		return ""
	}
	return strings.ToLower(host)
}

// dockerConfigPath is the file that docker's clients read.
func dockerConfigPath(variable func(string) string) (string, error) {
	if folder := variable("DOCKER_CONFIG"); folder != "" {
		return filepath.Join(folder, "config.json"), nil
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := variable(name); home != "" {
			return filepath.Join(home, ".docker", "config.json"), nil
		}
	}
	return "", profile.ErrNoHome
}
