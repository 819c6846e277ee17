package web

import (
	"net/http"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// tokensData is the list of a person's OAuth tokens.
type tokensData struct {
	*propuskpb.ListPersonOAuthTokensResponse
	Create string // address of the page that makes another
}

// ClientKey is the key of a client's name; "" for one that this door does not know.
func (tokensData) ClientKey(id string) string { return clientKeys[id] }

func (v *visit) showTokens() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	list, err := v.tokens(listed, v.query["page"])
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "tokens", Title: "tokens.title", Account: account, Data: tokensData{list, consentAddress}})
}

func (v *visit) tokens(most int64, from string) (*propuskpb.ListPersonOAuthTokensResponse, error) {
	return ask[*propuskpb.ListPersonOAuthTokensResponse](v, propuskpb.AccountService_ListOAuthTokens_FullMethodName,
		&propuskpb.ListPersonOAuthTokensRequest{Session: v.session, PageSize: most, PageToken: from})
}

// showEndToken asks whether a token is to end, and what with it.
func (v *visit) showEndToken() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	for from := ""; ; {
		list, err := v.tokens(1000, from)
		if err != nil {
			return err
		}
		for _, t := range list.GetTokens() {
			if t.GetId() == v.query["id"] {
				return v.show(http.StatusOK, &page{Name: "token_end", Title: "token_end.title", Account: account, Data: t})
			}
		}
		if from = list.GetNextPageToken(); from == "" {
			return refused(http.StatusNotFound, "error.gone")
		}
	}
}

func (v *visit) endToken() error {
	_, err := ask[*propuskpb.RevokePersonOAuthTokenResponse](v, propuskpb.AccountService_RevokeOAuthToken_FullMethodName,
		&propuskpb.RevokePersonOAuthTokenRequest{Session: v.session, OauthTokenId: v.form["oauth_token_id"], AlsoIamTokens: v.form["also_iam_tokens"] == "yes"})
	if err != nil {
		return err
	}
	v.goTo("/account/tokens?note=token_ended")
	return nil
}
