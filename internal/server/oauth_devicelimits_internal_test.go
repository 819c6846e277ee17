package server

import (
	"testing"
	"time"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// deviceRow is what is kept of a device code.
func (h *hall) deviceRow(t *testing.T, code string) (d *iam.DeviceCode) {
	t.Helper()
	err := h.db.View(t.Context(), func(tx *store.Tx) (err error) {
		d, err = store.GetDeviceCode(tx, grant.DeviceCodeLookup(code))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Whoever has let a device of his own in and then signed out asks for its tokens
// in vain, and keeps the store busy with it no more than with any other question.
func TestAskingForWhatHasEndedWritesNothing(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	cookie, cli := h.alice(t), sdk()
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: cli.proof()}))(t)
	if err := h.decideDevice(t, cookie, begun.GetUserCode(), true); err != nil {
		t.Fatal(err)
	}
	must2(asked[*propuskpb.SignOutResponse](t, h, propuskpb.SignInService_SignOut_FullMethodName, &propuskpb.SignOutRequest{Session: cookie}))(t)
	before := *h.deviceRow(t, begun.GetDeviceCode())
	for range 3 {
		h.advance(time.Second)
		_, err := h.poll(t, cli, begun.GetDeviceCode())
		reason(t, "after the session", err, iam.OAuthInvalidGrant)
	}
	if after := h.deviceRow(t, begun.GetDeviceCode()); !after.PolledAt.Equal(before.PolledAt) || after.Wait != before.Wait {
		t.Errorf("the row is written: polled at %s, before at %s", after.PolledAt, before.PolledAt)
	}
}

// What a program may ask for is looked at again when the person answers: its
// owner may have taken it away while the device was waiting.
func TestADeviceThatAsksForWhatItsProgramMayNoLonger(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	native := h.program(t, oauthclient.Native, func(c *iam.OAuthClient) { c.Scopes = []string{"openid", "orders"} })
	cookie := h.alice(t)
	begun := must2(h.device(t, &propuskpb.AuthorizeDeviceRequest{Client: native.proof(), Scope: "openid orders"}))(t)
	must2(h.findDevice(t, cookie, begun.GetUserCode()))(t)
	native.Scopes = []string{"openid"}
	if err := h.db.Update(t.Context(), func(tx *store.Tx) error { return store.UpdateOAuthClient(tx, &native.OAuthClient) }); err != nil {
		t.Fatal(err)
	}
	_, err := h.findDevice(t, cookie, begun.GetUserCode())
	refused(t, "looked at", err, iam.NotFound, "")
	refused(t, "allowed", h.decideDevice(t, cookie, begun.GetUserCode(), true), iam.NotFound, "")
	if err := h.decideDevice(t, cookie, begun.GetUserCode(), false); err != nil {
		t.Errorf("a no: %v", err)
	}
}
