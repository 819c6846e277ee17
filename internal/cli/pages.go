package cli

import (
	"errors"
	"flag"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	"github.com/propusk/propusk/internal/cli/output"
)

const largestPage = 1000

// errSamePage keeps a list from going on for ever.
var errSamePage = errors.New("the server gives the same page of the list again and again")

func limitFlag(f *flag.FlagSet) *int64 {
	return f.Int64("limit", largestPage, "how many rows to list at most")
}

// pages gathers a list, page by page, until it ends or the limit is reached.
func pages[T any](limit int64, page func(size int64, token string) ([]T, string, error)) ([]T, error) {
	if limit < 1 {
		return nil, misuse("--limit: %d is not above 0", limit)
	}
	var all []T
	for token := ""; ; {
		rows, next, err := page(min(limit-int64(len(all)), largestPage), token)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if next == "" || int64(len(all)) >= limit {
			return all, nil
		}
		if next == token {
			return nil, errSamePage
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
