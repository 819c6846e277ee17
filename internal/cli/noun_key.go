package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
)

// ofAccount are the flags that name the service account that a key is of.
func ofAccount() []option {
	return []option{
		{name: "service-account-id", field: "service_account_id", usage: "the service account; otherwise the one that asks"},
		{name: "service-account-name", field: "service_account_id", usage: "the same by its name", by: serviceAccounts()},
	}
}

func description() option {
	return option{name: "description", field: "description", usage: "what it is for"}
}

func keyNode() node {
	about := &subject{thing: "key", field: "key_id"}
	several := &subject{thing: "key", field: "key_id", many: true}
	return node{word: "key", aliases: []string{"keys"}, summary: "authorized keys, with which service accounts get IAM tokens", below: []node{
		leaf(command{verb: "create", summary: "make an authorized key", flags: createKey, example: "--service-account-name my-robot -o key.json"}),
		rpc{method: iampb.KeyService_Get_FullMethodName, subject: about}.gets("show the public half of a key"),
		rpc{method: iampb.KeyService_List_FullMethodName, options: ofAccount(), columns: []output.Column{
			{Title: "ID", Field: "id"}, {Title: "SUBJECT", Cell: keySubject}, {Title: "ALGORITHM", Field: "key_algorithm"}, {Title: "CREATED AT", Field: "created_at"},
		}}.lists("list", "list the keys of a service account"),
		rpc{method: iampb.KeyService_Update_FullMethodName, subject: about, options: []option{description()}}.changes("update", "change what is told of a key"),
		rpc{method: iampb.KeyService_Delete_FullMethodName, subject: several}.changes("delete", "delete keys, with the tokens that they got"),
		operationsOf(iampb.KeyService_ListOperations_FullMethodName, about),
	}}
}

func keySubject(m proto.Message) string {
	key, ok := m.(*iampb.Key)
	switch {
	case ok && key.GetServiceAccountId() != "":
		return "serviceAccount:" + key.GetServiceAccountId()
	case ok && key.GetUserAccountId() != "":
		return "userAccount:" + key.GetUserAccountId()
	}
	return ""
}

func createKey(f *flag.FlagSet) action {
	r := rpc{method: iampb.KeyService_Create_FullMethodName, options: append(ofAccount(), description(),
		option{name: "algorithm", field: "key_algorithm", usage: "otherwise the server's choice"})}
	q, err := r.declare(f)
	path := ""
	for _, name := range [...]string{"output", "o"} {
		f.StringVar(&path, name, "", "file to write the whole key to, which is printed otherwise")
	}
	return func(ctx context.Context, s *session, args []string) error {
		if err != nil {
			return err
		}
		if path != "" {
			if err := writable(path); err != nil {
				return &Misuse{fmt.Errorf("--output: %w", err)}
			}
		}
		return q.each(ctx, s, args, func() error {
			if path == "" {
				return r.show(ctx, s, q)
			}
			answer := new(iampb.CreateKeyResponse)
			if err := s.call(once(ctx), r.method, q.message.Interface(), answer); err != nil {
				return err
			}
			return s.writeKey(ctx, answer, path)
		})
	}
}

// writable tries whether a file can be made, before a key is made whose secret
// half could not be kept.
func writable(path string) error {
	if err := keyfile.Replaceable(path); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".try-*")
	if err != nil {
		return err
	}
	_ = tmp.Close()
	return os.Remove(tmp.Name())
}

// writeKey writes the key file and prints what is no secret of it.
func (s *session) writeKey(ctx context.Context, made *iampb.CreateKeyResponse, path string) error {
	key := made.GetKey()
	file := keyfile.File{ID: key.GetId(), ServiceAccountID: key.GetServiceAccountId(), CreatedAt: key.GetCreatedAt().AsTime(),
		Algorithm: iam.KeyAlgorithm(key.GetKeyAlgorithm().String()), PublicKey: key.GetPublicKey(), PrivateKey: iam.NewSecret(made.GetPrivateKey())}
	if err := file.Write(path); err != nil {
		return fmt.Errorf("key %s is made, but its file is not written; delete the key and make another: %w", printable(key.GetId()), err)
	}
	return s.print(ctx, &iampb.Key{Id: key.GetId(), Subject: key.GetSubject(), CreatedAt: key.GetCreatedAt(), Description: key.GetDescription(), KeyAlgorithm: key.GetKeyAlgorithm()})
}
