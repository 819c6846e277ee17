package cli

import (
	"flag"
	"io"
	"strings"
)

// flagAhead tells how many words the flag at the start of args takes, which
// stands before the name of its command. It is one of every command, or one of
// a command below this word [API fact: `group --name=… list-members`].
func (n *node) flagAhead(args []string) (int, error) {
	taken, err := globalFlag(args)
	if err == nil {
		return taken, nil
	}
	name, _, whole := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	known, switches := n.flagBelow(name)
	switch {
	case !known:
		return 0, err
	case whole, switches:
		return 1, nil
	case len(args) < 2:
		return 0, misuse("flag needs an argument: --%s", name)
	}
	return 2, nil
}

// flagBelow tells whether a command below has a flag of this name, and whether
// it takes no word with any of them.
func (n *node) flagBelow(name string) (known, switches bool) {
	if n.run == nil {
		switches = true
		for i := range n.below {
			k, s := n.below[i].flagBelow(name)
			known, switches = known || k, switches && s
		}
		return known, switches
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	n.run.flags(f)
	if n.run.changes {
		f.Bool("async", false, asyncUsage)
	}
	v := f.Lookup(name)
	return v != nil, v == nil || isBool(v)
}

// versionAhead makes a command of what people ask programs of every kind.
func versionAhead(args []string) []string {
	if len(args) > 0 && (args[0] == "--version" || args[0] == "-v") {
		return append([]string{"version"}, args[1:]...)
	}
	return args
}
