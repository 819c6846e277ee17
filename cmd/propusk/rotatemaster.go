package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/server"
)

func rotateMaster(ctx context.Context, p *program, cfg *server.Config, log *slog.Logger, r server.RotateMasterRequest) error {
	got, err := server.Operate(ctx, *cfg, log, server.PathRotateMaster, (*server.Server).RotateMaster, r)
	if err != nil {
		return err
	}
	if got.Added != "" {
		fmt.Fprintf(p.stdout, "master key %s is now the first in %s\n", got.Added, got.File)
		if got.Shared {
			fmt.Fprintf(p.stdout, "Nothing is sealed under it yet. Copy %s to every node of this database, then: propusk rotate-keys --master\n", got.File)
			return nil
		}
	}
	return reportSealed(p.stdout, got, r.Check)
}

func reportSealed(w io.Writer, got *server.RotateMasterResult, check bool) error {
	failed := 0
	if check {
		fmt.Fprintf(w, "%-13s %s, of which the first seals\n", "master keys", strings.Join(got.Held, ", "))
	}
	for _, t := range got.Tables {
		failed += t.Failed
		if check {
			for _, id := range slices.Sorted(maps.Keys(t.ByKey)) {
				fmt.Fprintf(w, "%-13s %d under master key %s\n", t.Table, t.ByKey[id], id)
			}
		} else {
			fmt.Fprintf(w, "%-13s %d moved under master key %s, %d were there\n", t.Table, t.Moved, got.Key, t.There)
		}
		for _, u := range t.Unopened {
			fmt.Fprintf(w, "%-13s %s does not open: %s\n", t.Table, u.ID, u.Why)
		}
		if more := t.Failed - len(t.Unopened); more > 0 {
			fmt.Fprintf(w, "%-13s %d more do not open\n", t.Table, more)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d secrets do not open under the master keys held, and are left as they were", failed)
	}
	if left := got.Elsewhere(); len(left) > 0 {
		if check {
			return nil
		}
		return errors.New("something was sealed under " + strings.Join(left, ", ") + " meanwhile, by a node whose first key it is: bring every node's master keys in the same order and do it again")
	}
	for _, id := range got.Removable() {
		fmt.Fprintf(w, "nothing is sealed under master key %s any more: its line may be removed on every node; keep it with the backups from before, which need it\n", id)
	}
	return nil
}
