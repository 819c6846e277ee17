package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/propusk/propusk/internal/server"
)

func runUserConnections(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 1)
	cfg, log, err := p.settings("user connections", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return misuse{errors.New("name the person: user connections LOGIN")}
	}
	got, err := server.Operate(ctx, *cfg, log, server.PathUserConnections, (*server.Server).ListUserConnections, server.UserConnectionsRequest{User: words[0]})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER\tADDRESS\tACCOUNT\tE-MAIL\tCONNECTED\tLAST USED")
	for _, c := range got.Connections {
		used := "-"
		if !c.LastUsedAt.IsZero() {
			used = c.LastUsedAt.Format(time.RFC3339)
		}
		// Quoted: what the provider has made up is no part of the table.
		fmt.Fprintf(w, "%s\t%s\t%q\t%s\t%s\t%s\n", orDash(c.Provider), c.Authority, c.Subject, orDash(c.Email), c.CreatedAt.Format(time.RFC3339), used)
	}
	return w.Flush()
}

func runUserDisconnect(ctx context.Context, p *program, args []string) error {
	words, flags := splitWords(args, 2)
	cfg, log, err := p.settings("user disconnect", flags, func(*flag.FlagSet) {})
	if err != nil {
		return err
	}
	if len(words) != 2 {
		return misuse{errors.New("name the person and the provider, by its id or its address: user disconnect LOGIN PROVIDER")}
	}
	out, err := server.Operate(ctx, *cfg, log, server.PathUserDisconnect, (*server.Server).DisconnectUser,
		server.UserDisconnectRequest{User: words[0], Provider: words[1]})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is disconnected from %s; sessions go on until user sign-out\n", out.UserID, words[1])
	if out.Left == 0 {
		fmt.Fprintln(p.stderr, "Nothing is left by which to sign in: user reset-link makes a link to a new password")
	}
	return nil
}
