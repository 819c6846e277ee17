package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/propusk/propusk/internal/server"
)

const quotaUsage = `Usage: propusk quota list --resource ID
       propusk quota set --resource ID QUOTA VALUE
       propusk quota requests
       propusk quota approve REQUEST [--quota QUOTA [--value VALUE]]
       propusk quota reject REQUEST [--quota QUOTA]

Shows and changes how much a cloud or an organization may hold, and decides
requests for more. A VALUE is a whole number, or "unlimited".
`

func runQuota(ctx context.Context, p *program, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "list":
			return runQuotaList(ctx, p, args[1:])
		case "set":
			return runQuotaSet(ctx, p, args[1:])
		case "requests":
			return runQuotaRequests(ctx, p, args[1:])
		case "approve", "reject":
			return runQuotaDecide(ctx, p, args[0], args[1:])
		case "-h", "--help", "help":
			fmt.Fprint(p.stdout, quotaUsage)
			return nil
		}
	}
	return misuse{errors.New("say what to do: quota list, quota set, quota requests, quota approve, or quota reject")}
}

func runQuotaList(ctx context.Context, p *program, args []string) error {
	var r server.QuotaListRequest
	cfg, log, err := p.settings("quota list", args, func(f *flag.FlagSet) { quotaResource(f, &r.Resource) })
	if err != nil {
		return err
	}
	if r.Resource == "" {
		return misuse{errNoResource}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathQuotaList, (*server.Server).QuotaList, r)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUOTA\tIN USE\tLIMIT\tWHAT")
	for _, q := range got.Quotas {
		used := "-"
		if q.Usage != nil {
			used = fmt.Sprint(*q.Usage)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", q.ID, used, limitText(q.Limit), q.What)
	}
	return w.Flush()
}

func runQuotaSet(ctx context.Context, p *program, args []string) error {
	var r server.QuotaSetRequest
	words, flags := splitWords(args, 2)
	cfg, log, err := p.settings("quota set", flags, func(f *flag.FlagSet) { quotaResource(f, &r.Resource) })
	if err != nil {
		return err
	}
	switch {
	case r.Resource == "":
		return misuse{errNoResource}
	case len(words) != 2:
		return misuse{errors.New("name the quota and its new limit: quota set --resource ID QUOTA VALUE")}
	}
	r.Quota = words[0]
	if r.Value, err = parseLimit(words[1]); err != nil {
		return misuse{err}
	}
	if _, err := server.Operate(ctx, *cfg, log, server.PathQuotaSet, (*server.Server).QuotaSet, r); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s of %s is %s\n", r.Quota, r.Resource, limitText(r.Value))
	return nil
}

func runQuotaRequests(ctx context.Context, p *program, args []string) error {
	var r server.QuotaRequestsRequest
	cfg, log, err := p.settings("quota requests", args, func(f *flag.FlagSet) {
		f.BoolVar(&r.All, "all", false, "the decided ones too")
		f.StringVar(&r.Resource, "resource", "", "only those about this cloud or organization")
	})
	if err != nil {
		return err
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathQuotaRequests, (*server.Server).QuotaRequests, r)
	if err != nil {
		return err
	}
	for _, q := range got.Requests {
		p.printRequest(q)
	}
	return nil
}

func runQuotaDecide(ctx context.Context, p *program, verb string, args []string) error {
	r := server.QuotaDecideRequest{Approve: verb == "approve"}
	var value string
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("quota "+verb, flags, func(f *flag.FlagSet) {
		f.StringVar(&r.Quota, "quota", "", "only this quota of the request; without it, all that are open")
		f.StringVar(&r.Message, "message", "", "a word to whoever asked")
		if r.Approve {
			f.StringVar(&value, "value", "", "the limit to set, when it is not the one asked for; needs --quota")
		}
	})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{fmt.Errorf("name the request: quota %s REQUEST", verb)}
	}
	r.ID = words[0]
	if value != "" {
		n, err := parseLimit(value)
		if err != nil {
			return misuse{fmt.Errorf("--value: %w", err)}
		}
		r.Value = &n
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathQuotaDecide, (*server.Server).QuotaDecide, r)
	if err != nil {
		return err
	}
	p.printRequest(*got)
	return nil
}

func (p *program) printRequest(q server.QuotaRequest) {
	fmt.Fprintf(p.stdout, "%s  %s  %s %s  by %s\n", q.ID, q.Status, q.Type, q.Resource, q.CreatedBy)
	for _, l := range q.Limits {
		fmt.Fprintf(p.stdout, "  %s  %s  asked %s", l.Quota, l.Status, limitText(l.Desired))
		if l.Status == "APPROVED" || l.Status == "PARTIAL_APPROVED" {
			fmt.Fprintf(p.stdout, "  given %s", limitText(l.Approved))
		}
		fmt.Fprintln(p.stdout)
	}
}

var errNoResource = errors.New("--resource: name a cloud or an organization by its id")

func quotaResource(f *flag.FlagSet, into *string) {
	f.StringVar(into, "resource", "", "id of a cloud or an organization; required")
}

// splitWords takes up to n words from among a command's flags, wherever they
// stand. Each flag but the switches takes a value: what follows one without "="
// is no word.
func splitWords(args []string, n int, switches ...string) (words, flags []string) {
	value := false // the argument before is a flag that waits for its value
	for _, a := range args {
		flag := strings.HasPrefix(a, "-")
		if flag || value || len(words) == n {
			flags = append(flags, a)
		} else {
			words = append(words, a)
		}
		value = flag && !strings.Contains(a, "=") && !slices.Contains(switches, strings.TrimLeft(a, "-"))
	}
	return words, flags
}

func parseLimit(s string) (int64, error) {
	if s == "unlimited" {
		return server.QuotaUnlimited, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is neither a whole number from 0 on nor \"unlimited\"", s)
	}
	return n, nil
}

func limitText(n int64) string {
	if n == server.QuotaUnlimited {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}
