package server_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/propusk/propusk/internal/server"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

// That somebody else may not do something, or is nobody, is what a service has
// asked for; that the service itself may not ask leaves an audit line.
func TestAnswersLeaveNoAuditLines(t *testing.T) {
	n := newNosy(t, folderType)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+n.token)
	client := accesspb.NewAccessServiceClient(n.conn)
	lines := func() int {
		t.Helper()
		all, err := n.AuditList(t.Context(), server.AuditListRequest{Limit: 10_000, Subject: n.home.ServiceAccountID})
		if err != nil {
			t.Fatal(err)
		}
		return len(all.Events)
	}
	before := lines()
	if got, _ := n.asks(t, n.far.ServiceAccountID, "resource-manager.folders.get", folderType, n.home.FolderID); !strings.HasPrefix(got, "PermissionDenied") {
		t.Errorf("somebody without rights: %s", got)
	}
	if got, _ := n.asks(t, "ajenone", "resource-manager.folders.get", folderType, n.home.FolderID); !strings.HasPrefix(got, "Unauthenticated") {
		t.Errorf("nobody: %s", got)
	}
	_, err := client.Authenticate(ctx, &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_IamToken{IamToken: "t1.x.y"}})
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("a bad token: %v", err)
	}
	if got := lines(); got != before {
		t.Errorf("answers have left %d audit lines", got-before)
	}
	if got, _ := n.asks(t, n.far.ServiceAccountID, "resource-manager.folders.get", "ydb.database", "x", folderType, n.home.FolderID); !strings.Contains(got, "is not registered to ask") {
		t.Errorf("another type: %s", got)
	}
	if got := lines(); got != before+1 {
		t.Errorf("a refusal of the service has left %d audit lines, want 1", got-before)
	}
}
