package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// contestantCommand is the first argument that makes this program one
// contestant, in a process of its own, so that CPU and memory are its alone.
const contestantCommand = "contestant"

// opened is what a contestant says first: its answers, in the questions' order.
type opened struct{ Answers []bool }

// round is what it says to each window on its standard input.
type round struct {
	Checks int
	CPU    time.Duration // of the process, garbage collection included
	Wall   time.Duration
	Allocs uint64
	Memory int64 // resident bytes after the window, over those of the program before it had loaded anything
}

// contest is the contestant's side: it answers everything once, then measures
// windows for as long as its input names any.
func contest(ctx context.Context, name string, seed uint64, questions int, in io.Reader, out io.Writer) (err error) {
	c, err := contestantOf(name)
	if err != nil {
		return err
	}
	s := town
	s.questions = questions
	w := newWorld(seed, s)
	before, err := resident()
	if err != nil {
		return err
	}
	a, err := c.open(ctx, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	all, err := answers(a, questions)
	if err != nil {
		return err
	}
	say := json.NewEncoder(out)
	if err := say.Encode(opened{all}); err != nil {
		return err
	}
	next := 0
	for lines := bufio.NewScanner(in); lines.Scan(); {
		window, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		r, err := measure(a, next, questions, window)
		next += r.Checks
		if err != nil {
			return err
		}
		after, err := resident()
		if err != nil {
			return err
		}
		r.Memory = after - before
		if err := say.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// measure asks the questions in turn, from one on, until the window has passed.
func measure(a asker, first, questions int, window time.Duration) (round, error) {
	const between = 64 // looks at the clock
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := used(), time.Now()
	r := round{}
	for r.Wall < window {
		for range between {
			if _, err := a.ask((first + r.Checks) % questions); err != nil {
				return r, err
			}
			r.Checks++
		}
		r.Wall = time.Since(start)
	}
	r.CPU = used() - cpu
	runtime.ReadMemStats(&after)
	r.Allocs = after.Mallocs - before.Mallocs
	return r, nil
}

func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // not possible for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the bytes this process holds once its garbage is gone.
func resident() (int64, error) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return 0, fmt.Errorf("/proc/self/statm reads %q", text)
	}
	pages, err := strconv.ParseInt(words[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// process is a contestant seen from outside.
type process struct {
	of      *contestant
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	answers []bool
	rounds  []round
}

func start(ctx context.Context, c *contestant, seed uint64, questions int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{of: c}
	p.cmd = exec.CommandContext(ctx, self, contestantCommand, c.name, strconv.FormatUint(seed, 10), strconv.Itoa(questions))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	return p, p.cmd.Start()
}

// open waits until the contestant has answered all questions.
func (p *process) open() error {
	var o opened
	if err := p.out.Decode(&o); err != nil {
		return fmt.Errorf("%s: %w", p.of.name, err)
	}
	p.answers = o.Answers
	return nil
}

func (p *process) round(window time.Duration) error {
	if _, err := fmt.Fprintln(p.in, window); err != nil {
		return fmt.Errorf("%s: %w", p.of.name, err)
	}
	var r round
	if err := p.out.Decode(&r); err != nil {
		return fmt.Errorf("%s: %w", p.of.name, err)
	}
	p.rounds = append(p.rounds, r)
	return nil
}

// end lets the contestant go.
func (p *process) end() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }
