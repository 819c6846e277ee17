package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func (c *crash) check(t *testing.T, p *process) {
	t.Helper()
	token := mustExchange(t, p, c.admin)
	lines := c.audit(t)
	c.checkAccounts(t, p, token, lines)
	c.checkKeys(t, p, token, lines)
	for _, id := range c.issued {
		if !lines["CreateIamToken "+id] {
			t.Errorf("token %s was handed out without an audit line", id)
		}
	}
	for _, text := range c.revoked[max(0, len(c.revoked)-20):] {
		if a, err := ask("GET", "http://"+p.http+"/resource-manager/v1/clouds", text, ""); err != nil || a.code != 401 {
			t.Errorf("a revoked token: %v, %v", a, err)
		}
	}
	if _, err := propusk(c.dir, "audit", "verify", "--data", "d"); err != nil {
		t.Error(err)
	}
}

// audit is what the audit log tells of this round: "CreateKey <id>" and the like.
func (c *crash) audit(t *testing.T) map[string]bool {
	t.Helper()
	out, err := propusk(c.dir, "audit", "list", "--data", "d", "--since", c.since.Format(time.RFC3339Nano), "--limit", "10000")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for line := range bytes.Lines(out) {
		var e struct {
			Type     string            `json:"event_type"`
			Status   string            `json:"event_status"`
			Details  map[string]string `json:"details"`
			Resource struct {
				Path []struct {
					ID string `json:"resource_id"`
				}
			} `json:"resource_metadata"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if e.Status != "DONE" {
			continue
		}
		event := e.Type[strings.LastIndexByte(e.Type, '.')+1:]
		for _, detail := range e.Details {
			told[event+" "+detail] = true
		}
		if n := len(e.Resource.Path); n > 0 {
			told[event+" "+e.Resource.Path[n-1].ID] = true
		}
	}
	return told
}

func (c *crash) checkAccounts(t *testing.T, p *process, token string, lines map[string]bool) {
	t.Helper()
	there := c.list(t, p, token, "/iam/v1/serviceAccounts", "folderId", c.folder, "serviceAccounts")
	for id, a := range c.accounts {
		_, ok := there[id]
		switch {
		case !ok && !c.leaving[id]:
			t.Errorf("account %s was made and is gone", id)
		case ok && a.ended != "":
			t.Errorf("account %s was deleted and is there", id)
		}
		for _, op := range []string{a.created, a.ended} {
			if op != "" && a.round == c.round {
				c.checkOperation(t, p, token, op)
			}
		}
		if a.ended != "" && a.round == c.round && !lines["DeleteServiceAccount "+id] {
			t.Errorf("account %s was deleted without an audit line", id)
		}
	}
	for id, name := range there {
		if name == "dev-robot" || name == "dev-admin" {
			continue
		}
		if !c.names[name] {
			t.Errorf("account %s (%s) was never asked for", id, name)
		}
		if strings.HasPrefix(name, "r"+strconv.Itoa(c.round)+"-") {
			c.checkWhole(t, p, token, id, lines)
		}
	}
}

func (c *crash) checkOperation(t *testing.T, p *process, token, id string) {
	t.Helper()
	var op operationAnswer
	if err := told(&op, "GET", "http://"+p.http+"/operations/"+id, token, ""); err != nil || !op.Done || op.Error != nil {
		t.Errorf("operation %s: %+v, %v", id, op, err)
	}
}

// checkWhole checks that an account, acknowledged or not, is there with all
// that belongs to its making.
func (c *crash) checkWhole(t *testing.T, p *process, token, id string, lines map[string]bool) {
	t.Helper()
	var list struct{ Operations []operationAnswer }
	if err := told(&list, "GET", "http://"+p.http+"/iam/v1/serviceAccounts/"+id+"/operations", token, ""); err != nil || len(list.Operations) != 1 || !list.Operations[0].Done {
		t.Errorf("account %s has the operations %+v, %v", id, list, err)
	}
	if !lines["CreateServiceAccount "+id] {
		t.Errorf("account %s has no audit line", id)
	}
}

func (c *crash) checkKeys(t *testing.T, p *process, token string, lines map[string]bool) {
	t.Helper()
	there := c.list(t, p, token, "/iam/v1/keys", "serviceAccountId", c.key.ServiceAccountID, "keys")
	for id, k := range c.keys {
		_, ok := there[id]
		switch {
		case !ok && !c.leaving[id]:
			t.Errorf("key %s was made and is gone", id)
		case ok && k.ended != "":
			t.Errorf("key %s was deleted and is there", id)
		}
	}
	for id := range there {
		if id == c.key.ID || c.seen[id] {
			continue
		}
		if c.seen[id] = lines["CreateKey "+id]; !c.seen[id] {
			t.Errorf("key %s has no audit line", id)
		}
	}
}

// list reads all pages of a list: id to name.
func (c *crash) list(t *testing.T, p *process, token, path, field, value, items string) map[string]string {
	t.Helper()
	all, page := map[string]string{}, ""
	for {
		query := url.Values{field: {value}, "pageSize": {"1000"}, "pageToken": {page}}
		var answer map[string]json.RawMessage
		if err := told(&answer, "GET", "http://"+p.http+path+"?"+query.Encode(), token, ""); err != nil {
			t.Fatal(err)
		}
		var list []struct{ ID, Name string }
		if text, ok := answer[items]; ok {
			if err := json.Unmarshal(text, &list); err != nil {
				t.Fatal(err)
			}
		}
		for _, item := range list {
			all[item.ID] = item.Name
		}
		page = ""
		if text, ok := answer["nextPageToken"]; ok {
			_ = json.Unmarshal(text, &page)
		}
		if page == "" {
			return all
		}
	}
}
