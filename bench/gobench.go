package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// measured is what each run of one benchmark said, by unit.
type measured map[string][]float64

// least and most are 0 for a unit that no run named.
func (m measured) least(unit string) float64 {
	if len(m[unit]) == 0 {
		return 0
	}
	return slices.Min(m[unit])
}

func (m measured) most(unit string) float64 {
	if len(m[unit]) == 0 {
		return 0
	}
	return slices.Max(m[unit])
}

// goBench runs benchmarks of a package of this module so many times.
func goBench(ctx context.Context, pkg, pattern, at string, count int) (map[string]measured, error) {
	out, err := output(ctx, ".", "go", "test", "-run", "^$", "-bench", pattern, "-benchmem", "-benchtime", at, "-count", strconv.Itoa(count), pkg)
	if err != nil {
		return nil, err
	}
	return parseBench(out)
}

// parseBench reads the lines of results: the name with the number of processors
// after it, how often it ran, and pairs of a value and its unit.
func parseBench(text string) (map[string]measured, error) {
	all := map[string]measured{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 || len(words)%2 != 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := words[0]
		if at := strings.LastIndexByte(name, '-'); at > 0 {
			if _, err := strconv.Atoi(name[at+1:]); err == nil {
				name = name[:at]
			}
		}
		m := all[name]
		if m == nil {
			m = measured{}
			all[name] = m
		}
		for i := 2; i < len(words); i += 2 {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
			}
			m[words[i+1]] = append(m[words[i+1]], v)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no benchmark was run:\n%s", text)
	}
	return all, nil
}

// output is what a program prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, complaints bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", cmd, err, out.Bytes(), complaints.Bytes())
	}
	return out.String(), nil
}

// openfga puts one world to OpenFGA and to our checker.
func (p *plan) openfga(ctx context.Context, t *table, _ *installation) error {
	const dir = "bench/openfga"
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	args := []string{"run", "."}
	if p.short {
		args = append(args, "--short")
	}
	say("OpenFGA beside our checker")
	text, err := output(ctx, dir, "go", args...)
	if err == nil {
		t.after = append(t.after, "OpenFGA and Propusk's checker: "+text)
	}
	return err
}
