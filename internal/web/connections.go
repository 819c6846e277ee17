package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const connectionsPath = "/account/connections"

func (v *visit) connections() (*propuskpb.ListConnectionsResponse, error) {
	return ask[*propuskpb.ListConnectionsResponse](v, propuskpb.UpstreamService_List_FullMethodName,
		&propuskpb.ListConnectionsRequest{Session: v.session})
}

func (v *visit) showConnections() error { return v.connectionsPage(nil) }

func (v *visit) connectionsPage(wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	list, err := v.connections()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "connections", Title: "connections.title", Account: account, Wrong: wrong, Data: list})
}

// connect sends a person to a provider, to connect his account there.
func (v *visit) connect() error {
	answer, err := ask[*propuskpb.UpstreamJourney](v, propuskpb.UpstreamService_BeginConnection_FullMethodName,
		&propuskpb.BeginConnectionRequest{Session: v.session, Password: v.form["password"], Provider: v.form["provider"], Client: v.client()})
	if isReason(err, "sign_in_again") {
		v.signInAgainFor(connectionsPath)
		return nil
	}
	if err != nil {
		if wrong := v.explain(err, "password"); wrong != nil && !isProviders(err) {
			return v.connectionsPage(wrong)
		}
		return v.upstreamTrouble(err)
	}
	v.dropCookie(journeyCookie)
	v.setCookie(connectCookie, answer.GetBrowser(), answer.GetExpiresAt().AsTime())
	return v.setOut(v.form["provider"], answer.GetUrl())
}

// isProviders tells of a failure that is the provider's and not the password's.
func isProviders(err error) bool {
	return isReason(err, "provider_away") || isReason(err, "provider_busy")
}

// signInAgainFor asks a person without a password to prove himself anew.
func (v *visit) signInAgainFor(path string) {
	v.goTo("/login?again=yes&return=" + path + "&note=sign_in_again")
}

// connected takes a browser that has come back to connect an account.
func (v *visit) connected(provider string, answer *propuskpb.UpstreamAnswer) error {
	v.dropCookie(connectCookie)
	if v.session == "" {
		v.goTo("/login?note=ended&return=" + connectionsPath)
		return nil
	}
	_, err := ask[*propuskpb.FinishConnectionResponse](v, propuskpb.UpstreamService_FinishConnection_FullMethodName,
		&propuskpb.FinishConnectionRequest{Session: v.session, Provider: provider, Answer: answer, Client: v.client()})
	switch {
	case err == nil:
		v.goTo(connectionsPath + "?note=connected")
	case errors.Is(err, iam.AlreadyExists):
		return refused(http.StatusConflict, "error.connected_already")
	case isReason(err, "session_ended"):
		v.dropCookie(sessionCookie)
		v.goTo("/login?note=ended&return=" + connectionsPath)
	default:
		return v.upstreamTrouble(err)
	}
	return nil
}

func (v *visit) showDisconnect() error { return v.disconnectPage(v.query["id"], nil) }

type disconnectData struct {
	*propuskpb.Connection
	HasPassword bool
}

func (v *visit) disconnectPage(id string, wrong *mistakes) error {
	account, err := v.account()
	if err != nil {
		return err
	}
	list, err := v.connections()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list.GetConnections(), func(c *propuskpb.Connection) bool { return c.GetId() == id })
	if at < 0 {
		return refused(http.StatusNotFound, "error.gone")
	}
	return v.show(http.StatusOK, &page{Name: "connection_remove", Title: "connection_remove.title", Account: account, Wrong: wrong,
		Data: disconnectData{list.GetConnections()[at], list.GetHasPassword()}})
}

func (v *visit) disconnect() error {
	id := v.form["connection_id"]
	_, err := ask[*propuskpb.DisconnectResponse](v, propuskpb.UpstreamService_Disconnect_FullMethodName,
		&propuskpb.DisconnectRequest{Session: v.session, Password: v.form["password"], ConnectionId: id, Client: v.client()})
	switch {
	case err == nil:
		v.goTo(connectionsPath + "?note=disconnected")
		return nil
	case isReason(err, "sign_in_again"):
		v.signInAgainFor(connectionsPath)
		return nil
	case isReason(err, "last_way_in"):
		return v.disconnectPage(id, &mistakes{status: http.StatusConflict, Form: &mistake{Key: "mistake.last_connection"}})
	}
	if wrong := v.explain(err, "password"); wrong != nil {
		return v.disconnectPage(id, wrong)
	}
	return err
}
