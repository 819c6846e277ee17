package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/sqlite"
)

// installation is a data folder of Propusk with service accounts, each with one
// authorized key, and a JWT of each key.
type installation struct {
	binary  string
	data    string
	signers []signer
	jwts    []string
	profile bool   // serve with profiles on the debug listener
	caller  string // id of the account that may ask AccessService; "": nobody
}

// install bootstraps a data folder as an operator does and plants accounts.
func install(ctx context.Context, binary, data string, accounts int, keys []*weakKey) (*installation, error) {
	out, err := exec.CommandContext(ctx, binary, "bootstrap", "--data", data, "--organization", "bench",
		"--key-file", data+".key.json").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("propusk bootstrap: %w\n%s", err, out)
	}
	folder := ""
	for line := range strings.Lines(string(out)) {
		if name, id, _ := strings.Cut(strings.TrimSpace(line), " "); name == "folder" {
			folder = strings.TrimSpace(id)
		}
	}
	if folder == "" {
		return nil, fmt.Errorf("propusk bootstrap names no folder:\n%s", out)
	}
	i := &installation{binary: binary, data: data}
	for n := range accounts {
		i.signers = append(i.signers, signer{
			keyID: resource.NewID(resource.PrefixIAM), accountID: resource.NewIDFor(resource.ServiceAccount), key: keys[n%len(keys)]})
	}
	if err := i.plant(ctx, folder, keys); err != nil {
		return nil, err
	}
	i.jwts = signAll(i.signers, time.Now())
	return i, nil
}

// plantBatch is how many accounts one transaction makes.
const plantBatch = 1000

// plant writes the rows straight into the store, which no server has open.
func (i *installation) plant(ctx context.Context, folder string, keys []*weakKey) (err error) {
	pems := make([]string, len(keys))
	for n, k := range keys {
		if pems[n], err = keyfile.PublicKeyText(&k.public); err != nil {
			return err
		}
	}
	engine, err := sqlite.Open(i.data)
	if err != nil {
		return err
	}
	db := store.New(engine, store.Options{})
	defer func() { err = errors.Join(err, db.Close()) }()
	for from := 0; from < len(i.signers); from += plantBatch {
		to := min(from+plantBatch, len(i.signers))
		err := db.Update(ctx, func(tx *store.Tx) error {
			for n := from; n < to; n++ {
				if err := plantOne(tx, &i.signers[n], folder, "bench-"+strconv.Itoa(n), pems[n%len(keys)]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("plant accounts: %w", err)
		}
	}
	return nil
}

func plantOne(tx *store.Tx, s *signer, folder, name, pem string) error {
	err := store.InsertServiceAccount(tx, &iam.ServiceAccount{
		ID: s.accountID, FolderID: folder, Name: name, Status: iam.ServiceAccountActive, CreatedAt: tx.Now()})
	if err != nil {
		return err
	}
	return store.InsertKey(tx, &iam.Key{
		ID: s.keyID, ServiceAccountID: s.accountID, Algorithm: iam.RSA2048, PublicKey: pem, CreatedAt: tx.Now()})
}

// running is a server that answers.
type running struct {
	*process
	rest, grpc door
	calls      string        // address where gRPC is spoken
	access     string        // address of AccessService; "" for the bare server
	debug      string        // address of its debug listener
	first      time.Duration // from exec to the first token
}

// serve starts Propusk as a service would be: default settings, but for the
// addresses. It returns when a token has been had over REST.
func (i *installation) serve(ctx context.Context) (*running, error) {
	at, err := freeAddresses(4)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", i.data, "--http-listen", at[0], "--grpc-listen", at[1], "--debug-listen", at[2], "--access-listen", at[3]}
	if i.caller != "" {
		args = append(args, "--access-callers", "name=bench service-account="+i.caller+" types=ydb.database|storage.bucket")
	}
	if i.profile {
		args = append(args, "--pprof")
	}
	return await(ctx, at, i.jwts, i.binary, args...)
}

// serveBare starts the bare server with an installation's keys.
func (i *installation) serveBare(ctx context.Context) (*running, error) {
	at, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	pems := map[string]string{}
	for _, s := range i.signers {
		if pems[s.keyID], err = keyfile.PublicKeyText(&s.key.public); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(pems)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(filepath.Dir(i.data), "bare-keys.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return await(ctx, at, i.jwts, self, bareCommand, file, at[0], at[1], at[2])
}

// startTime bounds the wait for a server's first token.
const startTime = 30 * time.Second

func await(ctx context.Context, at, jwts []string, path string, args ...string) (*running, error) {
	r := &running{rest: restDoor(at[0], jwts), grpc: grpcDoor(at[1], jwts), calls: at[1], debug: at[2]}
	if len(at) > 3 {
		r.access = at[3]
	}
	began := time.Now()
	var err error
	if r.process, err = start(ctx, path, args...); err != nil {
		return nil, err
	}
	for {
		c, err := r.rest.dial()
		if err == nil {
			err = c.exchange(ctx, 0)
			c.close()
		}
		switch {
		case err == nil:
			r.first = time.Since(began)
			return r, nil
		case r.ended() || ctx.Err() != nil || time.Since(began) > startTime:
			r.stop()
			return nil, fmt.Errorf("the server gives no token: %w; it was started as: %s", err, r.process)
		}
		time.Sleep(time.Millisecond)
	}
}

// counter reads a metric without labels from the debug listener.
func (r *running) counter(ctx context.Context, name string) (float64, error) {
	text, err := r.get(ctx, "/metrics", answerTime)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

func (r *running) get(ctx context.Context, path string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.debug+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return text, err
}
