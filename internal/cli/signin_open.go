package cli

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// invite shows the person where to sign in, and opens his browser there unless
// he does not want that.
func (i *issuer) invite(link string) {
	fmt.Fprintf(i.s.env.Stderr, "Please go to %s in order to sign in.\n", link)
	if i.s.noBrowser {
		return
	}
	for _, words := range browsers(i.s.env.variable("BROWSER"), runtime.GOOS, link) {
		c := exec.Command(words[0], words[1:]...)
		c.Env = withoutCredentials(i.s.env.Environ)
		apart(c) // Ctrl-C here does not end it
		if c.Start() != nil {
			continue
		}
		go func() {
			if err := c.Wait(); err != nil {
				i.s.tell("the browser ended with %v: open the link yourself", err)
			}
		}()
		return
	}
	i.s.tell("no browser could be opened: open the link yourself")
}

// browsers are the commands to try: those of $BROWSER, a list with %s for the
// link, or else the system's own.
func browsers(chosen, system, link string) [][]string {
	var out [][]string
	for _, command := range strings.Split(chosen, string(os.PathListSeparator)) {
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, "%s") }) {
			words = append(words, "%s")
		}
		for n := range words {
			words[n] = strings.ReplaceAll(words[n], "%s", link)
		}
		out = append(out, words)
	}
	switch {
	case out != nil:
		return out
	case system == "darwin":
		return [][]string{{"open", link}}
	case system == "windows":
		return [][]string{{"rundll32", "url.dll,FileProtocolHandler", link}}
	}
	return [][]string{{"xdg-open", link}}
}

// withoutCredentials is the environment without what a browser need not know.
func withoutCredentials(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{envToken, envKeyFile, envAnyToken}, name)
	})
}
