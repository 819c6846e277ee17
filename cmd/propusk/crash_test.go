package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/token"
)

var kills = flag.Int("kills", 0, "kill so many times, instead of for half a minute at most")

const (
	crashRounds = 50
	crashTime   = 25 * time.Second // enough rounds or enough time, whichever comes first
	fewRounds   = 5
	// restartLimit is for a database that a crash left behind. The promise is a
	// fraction of it; the machine runs other tests, and may stand still at times.
	restartLimit = 2 * time.Second
)

// A whole server is killed in the midst of work, many times. Whatever it said
// yes to is there afterwards, nothing is half there, no token was handed out
// without its audit line, and what was revoked stays revoked.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := t.TempDir()
	p := startDev(t, dir)
	c := &crash{
		dir: dir, folder: p.env(t)["FOLDER_ID"], key: readKey(t, dir, "d", "key.json"), admin: readKey(t, dir, "d", "admin-key.json"),
		accounts: made{}, keys: made{},
		names: map[string]bool{}, leaving: map[string]bool{}, seen: map[string]bool{},
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	more := func(began time.Time) bool {
		if *kills > 0 {
			return c.round < *kills
		}
		return c.round < crashRounds && (c.round < fewRounds || time.Since(began) < crashTime)
	}
	for began := time.Now(); more(began); {
		c.round++
		c.since, c.issued = time.Now(), nil
		c.work(t, p, time.Duration(random.IntN(400))*time.Millisecond)
		p = c.restart(t)
		c.check(t, p)
		if t.Failed() {
			t.Fatalf("in round %d", c.round)
		}
	}
	t.Logf("%d kills: %d tokens, %d revoked, %d accounts and %d keys made and unmade; slowest start to first token %s",
		c.round, c.tokens, len(c.revoked), len(c.accounts), len(c.keys), c.slowest)
	if c.slow*10 > c.round {
		t.Errorf("%d of %d starts took more than %s", c.slow, c.round, restartLimit)
	}
	if c.tokens < 5*c.round || len(c.accounts) < 2*c.round || len(c.keys) == 0 || len(c.revoked) < c.round/2 {
		t.Error("the clients hardly worked")
	}
}

// crash is what the clients were told, by which the server is judged.
type crash struct {
	dir, folder string
	key, admin  *keyfile.File
	round       int
	since       time.Time // the round's begin
	slowest     time.Duration
	slow        int // starts beyond restartLimit

	mu       sync.Mutex
	accounts made
	keys     made
	names    map[string]bool // of accounts that were asked for, with or without an answer
	leaving  map[string]bool // accounts and keys whose deletion was asked for
	seen     map[string]bool // keys whose audit line was found
	issued   []string        // token ids of this round
	tokens   int
	revoked  []string // tokens
}

// made is what was acknowledged: id to the state of its making and unmaking.
type made map[string]*thing

type thing struct {
	round          int
	created, ended string // operation ids, or "yes" where there is no operation; "" when not acknowledged
}

// work lets clients loose and kills the server under them.
func (c *crash) work(t *testing.T, p *process, after time.Duration) {
	t.Helper()
	token := mustExchange(t, p, c.admin)
	var clients sync.WaitGroup
	for n := range 2 {
		clients.Go(func() { c.exchanges(p) })
		clients.Go(func() { c.makesAccounts(p, token, n) })
	}
	clients.Go(func() { c.makesKeys(p, token) })
	clients.Go(func() { c.revokes(p) })
	time.Sleep(after)
	p.kill()
	clients.Wait()
}

// exchanges makes tokens until the server is gone.
func (c *crash) exchanges(p *process) {
	jwt, err := keyfile.SignJWT(c.key, keyfile.PublicAudience, time.Now(), time.Hour)
	for err == nil {
		var text string
		if text, err = p.exchangeJWT(jwt.Reveal()); err == nil {
			c.note(text)
			time.Sleep(time.Millisecond)
		}
	}
}

// note keeps the id of a token that was handed out.
func (c *crash) note(text string) {
	claims, err := token.ParseUnverified(text)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued = append(c.issued, claims.ID)
	c.tokens++
}

// told decodes an answer of 200.
func told(into any, method, address, token, body string) error {
	a, err := ask(method, address, token, body)
	if err != nil {
		return err
	}
	if a.code != 200 {
		return &refusal{a}
	}
	return json.Unmarshal(a.body, into)
}

type operationAnswer struct {
	ID       string
	Done     bool
	Metadata struct{ ServiceAccountID string }
	Error    any
}

func (c *crash) makesAccounts(p *process, token string, client int) {
	var mine []string
	for n := 0; ; n++ {
		name := fmt.Sprintf("r%d-c%d-n%d", c.round, client, n)
		c.locked(func() { c.names[name] = true })
		var op operationAnswer
		if told(&op, "POST", "http://"+p.http+"/iam/v1/serviceAccounts", token, `{"folderId":"`+c.folder+`","name":"`+name+`"}`) != nil {
			return
		}
		id := op.Metadata.ServiceAccountID
		c.locked(func() { c.accounts[id] = &thing{round: c.round, created: op.ID} })
		if mine = append(mine, id); n%3 != 1 {
			continue
		}
		id, mine = mine[0], mine[1:]
		c.locked(func() { c.leaving[id] = true })
		if told(&op, "DELETE", "http://"+p.http+"/iam/v1/serviceAccounts/"+id, token, "") != nil {
			return
		}
		c.locked(func() { c.accounts[id].round, c.accounts[id].ended = c.round, op.ID })
	}
}

func (c *crash) makesKeys(p *process, token string) {
	for n := 0; ; n++ {
		var made struct{ Key struct{ ID string } }
		if told(&made, "POST", "http://"+p.http+"/iam/v1/keys", token, `{"serviceAccountId":"`+c.key.ServiceAccountID+`"}`) != nil {
			return
		}
		id := made.Key.ID
		c.locked(func() { c.keys[id] = &thing{round: c.round, created: "yes"} })
		if n%2 == 0 {
			continue
		}
		c.locked(func() { c.leaving[id] = true })
		if told(&made, "DELETE", "http://"+p.http+"/iam/v1/keys/"+id, token, "") != nil {
			return
		}
		c.locked(func() { c.keys[id].ended = "yes" })
	}
}

func (c *crash) revokes(p *process) {
	for {
		text, err := p.exchange(c.key)
		if err != nil {
			return
		}
		c.note(text)
		var ignored struct{}
		if told(&ignored, "POST", "http://"+p.http+"/iam/v1/tokens:revoke", text, `{"iamToken":"`+text+`"}`) != nil {
			return
		}
		c.locked(func() { c.revoked = append(c.revoked, text) })
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *crash) locked(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
}

// restart starts the server on what the crash left, and times it.
func (c *crash) restart(t *testing.T) *process {
	t.Helper()
	began := time.Now()
	p := startDev(t, c.dir)
	mustExchange(t, p, c.key)
	took := time.Since(began)
	if c.slowest = max(c.slowest, took); took > restartLimit {
		c.slow++
		t.Logf("start to first token took %s in round %d", took, c.round)
	}
	return p
}
