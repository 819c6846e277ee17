package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// errNotDockers is known to docker's clients by its text: they ask nobody else
// then, and go on without a password.
var errNotDockers = errors.New("credentials not found in native keychain")

// mostDockerRequest bounds what a client says: an address, or what it would have
// stored.
const mostDockerRequest = 64 << 10

// askedByDocker reads which registry a client means, and takes the profile that
// it was configured with. ok is false for one that nobody has configured.
func (s *session) askedByDocker() (server string, ok bool, err error) {
	asked, err := io.ReadAll(io.LimitReader(s.env.Stdin, mostDockerRequest))
	if err != nil {
		return "", false, fmt.Errorf("standard input: %w", err)
	}
	server = strings.TrimSpace(string(asked))
	known, err := s.dockerRegistries()
	if err != nil {
		return "", false, err
	}
	at, ok := known.Registries[registryHost(server)]
	if ok && s.profileName == "" && s.env.variable(envProfile) == "" {
		s.profileName = at.Profile
	}
	return server, ok, nil
}

// eraseForDocker forgets the token that was given for a registry. docker asks so
// when somebody logs out, which is what people do when a registry refuses them.
func (s *session) eraseForDocker(f *flag.FlagSet) error {
	_, ok, err := s.askedByDocker()
	if err != nil || !ok {
		return err
	}
	if err := s.check(f); err != nil {
		return err
	}
	c, err := s.credential()
	if err != nil || !c.keeps {
		return err
	}
	s.tokens().Drop(s.tokenKey(c, s.impersonate))
	if s.impersonate != "" { // what it was made of may be what ended
		s.tokens().Drop(s.tokenKey(c, ""))
	}
	return nil
}

// answerDocker prints the password for the registry that a client names.
func (s *session) answerDocker(ctx context.Context, f *flag.FlagSet) error {
	server, ok, err := s.askedByDocker()
	if err != nil {
		return err
	}
	if !ok {
		return errNotDockers
	}
	// Nobody is there to answer questions, and what is printed is read by a program.
	s.env.HideTyping, s.env.Stdin, s.noBrowser, s.quiet = nil, strings.NewReader(""), true, true
	if err := s.check(f); err != nil {
		return err
	}
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	return json.NewEncoder(s.env.Stdout).Encode(struct{ ServerURL, Username, Secret string }{server, registryUser, s.bearer.Reveal()})
}
