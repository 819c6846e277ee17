package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	accesspb "github.com/propusk/propusk/proto/yandex/cloud/priv/accessservice/v2"
)

const (
	signedRegion  = "ru-central1"
	signedService = "s3"
)

// accessKey is a static access key as clients hold it: with the key of the day,
// which AWS's SDKs remember too.
type accessKey struct {
	id, day string
	derived []byte
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func newAccessKey(id, secret string, now time.Time) accessKey {
	k := accessKey{id: id, day: now.UTC().Format("20060102"), derived: []byte("AWS4" + secret)}
	for _, part := range []string{k.day, signedRegion, signedService, "aws4_request"} {
		k.derived = hmacSHA256(k.derived, part)
	}
	return k
}

// requests numbers the requests, so that no two are signed alike.
var requests atomic.Uint64

// sign is what a service asks about one more request.
func (k accessKey) sign(now time.Time) *accesspb.AuthenticateRequest {
	digest := sha256.Sum256(binary.BigEndian.AppendUint64(nil, requests.Add(1)))
	text := "AWS4-HMAC-SHA256\n" + now.UTC().Format("20060102T150405Z") + "\n" + k.day + "/" + signedRegion + "/" + signedService +
		"/aws4_request\n" + hex.EncodeToString(digest[:])
	return &accesspb.AuthenticateRequest{Credentials: &accesspb.AuthenticateRequest_Signature{Signature: &accesspb.AccessKeySignature{
		AccessKeyId: k.id, StringToSign: text, Signature: hex.EncodeToString(hmacSHA256(k.derived, text)),
		Parameters: &accesspb.AccessKeySignature_V4Parameters{V4Parameters: &accesspb.AccessKeySignature_Version4Parameters{
			SignedAt: timestamppb.New(now.Truncate(time.Second)), Service: signedService, Region: signedRegion}}}}}
}

// accessKeys makes a static access key of each account that is asked about.
func (i *installation) accessKeys(ctx context.Context, conn *grpc.ClientConn) ([]accessKey, error) {
	var all []accessKey
	for n := range askedAbout {
		made, err := awspb.NewAccessKeyServiceClient(conn).Create(ctx, &awspb.CreateAccessKeyRequest{ServiceAccountId: i.signers[n].accountID})
		if err != nil {
			return nil, fmt.Errorf("access key: %w", err)
		}
		all = append(all, newAccessKey(made.GetAccessKey().GetKeyId(), made.GetSecret(), time.Now()))
	}
	return all, nil
}

// signatureDoor asks whose a signature is, each time one of another request.
// All are signed for the moment at which it was made: that is good for 15
// minutes, and needs no other key of the day when midnight (UTC) passes.
func signatureDoor(address string, keys []accessKey, with func(context.Context) context.Context) door {
	made := time.Now()
	return askDoor("AccessService Authenticate with a signature", address, func(ctx context.Context, conn *grpc.ClientConn, n int) error {
		_, err := accesspb.NewAccessServiceClient(conn).Authenticate(with(ctx), keys[n%askedAbout].sign(made))
		return err
	})
}

// temporaryKey is an ephemeral key of an account.
type temporaryKey struct {
	accessKey
	token string
}

// temporaryKeyOf makes an ephemeral key of the account whose IAM token it is.
func temporaryKeyOf(ctx context.Context, conn *grpc.ClientConn, iamToken string) (temporaryKey, error) {
	made, err := awspb.NewTemporaryAccessKeyServiceClient(conn).CreateEphemeral(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+iamToken),
		&awspb.CreateEphemeralAccessKeyRequest{SessionName: "bench",
			Policy: `{"Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":["arn:aws:s3:::photos/*","arn:aws:s3:::films/*"]}]}`})
	if err != nil {
		return temporaryKey{}, fmt.Errorf("ephemeral key: %w", err)
	}
	return temporaryKey{newAccessKey(made.GetAccessKeyId(), made.GetSecret(), time.Now()), made.GetSessionToken()}, nil
}

// storageDoor asks as an object storage does, each time about another request:
// who signed it with an ephemeral key, may he by his roles and by the key's policy.
func storageDoor(address, folder string, keys []temporaryKey, with func(context.Context) context.Context) door {
	made := time.Now()
	return askDoor("S3AuthService Authorize with an ephemeral key", address, func(ctx context.Context, conn *grpc.ClientConn, n int) error {
		key := keys[n%askedAbout]
		signed := key.sign(made).GetSignature()
		got, err := propuskpb.NewS3AuthServiceClient(conn).Authorize(with(ctx), &propuskpb.S3AuthorizeRequest{
			Proof: &propuskpb.S3AuthorizeRequest_StringToSign{StringToSign: &propuskpb.SignedString{
				AccessKeyId: key.id, StringToSign: signed.GetStringToSign(), Signature: signed.GetSignature(), SessionToken: key.token,
				SignedAt: signed.GetV4Parameters().GetSignedAt(), Service: signedService, Region: signedRegion}},
			Action: "s3:GetObject", Resource: "arn:aws:s3:::photos/a.jpg",
			ResourcePath: []*propuskpb.ResourceRef{{Type: "storage.bucket", Id: "photos"}, {Type: string(resource.Folder), Id: folder}}})
		if err == nil && !got.GetAllowed() {
			err = errors.New(got.GetReason())
		}
		return err
	})
}
