package cli

import (
	"errors"
	"flag"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	"github.com/propusk/propusk/internal/cli/output"
)

const largestPage = 1000

// errNoEnd keeps a list from going on for ever.
var errNoEnd = errors.New("the server's list has no end: the same page, or an empty one, comes again and again")

func limitFlag(f *flag.FlagSet) *int64 {
	return f.Int64("limit", largestPage, "how many rows to list at most")
}

// mostEmpty bounds the pages in a row that hold nothing: a filter may leave a
// page empty, and a server that goes on so has no end.
const mostEmpty = 1000

// pages gathers a list, page by page, until it ends or the limit is reached.
func pages[T any](limit int64, page func(size int64, token string) ([]T, string, error)) ([]T, error) {
	if limit < 1 {
		return nil, misuse("--limit: %d is not above 0", limit)
	}
	var all []T
	empty := 0
	for token := ""; ; {
		rows, next, err := page(min(limit-int64(len(all)), largestPage), token)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if next == "" || int64(len(all)) >= limit {
			return all[:min(int64(len(all)), limit)], nil
		}
		if empty++; len(rows) > 0 {
			empty = 0
		}
		if next == token || empty > mostEmpty {
			return nil, errNoEnd
		}
		token = next
	}
}

var operationColumns = []column[*operationpb.Operation]{
	{"ID", (*operationpb.Operation).GetId},
	{"CREATED AT", func(o *operationpb.Operation) string { return output.When(o.GetCreatedAt()) }},
	{"CREATED BY", (*operationpb.Operation).GetCreatedBy},
	{"MODIFIED AT", func(o *operationpb.Operation) string { return output.When(o.GetModifiedAt()) }},
	{"STATUS", func(o *operationpb.Operation) string {
		switch {
		case !o.GetDone():
			return "RUNNING"
		case o.GetError() != nil:
			return "ERROR"
		}
		return "DONE"
	}},
	{"DESCRIPTION", (*operationpb.Operation).GetDescription},
}
