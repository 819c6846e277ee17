//go:build unix

// Package compat_test runs real clients, each in a folder of its own, against a
// real server: the programs that make JWTs as the documentation shows, curl, the
// SDKs, and the signers of AWS's SDKs. README.md says what stands where.
package compat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// buildLimit is generous: the first build of an SDK compiles or downloads all of it.
	buildLimit = 10 * time.Minute
	runLimit   = 3 * time.Minute

	// tokenLife is how long an IAM token made from a JWT lives, and lifeSlack how
	// far the clocks and the exchange itself may move it.
	tokenLife = 43200 * time.Second
	lifeSlack = 5 * time.Second
)

// iamToken is the shape that secret scanners look for.
var iamToken = regexp.MustCompile(`^t1\.[A-Za-z0-9_-]{200,}\.[A-Za-z0-9_-]{86}$`)

// curlForms are the ways in which curl/exchange sends a JWT.
var curlForms = []string{"json", "data", "form", "Application", "none", "tls"}

func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: compat starts a server and runs every client against it")
	}
	suite := &suite{
		server: startServer(t),
		strict: os.Getenv("CI") == "true" || os.Getenv("PROPUSK_TEST_REQUIRE") == "all",
		slots:  make(chan struct{}, 2),
	}
	for _, client := range folders(t, "sdk") {
		suite.run(t, client, suite.testSDK)
	}
	for _, client := range folders(t, "jwt") {
		suite.run(t, client, suite.testMinter)
	}
	for _, client := range folders(t, "sigv4") {
		suite.run(t, client, suite.testSigner)
	}
	for _, client := range folders(t, "sts") {
		suite.run(t, client, suite.testSTS)
	}
	metadata := startMetadata(t, suite.server)
	for _, client := range folders(t, "metadata") {
		suite.run(t, client, func(t *testing.T, client string) { suite.testMetadata(t, client, metadata) })
	}
	for _, client := range folders(t, "function") {
		suite.run(t, client, suite.testFunction)
	}
	suite.run(t, "metadata/sources", func(t *testing.T, _ string) { suite.testSources(t, metadata) })
	suite.run(t, "netns/metadata", suite.testLinkLocal)
	for _, client := range folders(t, "s3") {
		suite.run(t, client, suite.testS3)
	}
	for _, client := range folders(t, "idtoken") {
		suite.run(t, client, suite.testRelyingParty)
	}
	for client, all := range relyingParties(t) {
		for _, as := range all {
			suite.run(t, client+"/"+as.name, func(t *testing.T, _ string) { suite.testSignIn(t, client, as) })
		}
	}
	suite.run(t, "registry", suite.testRegistry)
	suite.run(t, "kubernetes/cluster", suite.testKubernetes)
	suite.run(t, "git", suite.testGit)
	suite.run(t, "curl/oauth", func(t *testing.T, _ string) {
		suite.build(t, "curl")
		suite.exchange(t, suite.server.env["OAUTH_TOKEN"], "oauth")
	})
	suite.run(t, "curl/tokenexchange", func(t *testing.T, _ string) { suite.testTokenExchange(t) })
	suite.run(t, "curl/device", func(t *testing.T, _ string) { suite.testDevice(t) })
	for _, form := range curlForms {
		suite.run(t, "curl/"+form, func(t *testing.T, _ string) { suite.testCurl(t, form) })
	}
}

type suite struct {
	server *server
	strict bool          // a client that cannot run is a failure, not a skip
	slots  chan struct{} // clients at work at the same time
}

func (s *suite) run(t *testing.T, name string, test func(*testing.T, string)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
		test(t, name)
	})
}

// testMinter makes a JWT with a client and exchanges it.
func (s *suite) testMinter(t *testing.T, client string) {
	s.build(t, client)
	s.build(t, "curl")
	s.exchange(t, s.mint(t, client), "json")
}

// testCurl exchanges a JWT in one of the forms that curl's users send.
func (s *suite) testCurl(t *testing.T, form string) {
	const minter = "jwt/openssl"
	s.build(t, minter)
	s.build(t, "curl")
	s.exchange(t, s.mint(t, minter), form)
}

// testSDK has an SDK take a service account through its life. The program itself
// checks what it gets; here only its verdict counts.
func (s *suite) testSDK(t *testing.T, client string) {
	s.build(t, client)
	name := fmt.Sprintf("compat-%s-%d", filepath.Base(client), time.Now().UnixNano())
	out, err := s.execute(t, client, "./run", "", "ACCOUNT_NAME="+name)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
}

func (s *suite) mint(t *testing.T, client string) string {
	t.Helper()
	out, err := s.execute(t, client, "./run", "")
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
	jwt := strings.TrimSpace(out.stdout.String())
	if strings.Count(jwt, ".") != 2 || strings.ContainsAny(jwt, " \n") {
		t.Fatalf("%s printed %q, want one JWT", client, jwt)
	}
	return jwt
}

