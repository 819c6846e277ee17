package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

var clientSecretForm = regexp.MustCompile(`^yccs__[0-9a-f]{64}_[0-9a-f]{8}$`)

// useOAuthClient takes an OAuth client of the folder and a secret of it through
// their life.
func useOAuthClient(ctx context.Context, sdk *ycsdk.SDK, folderID, name string) error {
	clients := iamsdk.NewOAuthClientClient(sdk)

	profiles, err := clients.ListProfiles(ctx, &iam.ListProfilesRequest{})
	if err != nil {
		return fmt.Errorf("list profiles: %w", err)
	}
	if !slices.ContainsFunc(profiles.GetProfiles(), func(p *iam.Profile) bool { return p.GetId() == "web" && p.GetPkceRequiredDefaultValue() }) {
		return fmt.Errorf("profiles are %v", profiles)
	}
	created, err := clients.Create(ctx, &iam.CreateOAuthClientRequest{FolderId: folderID, Name: name, ProfileId: "web",
		RedirectUris: []string{"https://site.example/cb"}, Scopes: []string{"openid", "email"}})
	if err != nil {
		return fmt.Errorf("create an OAuth client: %w", err)
	}
	client, err := created.Wait(ctx)
	if err != nil {
		return fmt.Errorf("wait for the OAuth client: %w", err)
	}
	id := client.GetId()
	if id == "" || id != created.Metadata().GetOauthClientId() || client.GetStatus() != iam.OAuthClient_ACTIVE || !client.GetPkceRequired() {
		return fmt.Errorf("OAuth client is %v", client)
	}
	update, err := clients.Update(ctx, &iam.UpdateOAuthClientRequest{OauthClientId: id, RedirectUris: []string{"https://site.example/cb2"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"redirect_uris"}}})
	if err != nil {
		return fmt.Errorf("update the OAuth client: %w", err)
	}
	if client, err = update.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the OAuth client's update: %w", err)
	}
	if !slices.Equal(client.GetRedirectUris(), []string{"https://site.example/cb2"}) || !slices.Equal(client.GetScopes(), []string{"openid", "email"}) {
		return fmt.Errorf("updated OAuth client is %v", client)
	}
	found, err := clients.Iterator(ctx, &iam.ListOAuthClientsRequest{FolderId: folderID}).TakeAll()
	if err != nil {
		return fmt.Errorf("list OAuth clients: %w", err)
	}
	if !slices.ContainsFunc(found, func(v *iam.OAuthClientListView) bool { return v.GetId() == id && v.GetName() == name }) {
		return fmt.Errorf("list of OAuth clients is %v, want %s in it", found, id)
	}
	if err := useClientSecret(ctx, sdk, id); err != nil {
		return err
	}
	gone, err := clients.Delete(ctx, &iam.DeleteOAuthClientRequest{OauthClientId: id})
	if err != nil {
		return fmt.Errorf("delete the OAuth client: %w", err)
	}
	if _, err := gone.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the OAuth client's end: %w", err)
	}
	_, err = clients.Get(ctx, &iam.GetOAuthClientRequest{OauthClientId: id})
	return wantNotFound("OAuth client", err)
}

func useClientSecret(ctx context.Context, sdk *ycsdk.SDK, clientID string) error {
	secrets := iamsdk.NewOAuthClientSecretClient(sdk)

	created, err := secrets.Create(ctx, &iam.CreateOAuthClientSecretRequest{OauthClientId: clientID, Description: "made by go-sdk v2"})
	if err != nil {
		return fmt.Errorf("create a secret of the OAuth client: %w", err)
	}
	made, err := created.Wait(ctx)
	if err != nil {
		return fmt.Errorf("wait for the secret of the OAuth client: %w", err)
	}
	shape := made.GetOauthClientSecret()
	if !clientSecretForm.MatchString(made.GetSecretValue()) || shape.GetMaskedSecret() != made.GetSecretValue()[:16]+"****" {
		return errors.New("the secret of the OAuth client comes without a value of the known form")
	}
	found, err := secrets.Iterator(ctx, &iam.ListOAuthClientSecretsRequest{OauthClientId: clientID}).TakeAll()
	if err != nil {
		return fmt.Errorf("list secrets of the OAuth client: %w", err)
	}
	if len(found) != 1 || found[0].GetId() != shape.GetId() || found[0].GetDescription() != "made by go-sdk v2" {
		return fmt.Errorf("list of secrets of the OAuth client is %v, want %s alone", found, shape.GetId())
	}
	gone, err := secrets.Delete(ctx, &iam.DeleteOAuthClientSecretRequest{OauthClientSecretId: shape.GetId()})
	if err != nil {
		return fmt.Errorf("delete the secret of the OAuth client: %w", err)
	}
	if _, err := gone.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the secret's end: %w", err)
	}
	_, err = secrets.Get(ctx, &iam.GetOAuthClientSecretRequest{OauthClientSecretId: shape.GetId()})
	return wantNotFound("secret of an OAuth client", err)
}
