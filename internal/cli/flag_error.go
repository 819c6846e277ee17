package cli

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// FlagError says what is wrong with a command's flags as people write them, with
// the flag that may have been meant. err is what f.Parse has returned. Of a flag
// that stands alone the value is not repeated: it may be a secret that was meant
// for standard input.
func FlagError(f *flag.FlagSet, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return unknownFlag(f, name)
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return fmt.Errorf("flag needs an argument: --%s", name)
	}
	if word, ok := strings.CutPrefix(text, "bad flag syntax: "); ok {
		word, _, _ = strings.Cut(word, "=")
		return fmt.Errorf("%q is no flag", word)
	}
	before, after, ok := strings.Cut(text, " for flag -")
	if !ok {
		if before, after, ok = strings.Cut(text, " for -"); !ok || !strings.HasPrefix(before, "invalid boolean value ") {
			return err
		}
	}
	name, why, _ := strings.Cut(after, ": ")
	v := f.Lookup(name)
	switch {
	case v == nil:
		return err
	case isBool(v):
		return fmt.Errorf("--%s: it stands alone, or is =true or =false", name)
	case why == "parse error" || why == "value out of range":
		what := "no whole number, or one that is too large"
		if kindOf(v) == "duration" {
			what = "no length of time such as 1h30m"
		}
		return fmt.Errorf("--%s: %s is %s", name, strings.TrimPrefix(before, "invalid value "), what)
	}
	return fmt.Errorf("--%s: %s", name, why)
}

// unknownFlag is worded as people know it [API fact: the command line tool].
func unknownFlag(f *flag.FlagSet, name string) error {
	var names []string
	f.VisitAll(func(v *flag.Flag) { names = append(names, v.Name) })
	if meant := nearest(name, names); meant != "" {
		return fmt.Errorf("unknown flag: --%s; did you mean --%s?", name, meant)
	}
	if f.Name() == "" {
		return fmt.Errorf("unknown flag: --%s", name)
	}
	return fmt.Errorf("unknown flag: --%s; `%s --help` lists those that there are", name, f.Name())
}

// nearest is the word that a person may have meant: the one that the fewest
// letters tell apart, at most a third of them and two; "" when none is near.
func nearest(typed string, words []string) string {
	meant, least := "", min(2, len(typed)/3)+1
	for _, word := range slices.Sorted(slices.Values(words)) {
		if d := distance(typed, word, least); d < least {
			meant, least = word, d
		}
	}
	return meant
}

// distance counts the letters that are put in, left out, changed, or swapped
// with their neighbour; from most on it does not matter.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row
		row = make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before = last
	}
	return row[len(b)]
}

// parsed is what parse returns, with its errors as people read them.
func parsed(f *flag.FlagSet, args []string) ([]string, error) {
	rest, err := parse(f, args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return rest, err
	}
	return nil, &Misuse{FlagError(f, err)}
}
