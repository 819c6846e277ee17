package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/propusk/propusk/internal/leak"
)

// git makes a command of the installed git that shows a repository as it is,
// and runs nothing that the repository's own settings name: no pager, no hook,
// no file system monitor, no helper of a transport, no checker of signatures.
func (s *Scanner) git(ctx context.Context, folder string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"--no-pager", "--no-optional-locks", "--no-replace-objects", "-C", folder,
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.quotePath=false", "-c", "core.commitGraph=false",
		"-c", "protocol.allow=never", "-c", "log.showSignature=false", "-c", "log.mailmap=false", "-c", "diff.external=", "-c", "color.ui=false",
	}, args...)...)
	for _, v := range s.Environ {
		// Those of the caller might point elsewhere; its own settings may be needed
		// to trust the folder.
		if !strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "GIT_CONFIG_GLOBAL=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=", "LC_ALL=C")
	return cmd
}

// scanHistory goes through every file, message of a commit and tag that a
// repository's refs lead to, each version of a file once. Paths are from the
// repository's top, as `git show COMMIT:PATH` takes them.
func (s *Scanner) scanHistory(ctx context.Context, folder string, ignore *ignored, emit func(*Finding) error) error {
	if out, err := s.git(ctx, folder, "rev-parse", "--git-dir").CombinedOutput(); err != nil {
		return misuse("--history: %s: %s", folder, gitSaid(out, err))
	}
	var held []*Finding // with the object's id in Commit, until the commit is known
	if err := s.objects(ctx, folder, ignore, func(e *Finding) error {
		held = append(held, e)
		return nil
	}); err != nil {
		return err
	}
	if err := s.nameCommits(ctx, folder, ignore, held); err != nil {
		return err
	}
	for _, e := range held {
		if e.excluded {
			continue
		}
		if err := emit(e); err != nil {
			return err
		}
	}
	return nil
}

// objects has git name every object and print it, and searches what comes.
func (s *Scanner) objects(ctx context.Context, folder string, ignore *ignored, emit func(*Finding) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := s.git(ctx, folder, "rev-list", "--objects", "--all", "--missing=print")
	show := s.git(ctx, folder, "cat-file", "--buffer", "--batch=%(objecttype) %(objectsize) %(objectname) %(rest)")
	between, into, err := os.Pipe()
	if err != nil {
		return err
	}
	list.Stdout, show.Stdin = into, between
	var listSaid, showSaid bytes.Buffer
	list.Stderr, show.Stderr = &limited{to: &listSaid}, &limited{to: &showSaid}
	out, err := show.StdoutPipe()
	if err == nil {
		err = list.Start()
	}
	if err == nil {
		if err = show.Start(); err != nil {
			cancel()
			_ = list.Wait()
		}
	}
	_, _ = into.Close(), between.Close() // they have their own
	if err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	err = s.eachObject(bufio.NewReaderSize(out, 64<<10), folder, ignore, emit)
	if err != nil {
		cancel()
	}
	showErr, listErr := show.Wait(), list.Wait()
	switch {
	case ctx.Err() != nil && err == nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, errCutShort):
		return err
	case listErr != nil:
		s.Trouble(folder, fmt.Errorf("git rev-list: %s", gitSaid(listSaid.Bytes(), listErr)))
	case showErr != nil:
		s.Trouble(folder, fmt.Errorf("git cat-file: %s", gitSaid(showSaid.Bytes(), showErr)))
	case err != nil:
		s.Trouble(folder, err)
	}
	return nil
}

var errCutShort = errors.New("git's history ends in the middle")

// eachObject reads what cat-file prints: a line of the object's type, size, id
// and a path that it has, its bytes, a line end.
func (s *Scanner) eachObject(r *bufio.Reader, folder string, ignore *ignored, emit func(*Finding) error) error {
	var scanner leak.Scanner
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return nil
		}
		if err != nil {
			return errCutShort
		}
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) == 2 && fields[1] == "missing" { // a path that ends so has its object's fields before it
			s.Trouble(folder, fmt.Errorf("object %s is not here", strings.TrimPrefix(fields[0], "?")))
			continue
		}
		if len(fields) != 4 {
			return errCutShort
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return errCutShort
		}
		if err := s.object(&scanner, io.LimitReader(r, size), size, folder, fields[0], fields[2], fields[3], ignore, emit); err != nil {
			return err
		}
		if c, err := r.ReadByte(); err != nil || c != '\n' {
			return errCutShort
		}
	}
}

