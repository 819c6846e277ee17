package main

import (
	"fmt"
	"strings"

	"github.com/propusk/propusk/internal/cli"
)

// offer completes the first word of a command line among the operator's own
// commands; the client's tree completes the rest.
func (p *program) offer(words []string) {
	if len(words) != 1 {
		return
	}
	for _, c := range commands {
		if strings.HasPrefix(c.name, words[0]) && !cli.HasWord(c.name) {
			fmt.Fprintf(p.stdout, "%s\t%s\n", c.name, c.summary)
		}
	}
}
