package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/keyfile"
)

// configNodes keep the file of profiles on this machine; nothing is asked of a
// server.
func configNodes() []node {
	return []node{
		leaf(printed(local, "get", "PROPERTY", "print a property of the profile", 1, func(s *session, args []string) ([]byte, error) {
			f, err := profile.Read(s.configPath)
			if err != nil {
				return nil, err
			}
			if err := profile.CheckProperty(args[0]); err != nil && f.Get(s.profileName, args[0]) == "" {
				return nil, &Misuse{err}
			}
			return f.Value(s.profileName, args[0])
		})),
		leaf(printed(local, "list", "", "print the profile, without its secrets", 0, func(s *session, _ []string) ([]byte, error) {
			f, err := profile.Read(s.configPath)
			if err != nil {
				return nil, err
			}
			return orEmpty(f.List(s.profileName))
		})),
		leaf(local("set", "PROPERTY VALUE", "give the profile a property; service-account-key takes a key file; it and a token are read from standard input when the value is -", 2,
			func(s *session, args []string) error {
				value := args[1]
				if args[0] == "service-account-key" && value == "-" {
					return s.setKey()
				}
				if args[0] == "token" {
					text, err := s.secret("token", value)
					if err != nil {
						return err
					}
					if value, err = oneWord(text); err != nil {
						return err
					}
				}
				if err := profile.Change(s.configPath, func(f *profile.File) error { return misused(f.Set(s.profileName, args[0], value)) }); err != nil {
					return err
				}
				s.supersede(args[0])
				return nil
			})),
		leaf(local("unset", "PROPERTY", "take a property from the profile", 1, func(s *session, args []string) error {
			return profile.Change(s.configPath, func(f *profile.File) error { return misused(f.Unset(s.profileName, args[0])) })
		})),
		{word: "profile", aliases: []string{"profiles"}, summary: "make profiles, and choose among them", below: profileNodes()},
	}
}

func profileNodes() []node {
	return []node{
		leaf(ofFile("activate", "NAME", "make a profile the active one", 1, func(s *session, args []string) error {
			return s.changeProfiles("Profile '%s' activated\n", args[0], (*profile.File).Activate)
		})),
		leaf(ofFile("create", "NAME", "make a profile and activate it", 1, func(s *session, args []string) error {
			if err := s.changeProfiles("Profile '%s' created and activated\n", args[0], (*profile.File).Create); err != nil {
				return err
			}
			s.signIns().Drop(args[0]) // of one of this name that was taken out of the file by hand
			s.tokens().DropOf(args[0])
			return nil
		})),
		leaf(ofFile("delete", "NAME", "delete a profile that is not the active one", 1, func(s *session, args []string) error {
			if err := s.changeProfiles("Profile '%s' deleted\n", args[0], (*profile.File).Delete); err != nil {
				return err
			}
			s.signIns().Drop(args[0])
			s.tokens().DropOf(args[0])
			return nil
		})),
		leaf(printed(ofFile, "get", "NAME", "print a profile, without its secrets", 1, func(s *session, args []string) ([]byte, error) {
			f, err := profile.Read(s.configPath)
			if err != nil {
				return nil, err
			}
			text, err := orEmpty(f.List(args[0]))
			return text, misused(err)
		})),
		leaf(ofFile("list", "", "list the profiles", 0, func(s *session, _ []string) error {
			f, err := profile.Read(s.configPath)
			if err != nil {
				return err
			}
			for _, name := range f.Names() {
				if name == f.Current() {
					name += " ACTIVE"
				}
				if _, err := fmt.Fprintln(s.env.Stdout, name); err != nil {
					return err
				}
			}
			return nil
		})),
	}
}

// ofFile is local for what concerns no profile in use.
func ofFile(verb, takes, summary string, words int, do func(s *session, args []string) error) command {
	c := local(verb, takes, summary, words, do)
	c.needs = theFile
	return c
}

// local is a command that works on this machine's file alone, with so many
// words beside the flags.
func local(verb, takes, summary string, words int, do func(s *session, args []string) error) command {
	return command{verb: verb, takes: takes, summary: summary, needs: theProfile, flags: func(*flag.FlagSet) action {
		return func(_ context.Context, s *session, args []string) error {
			if len(args) != words {
				return misuse("%s is expected, and nothing else", takes)
			}
			if _, err := s.configFile(); err != nil {
				return &Misuse{err}
			}
			if s.profileName == "" {
				s.profileName = profile.Default
			}
			return do(s, args)
		}
	}}
}

func (s *session) changeProfiles(text, name string, edit func(*profile.File, string) error) error {
	if err := profile.Change(s.configPath, func(f *profile.File) error { return misused(edit(f, name)) }); err != nil {
		return err
	}
	s.progress(fmt.Sprintf(text, name))
	return nil
}

func (s *session) raw(text []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = s.env.Stdout.Write(text)
	return err
}

// misused is an error of the person at the keyboard, or nil.
func misused(err error) error {
	if err == nil {
		return nil
	}
	return &Misuse{err}
}

// setKey gives the profile the authorized key on standard input.
func (s *session) setKey() error {
	text, err := s.secret("service-account-key", "-")
	if err != nil {
		return err
	}
	key, err := keyfile.Parse([]byte(text))
	if err != nil {
		return misuse("service-account-key: %v", err)
	}
	if err := profile.Change(s.configPath, func(f *profile.File) error { f.SetKey(s.profileName, key); return nil }); err != nil {
		return err
	}
	s.supersede("service-account-key")
	return nil
}
