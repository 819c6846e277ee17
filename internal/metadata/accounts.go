package metadata

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/metadata/source"
)

// Everyone gives whoever reaches the address the same account.
func Everyone(a source.Account) Accounts {
	return func(*http.Request, netip.Addr) (source.Account, error) { return a, nil }
}

// Route leads clients of a network to an account.
type Route struct {
	From    netip.Prefix
	Account source.Account
}

// ByAddress gives a client the account of the smallest network that it is in; of
// none, ErrUnknownClient. It is for listeners alone at which nobody can speak
// under an address of someone else. A network that is named twice is
// INVALID_ARGUMENT.
func ByAddress(routes []Route) (Accounts, error) {
	all := make([]Route, 0, len(routes))
	seen := map[netip.Prefix]bool{}
	for _, r := range routes {
		if !r.From.IsValid() || r.From.Addr().Zone() != "" || r.From.Addr().Is4In6() {
			return nil, iam.Errorf(iam.InvalidArgument, "%s is no network", r.From)
		}
		if r.From = r.From.Masked(); seen[r.From] {
			return nil, iam.Errorf(iam.InvalidArgument, "%s is given twice", r.From)
		}
		seen[r.From] = true
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Route) int { return b.From.Bits() - a.From.Bits() })
	return func(_ *http.Request, client netip.Addr) (source.Account, error) {
		client = client.WithZone("")
		for _, r := range all {
			if r.From.Contains(client) {
				return r.Account, nil
			}
		}
		return nil, ErrUnknownClient
	}, nil
}
