package cli

import (
	"flag"
	"strings"
)

// yesFlag declares --yes and -y.
func yesFlag(f *flag.FlagSet) *bool {
	yes := f.Bool("yes", false, "do not ask")
	f.BoolVar(yes, "y", false, "the same as --yes")
	return yes
}

// agree warns of what is going to happen, and asks whether to go on where
// somebody sits at the keyboard: a script that waits for no question goes on.
func (s *session) agree(yes bool, what string) error {
	s.tell("%s", what)
	if yes || !s.attended() {
		return nil
	}
	return s.sure("Continue? [y/N] ")
}

// sure asks, wherever the answer comes from.
func (s *session) sure(question string) error {
	answer, err := s.ask(question)
	if err != nil {
		return err
	}
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return misuse("nothing was done")
	}
	return nil
}

// attended tells whether a person can answer: only on a terminal can typing be
// hidden.
func (s *session) attended() bool {
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
