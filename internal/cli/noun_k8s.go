package cli

import (
	"context"
	"encoding/json"
	"flag"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/cli/output"
	"github.com/propusk/propusk/internal/iam"
)

// kubernetesNode is what clusters' clients run and read.
func kubernetesNode() node {
	return node{word: "managed-kubernetes", aliases: []string{"k8s"}, summary: "tokens and settings for kubectl", below: []node{
		leaf(createKubernetesToken()), leaf(printKubeconfig()),
	}}
}

const (
	envExecInfo = "KUBERNETES_EXEC_INFO" // [client fact: client-go tells its plugins so what it wants]

	execGroup   = "client.authentication.k8s.io/"
	execDefault = execGroup + "v1beta1" // [API fact: what kubeconfigs of the public tool name]
)

// execCredential is an ExecCredential as v1beta1 and v1 have it.
type execCredential struct {
	Kind    string      `json:"kind"`
	Version string      `json:"apiVersion"`
	Spec    execWishes  `json:"spec"`
	Status  *execStatus `json:"status,omitempty"`
}

type execWishes struct {
	Interactive bool `json:"interactive"`
}

type execStatus struct {
	Expires string `json:"expirationTimestamp,omitempty"` // RFC 3339, whole seconds
	Token   string `json:"token"`
}

// createKubernetesToken prints an IAM token as kubectl takes it.
func createKubernetesToken() command {
	return command{verb: "create-token", summary: "print an IAM token as kubectl and other clients of Kubernetes take it from a plugin (always JSON)", flags: func(*flag.FlagSet) action {
		return func(ctx context.Context, s *session, _ []string) error {
			answer, err := askedByKubernetes(s.env.variable(envExecInfo))
			if err != nil {
				return err
			}
			s.noBrowser = s.noBrowser || !answer.Spec.Interactive
			authenticate := s.authenticate
			if s.env.variable(envExecInfo) != "" {
				authenticate = s.authenticateAgain
			}
			if err := authenticate(ctx); err != nil {
				return err
			}
			answer.Status = &execStatus{Token: s.bearer.Reveal()}
			if !s.expires.IsZero() {
				answer.Status.Expires = s.expires.UTC().Format(time.RFC3339)
			}
			text, err := json.Marshal(answer)
			if err != nil {
				return err
			}
			return (&output.Printer{Out: s.env.Stdout, Format: "json", Filter: s.filter}).JSON(ctx, text)
		}
	}}
}

// askedByKubernetes reads what a client wants of its plugin: the version that
// the answer must have, and whether there is somebody to talk to.
func askedByKubernetes(info string) (*execCredential, error) {
	if info == "" {
		return &execCredential{Kind: "ExecCredential", Version: execDefault, Spec: execWishes{Interactive: true}}, nil
	}
	var wanted execCredential
	if err := json.Unmarshal([]byte(info), &wanted); err != nil || wanted.Kind != "ExecCredential" {
		return nil, misuse("$%s holds no ExecCredential", envExecInfo)
	}
	if !slices.Contains([]string{execDefault, execGroup + "v1"}, wanted.Version) {
		return nil, misuse("$%s asks for %q; there are %[3]sv1 and %[3]sv1beta1", envExecInfo, iam.Conceal(printable(wanted.Version)), execGroup)
	}
	wanted.Status = nil
	return &wanted, nil
}
