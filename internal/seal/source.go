package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	commandTime = 30 * time.Second
	// commandRest is how long after its end a program's output may stay open, as
	// one that it has left behind may keep it.
	commandRest = time.Second
)

// Load makes a box from where the operator keeps the master keys:
//
//	file:PATH         a file that no one but its owner and group may read
//	env:NAME          an environment variable
//	command:PROG ARG… the standard output of a program (no shell, 30 s)
//
// each in the form that ParseMasterKeys reads.
func Load(ctx context.Context, source string) (*Box, error) {
	keys, err := readSource(ctx, source)
	if err != nil {
		return nil, err
	}
	b := &Box{source: source}
	if err := b.take(keys); err != nil {
		return nil, err
	}
	return b, nil
}

// Fresh makes a box of what the source says now and nothing else, as a program
// that starts now would have it. A box without a source is its own.
func (b *Box) Fresh(ctx context.Context) (*Box, error) {
	if b.source == "" {
		return b, nil
	}
	return Load(ctx, b.source)
}

// take takes up what was read, once it is sure to be there after a power cut
// when something is about to be sealed under it.
func (b *Box) take(list []MasterKey) error {
	before := b.keys.Load()
	if path := b.File(); path != "" && (before == nil || before.ids[0] != list[0].ID) {
		if err := settle(path); err != nil {
			return fmt.Errorf("master keys: %w", err)
		}
	}
	return b.replace(list)
}

// Reload reads the master keys again from where Load found them: from now on
// the first one seals. Keys that are gone from there go on opening until the
// program ends. When it fails the box stays as it was.
func (b *Box) Reload(ctx context.Context) error {
	if b.source == "" {
		return nil
	}
	b.reading.Lock()
	defer b.reading.Unlock()
	keys, err := readSource(ctx, b.source)
	if err != nil {
		return err
	}
	return b.take(keys)
}

const (
	rereadEvery = time.Second
	// rereadWait bounds how long a call waits for the source; it comes again.
	rereadWait = 250 * time.Millisecond
)

// key finds a master key, if need be by reading the source again.
func (b *Box) key(id string) (heldKey, error) {
	if k, ok := b.keys.Load().held[id]; ok {
		return k, nil
	}
	err := fmt.Errorf("%w: %q", ErrUnknownKey, id)
	if b.source == "" || !b.resting.CompareAndSwap(false, true) {
		return heldKey{}, err
	}
	done := make(chan error, 1)
	go func() {
		done <- b.Reload(context.Background()) // a program's time is bounded
		time.AfterFunc(rereadEvery, func() { b.resting.Store(false) })
	}()
	wait := time.NewTimer(rereadWait)
	defer wait.Stop()
	select {
	case failed := <-done:
		if failed != nil {
			return heldKey{}, fmt.Errorf("%w; read again: %w", err, failed)
		}
	case <-wait.C:
	}
	if k, ok := b.keys.Load().held[id]; ok {
		return k, nil
	}
	return heldKey{}, err
}

// File is the file that the master keys come from; "" when they come from
// elsewhere.
func (b *Box) File() string {
	path, _ := strings.CutPrefix(b.source, "file:")
	if path == b.source {
		return ""
	}
	return path
}

func readSource(ctx context.Context, source string) ([]MasterKey, error) {
	kind, rest, _ := strings.Cut(source, ":")
	var text []byte
	var err error
	switch kind {
	case "file":
		text, err = readFile(rest)
	case "env":
		value, ok := os.LookupEnv(rest)
		if !ok {
			err = fmt.Errorf("%s is not set", rest)
		}
		text = []byte(value)
	case "command":
		text, err = runCommand(ctx, rest)
	default:
		err = fmt.Errorf("want file:PATH, env:NAME or command:PROGRAM, not %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("master keys: %w", err)
	}
	defer clear(text)
	return ParseMasterKeys(text)
}

func runCommand(ctx context.Context, line string) ([]byte, error) {
	args := strings.Fields(line)
	if len(args) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.WaitDelay = &stdout, commandRest
	// What it says on stderr goes nowhere: it might quote a key.
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}
