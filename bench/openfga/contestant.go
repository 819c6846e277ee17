package main

import (
	"context"
	"fmt"
	"time"

	"github.com/openfga/openfga/pkg/server"
	"github.com/openfga/openfga/pkg/server/config"
)

// asker answers the questions of the world it was opened with, by their
// number. It is for one goroutine.
type asker interface {
	ask(i int) (bool, error)
	close() error
}

// contestant is one row of the table.
type contestant struct {
	name  string // of the process
	row   string
	short int // questions it is asked with --short
	open  func(context.Context, *world) (asker, error)
}

// questions is how many everybody is asked without --short. They are the same
// for all: fewer questions are the first of them.
const questions = 10_000

// contestants, the one that the others are compared with first. All keep their
// facts in memory and are called within one process, without a network.
var contestants = []contestant{
	{"propusk", "Propusk, checker and replica", questions, openPropusk},
	{"openfga", "OpenFGA, as it comes", 300, openOpenFGA()},
	{"openfga-weighted", "OpenFGA, weighted_graph_check (experimental)", 300,
		openOpenFGA(server.WithExperimentals(config.ExperimentalWeightedGraphCheck))},
	{"openfga-cached", "OpenFGA, every answer from its cache, fresh or not", questions, openOpenFGA(
		server.WithCheckQueryCacheEnabled(true), server.WithCheckQueryCacheTTL(time.Hour), server.WithCheckCacheLimit(1_000_000))},
}

func contestantOf(name string) (*contestant, error) {
	for i := range contestants {
		if contestants[i].name == name {
			return &contestants[i], nil
		}
	}
	return nil, fmt.Errorf("no contestant is called %q", name)
}

// answers asks all questions once.
func answers(a asker, n int) ([]bool, error) {
	all := make([]bool, n)
	for i := range all {
		var err error
		if all[i], err = a.ask(i); err != nil {
			return nil, fmt.Errorf("question %d: %w", i, err)
		}
	}
	return all, nil
}

// disagreement is the first question that two answered differently; -1 when
// there is none among those that both were asked.
func disagreement(a, b []bool) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
