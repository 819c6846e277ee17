package quota

import (
	"errors"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
)

func FuzzStatusFilter(f *testing.F) {
	for _, seed := range []string{"", "  ", `status="pending"`, `status = "PROCESSED"`, "\tquotaRequest.status\n= \"Canceled\" ", `status="open"`, `status='pending'`,
		`status="pending" AND status="x"`, `status!="pending"`, `name="pending"`, "status=\"pend\x00ing\"", `status="` + strings.Repeat("p", 64) + `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		status, err := statusFilter(filter)
		if err != nil {
			if !errors.Is(err, iam.InvalidArgument) || status != "" {
				t.Fatalf("%q: %q, %v", filter, status, err)
			}
			return
		}
		if strings.TrimSpace(filter) == "" {
			if status != "" {
				t.Fatalf("nothing was asked for, and %q is wanted", status)
			}
			return
		}
		// What is accepted names a status of requests, and only that one.
		if _, ok := requestStatus[status]; !ok || !strings.Contains(strings.ToUpper(filter), `"`+string(status)+`"`) || strings.Count(filter, `"`) != 2 {
			t.Fatalf("%q is read as %q", filter, status)
		}
	})
}
