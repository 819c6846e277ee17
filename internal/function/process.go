package function

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/propusk/propusk/internal/resource"
)

const (
	// notice is what an idle process gets between SIGTERM and SIGKILL [API fact].
	notice = 50 * time.Millisecond
	// lastWords is how long what an ended process wrote is read, should a process
	// that it left behind hold its pipes open.
	lastWords = 100 * time.Millisecond
)

// process is one process of a handler, with those that it starts.
type process struct {
	cmd    *exec.Cmd
	mark   string        // a variable that it hands on to what it starts
	log    *os.File      // what it prints is read here
	logged chan struct{} // closed when all of that is written
	ended  chan struct{} // closed when it has ended
}

// spawn starts a process whose standard error is the function's log, and whose
// standard output is too unless stdout is given. extra are its descriptors from 3
// on. The ends that it gets are closed here, whatever comes of it.
func (r *Runner) spawn(argv, env []string, stdin, stdout *os.File, extra ...*os.File) (*process, error) {
	given := append([]*os.File{stdin, stdout}, extra...)
	defer func() {
		for _, f := range given {
			if f != nil {
				_ = f.Close()
			}
		}
	}()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, broken(err)
	}
	defer write.Close()
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), mark: envProcess + "=" + resource.NewUUID(), log: read, logged: make(chan struct{}), ended: make(chan struct{})}
	env = append(env, p.mark)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr, p.cmd.Stdout, p.cmd.ExtraFiles = r.f.Handler.Root, env, write, write, extra
	if stdin != nil { // a nil *os.File in an interface is no nil
		p.cmd.Stdin = stdin
	}
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	inGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		_ = read.Close()
		return nil, broken(err)
	}
	go func() {
		to := r.f.Log.printer()
		_, _ = io.Copy(to, read)
		to.flush()
		_ = read.Close()
		close(p.logged)
	}()
	go func() {
		_ = p.cmd.Wait()
		killGroup(p.cmd.Process.Pid) // what it has left behind, while nobody else can have the number
		killMarked(p.mark)           // and what has left the group
		close(p.ended)
		_ = read.SetReadDeadline(time.Now().Add(lastWords))
	}()
	return p, nil
}

func broken(err error) *Failure {
	return &Failure{Status: 502, Own: true, Type: "RuntimeError", Message: "the handler's process does not start: " + err.Error()}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process and its group at once and waits for what it printed.
func (p *process) kill() {
	if p.alive() {
		killGroup(p.cmd.Process.Pid)
	}
	<-p.ended
	<-p.logged
}

// end gives the process notice first.
func (p *process) end() {
	if p.alive() {
		askGroup(p.cmd.Process.Pid)
		select {
		case <-p.ended:
		case <-time.After(notice):
		}
	}
	p.kill()
}

// outcome is how an ended process ended, for its caller.
func (p *process) outcome() *Failure {
	return &Failure{Status: 502, Own: true, Type: "RuntimeExit", Message: fmt.Sprintf("the handler's process has ended: %v", p.cmd.ProcessState)}
}
