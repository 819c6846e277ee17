package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
)

// process is a running server: this very program, in a process of its own.
type process struct {
	cmd           *exec.Cmd
	out, err      string // files with what it wrote
	http, grpc    string // host:port
	debug, access string
	ended         chan struct{}
	result        error // of Wait, once ended is closed
}

const (
	startLimit = 20 * time.Second // generous: the machine may be busy with other tests
	stopLimit  = 20 * time.Second
)

var serving = regexp.MustCompile(`msg=serving http=(\S+) grpc=(\S+) debug=(\S+) access=(\S+)`)

// startProcess runs `propusk args…` in a folder and returns when it serves.
// Its output goes to the files name.out and name.err there. Listeners that args
// do not place take free ports.
func startProcess(dir, name string, env []string, args ...string) (*process, error) {
	for _, flag := range []string{"--http-listen", "--grpc-listen", "--access-listen", "--debug-listen"} {
		if !slices.Contains(args, flag) {
			args = append(args, flag, "127.0.0.1:0")
		}
	}
	p := &process{cmd: exec.Command("propusk", args...), ended: make(chan struct{})}
	p.out, p.err = filepath.Join(dir, name+".out"), filepath.Join(dir, name+".err")
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	stdout, err := os.Create(p.out)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.err)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.result = p.cmd.Wait(); close(p.ended) }()
	return p, p.awaitServing()
}

func (p *process) awaitServing() error {
	for deadline := time.Now().Add(startLimit); ; {
		if m := serving.FindStringSubmatch(p.log()); m != nil {
			p.http, p.grpc, p.debug, p.access = m[1], m[2], m[3], m[4]
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended at its start: %v\n%s", p.result, p.log())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.kill()
			return fmt.Errorf("it does not serve after %s\n%s", startLimit, p.log())
		}
	}
}

func (p *process) log() string {
	text, _ := os.ReadFile(p.err)
	return string(text)
}

// kill ends the process as a power cut would, but for what the disk keeps.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// stop asks the process to end and fails when it does not end well.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		p.kill()
		return fmt.Errorf("it still ran %s after SIGTERM\n%s", stopLimit, p.log())
	}
	if p.result != nil {
		return fmt.Errorf("after SIGTERM: %w\n%s", p.result, p.log())
	}
	return nil
}

// answer is an HTTP answer.
type answer struct {
	code int
	body []byte
}

func (a *answer) String() string { return fmt.Sprintf("%d %s", a.code, a.body) }

var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// ask sends a request with an IAM token ("" for none) and a body of JSON ("" for none).
func ask(method, url, token, body string) (*answer, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return &answer{response.StatusCode, text}, err
}

// exchange turns a key file into an IAM token.
func (p *process) exchange(key *keyfile.File) (string, error) {
	jwt, err := keyfile.SignJWT(key, keyfile.PublicAudience, time.Now(), time.Hour)
	if err != nil {
		return "", err
	}
	return p.exchangeJWT(jwt.Reveal())
}

func (p *process) exchangeJWT(jwt string) (string, error) {
	a, err := ask("POST", "http://"+p.http+"/iam/v1/tokens", "", `{"jwt":"`+jwt+`"}`)
	if err != nil {
		return "", err
	}
	if a.code != 200 {
		return "", &refusal{a}
	}
	var got struct{ IAMToken string }
	return got.IAMToken, json.Unmarshal(a.body, &got)
}

// refusal is an answer that is not 200.
type refusal struct{ *answer }

func (r *refusal) Error() string { return r.String() }

// propusk runs the program to its end and returns what it printed.
func propusk(dir string, args ...string) ([]byte, error) { return run(dir, "propusk", args...) }

// run runs a program in a folder to its end; its error tells what it complained of.
func run(dir, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}
