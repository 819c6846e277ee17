package cli

import (
	"fmt"
	"slices"

	"github.com/propusk/propusk/internal/cli/profile"
)

// pickProfile settles which profile is made or changed.
func (s *session) pickProfile(b *beginning) error {
	if s.newProfile != "" {
		s.sameServer(b)
		s.profileName = s.newProfile
		return nil
	}
	if len(s.profiles.Names()) == 0 {
		s.profileName = profile.Default
		return nil
	}
	for {
		others := slices.DeleteFunc(s.profiles.Names(), func(name string) bool { return name == s.profileName })
		choices := []string{fmt.Sprintf("Re-initialize this profile '%s' with new settings", s.profileName), "Create a new profile"}
		for _, name := range others {
			choices = append(choices, fmt.Sprintf("Switch to and re-initialize existing profile: '%s'", name))
		}
		if len(others) > 0 {
			choices = append(choices, "Delete a profile")
		}
		n, err := s.choose("Pick desired action:", choices)
		switch {
		case err != nil || n == 0:
			return err
		case n == 1:
			s.sameServer(b)
			return s.nameProfile()
		case n < len(choices)-1:
			return s.switchTo(others[n-2], b)
		}
		if err := s.deleteProfile(others); err != nil {
			return err
		}
	}
}

// sameServer has a new profile be of the server of the one in use.
func (s *session) sameServer(b *beginning) {
	if b.pages == "" {
		b.pages = s.pagesOfProfile()
	}
}

func (s *session) nameProfile() error {
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

// switchTo goes on with another profile, whose server is asked unless flags
// name one.
func (s *session) switchTo(name string, b *beginning) error {
	s.profileName = name
	flags := b.given()
	if !flags["endpoint"] {
		s.endpoint = ""
	}
	if !flags["ca-file"] {
		s.caFile = ""
	}
	return b.check()
}

func (s *session) deleteProfile(names []string) error {
	n, err := s.choose("Which profile is to be deleted?", append(slices.Clone(names), "None"))
	if err != nil || n == len(names) {
		return err
	}
	err = profile.Change(s.configPath, func(f *profile.File) error {
		if f.Current() == names[n] { // --profile names another
			if err := f.Activate(s.profileName); err != nil {
				return err
			}
		}
		return misused(f.Delete(names[n]))
	})
	if err != nil {
		return err
	}
	s.signIns().Drop(names[n])
	s.tokens().DropOf(names[n])
	s.say("Profile '%s' deleted", names[n])
	s.profiles, err = profile.Read(s.configPath)
	return err
}