// object searches one object, and reads it to its end.
func (s *Scanner) object(scanner *leak.Scanner, r io.Reader, size int64, folder, kind, id, path string, ignore *ignored, emit func(*Finding) error) error {
	excluded := false
	switch kind {
	case "blob":
		if s.MaxSize > 0 && size > int64(s.MaxSize) {
			kind = ""
		}
		excluded = ignore.skipsBelow(path) // under this path; it may have others
		if path == "" {                    // a tag of a file
			path = "(no path)"
		}
	case "commit":
		path = "(commit message)"
	case "tag":
		path = "(tag message)"
	default: // trees hold names
		kind = ""
	}
	if kind == "" {
		if n, err := io.Copy(io.Discard, r); err != nil || n != size {
			return errCutShort
		}
		return nil
	}
	found := s.search(scanner, r, path, ignore)
	if found.bytes != size {
		return errCutShort
	}
	return s.take(found, func(e *Finding) error {
		e.Commit, e.excluded = id, excluded
		return emit(e)
	})
}

// nameCommits puts the first commit, and the path there, in the place of the
// version of a file that was searched. Paths that are skipped do not count: what
// has no other stays excluded.
func (s *Scanner) nameCommits(ctx context.Context, folder string, ignore *ignored, held []*Finding) error {
	of := map[string][]*Finding{}
	for _, e := range held {
		if !strings.HasSuffix(e.Path, " message)") {
			of[e.Commit] = append(of[e.Commit], e)
		}
	}
	if len(of) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := s.git(ctx, folder, "log", "--all", "--reverse", "--topo-order", "--format=%H", "--raw", "--no-abbrev", "--no-renames",
		"--no-ext-diff", "--no-textconv", "--no-show-signature", "-r", "-m", "--root")
	var said bytes.Buffer
	log.Stderr = &limited{to: &said}
	out, err := log.StdoutPipe()
	if err == nil {
		err = log.Start()
	}
	if err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	lines := bufio.NewReaderSize(out, 64<<10)
	commit := ""
	for len(of) > 0 {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, ":") {
			if line != "" {
				commit = line
			}
			continue
		}
		what, path, _ := strings.Cut(line, "\t")
		fields := strings.Fields(what) // :mode mode old new status
		if len(fields) < 5 {
			continue
		}
		if of[fields[3]] == nil {
			continue
		}
		if path = unquoted(path); ignore.skipsBelow(path) {
			continue
		}
		for _, e := range of[fields[3]] {
			e.Commit, e.Path, e.excluded = commit, path, false
		}
		delete(of, fields[3])
	}
	found := len(of) == 0
	if found {
		cancel()
	}
	if err := log.Wait(); err != nil && !found {
		s.Trouble(folder, fmt.Errorf("git log: %s", gitSaid(said.Bytes(), err)))
	}
	for _, left := range of { // tagged, and in no commit
		for _, e := range left {
			e.Path += " (object " + e.Commit + ")"
			e.Commit = ""
		}
	}
	return nil
}

// unquoted is a path as it is: git puts one with special characters in quotes,
// escaped as in C.
func unquoted(path string) string {
	if strings.HasPrefix(path, `"`) {
		if plain, err := strconv.Unquote(path); err == nil {
			return plain
		}
	}
	return path
}

// limited keeps the beginning of what git complains of.
type limited struct{ to *bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := 2048 - l.to.Len(); room > 0 {
		l.to.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}

func gitSaid(text []byte, err error) string {
	if text = bytes.TrimSpace(text); len(text) > 0 {
		return string(text)
	}
	return err.Error()
}