// exchange turns a JWT, or an OAuth token, into an IAM token with curl and lists
// clouds with it.
func (s *suite) exchange(t *testing.T, proof, form string) {
	t.Helper()
	var issued struct {
		IAMToken  string    `json:"iamToken"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	before := time.Now()
	s.curl(t, &issued, "exchange", proof, form)
	if !iamToken.MatchString(issued.IAMToken) {
		t.Fatalf("iamToken does not match %s: %d characters", iamToken, len(issued.IAMToken))
	}
	if life := issued.ExpiresAt.Sub(before); life < tokenLife-lifeSlack || life > tokenLife+lifeSlack {
		t.Fatalf("expiresAt is %s away, want %s", life, tokenLife)
	}
	var listed struct {
		Clouds []struct{ ID string }
	}
	s.curl(t, &listed, "clouds", issued.IAMToken)
	for _, cloud := range listed.Clouds {
		if cloud.ID == s.server.env["CLOUD_ID"] {
			return
		}
	}
	t.Fatalf("clouds are %v, want %s among them", listed.Clouds, s.server.env["CLOUD_ID"])
}

// curl runs a script of the curl folder, demands status 200 and decodes the body.
func (s *suite) curl(t *testing.T, into any, script, stdin string, args ...string) {
	t.Helper()
	out, err := s.execute(t, "curl", "./"+script, stdin, args...)
	if err != nil {
		t.Fatalf("curl/%s: %v\n%s", script, err, out.all())
	}
	answer := strings.TrimSuffix(out.stdout.String(), "\n")
	cut := strings.LastIndexByte(answer, '\n')
	body, status := answer[:max(cut, 0)], answer[cut+1:]
	if status != "200" {
		t.Fatalf("curl/%s: status %s, body %s", script, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("curl/%s: %v in body %s", script, err, body)
	}
}

// build makes a client ready, or ends the test if the machine lacks what it needs.
func (s *suite) build(t *testing.T, client string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	var out output
	err := out.run(command(ctx, ".", "./build.sh", client))
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() == 3 && !s.strict:
		t.Skipf("%s needs %s; scripts/setup-tests.sh installs it", client, strings.TrimSpace(out.stdout.String()))
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		t.Fatalf("%s needs %s, and every client must run here", client, strings.TrimSpace(out.stdout.String()))
	default:
		t.Fatalf("build %s: %v\n%s", client, err, out.all())
	}
}

// execute runs a program of a client's folder with the server's particulars in
// its environment. Arguments of the form NAME=value go there too.
func (s *suite) execute(t *testing.T, client, program, stdin string, args ...string) (*output, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := command(ctx, client, program)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), s.server.environment()...)
	cmd.Env = append(cmd.Env, "CACHE="+filepath.Join(cacheRoot(t), client))
	for _, arg := range args {
		if strings.Contains(arg, "=") {
			cmd.Env = append(cmd.Env, arg)
		} else {
			cmd.Args = append(cmd.Args, arg)
		}
	}
	out := new(output)
	return out, out.run(cmd)
}

// running is a program that has been started.
type running struct {
	stdout io.Reader
	stderr *strings.Builder
	wait   func() error
}

// start is execute for a program that is talked to while it runs. It ends with
// the test.
func (s *suite) start(t *testing.T, client string, environment []string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	t.Cleanup(cancel)
	cmd := command(ctx, client, "./run")
	cmd.Env = append(append(os.Environ(), s.server.environment()...), "CACHE="+filepath.Join(cacheRoot(t), client))
	cmd.Env = append(cmd.Env, environment...)
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := sync.OnceValue(cmd.Wait)
	t.Cleanup(func() { cancel(); _ = wait() })
	return &running{stdout: stdout, stderr: stderr, wait: wait}
}

// output is what a program printed.
type output struct{ stdout, stderr strings.Builder }

func (o *output) run(cmd *exec.Cmd) error {
	cmd.Stdout, cmd.Stderr = &o.stdout, &o.stderr
	return cmd.Run()
}

func (o *output) all() string { return o.stderr.String() + o.stdout.String() }

// command is a program that goes together with everything it has started once
// ctx is done.
func command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// folders lists the clients of one sort, as "sort/name".
func folders(t *testing.T, sort string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(sort, "*", "run"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no clients in %s: %v", sort, err)
	}
	for i, script := range found {
		found[i] = filepath.Dir(script)
	}
	return found
}

// cacheRoot is where build.sh keeps what it downloads and makes.
func cacheRoot(t *testing.T) string {
	t.Helper()
	if root := os.Getenv("PROPUSK_COMPAT_CACHE"); root != "" {
		return root
	}
	root, err := filepath.Abs(".cache")
	if err != nil {
		t.Fatal(err)
	}
	return root
}
