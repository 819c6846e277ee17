package cli

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// helpOf is the help of every node below one, in order, each command's without
// the flags that all have.
func helpOf(t *testing.T, n *node, path []string, into *strings.Builder) {
	t.Helper()
	var b bytes.Buffer
	if n.run == nil {
		n.help(&b, path, 0)
	} else {
		env := &Environment{Stdout: &b}
		err := n.run.run(t.Context(), env, strings.Join(path, " "), true, []string{"--help"})
		if err != flag.ErrHelp {
			t.Fatalf("%s --help: %v", strings.Join(path, " "), err)
		}
	}
	text, _, _ := strings.Cut(b.String(), "\nFlags of every command:\n")
	into.WriteString("=== " + strings.Join(path, " ") + "\n" + strings.TrimRight(text, "\n") + "\n\n")
	for i := range n.below {
		helpOf(t, &n.below[i], append(path[:len(path):len(path)], n.below[i].word), into)
	}
}

// TestHelpOfTheTree: the help of every word and command is as the golden file
// has it; `go test ./internal/cli -run TestHelpOfTheTree -update` writes it.
func TestHelpOfTheTree(t *testing.T) {
	top := root()
	var all strings.Builder
	helpOf(t, &top, []string{"yc"}, &all)
	const path = "testdata/tree.golden"
	if flag.Lookup("update").Value.String() == "true" { // which report_test.go declares
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(all.String(), "\n")); d != "" {
		t.Errorf("the help has changed (-golden +now); -update writes it:\n%s", d)
	}
}

// TestHelpReads: every command says in one line what it does, every flag what it
// is for, and what is one of several words says so.
func TestHelpReads(t *testing.T) {
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		if n.word != "" && (n.summary == "" || strings.ContainsAny(n.summary, "\n\t") || len(n.summary) > 140 ||
			strings.HasSuffix(n.summary, ".") || unicode.IsUpper(rune(n.summary[0])) && !strings.HasPrefix(n.summary, "API") && !strings.HasPrefix(n.summary, "OAuth")) {
			t.Errorf("%s: %q is no line of a list", path, n.summary)
		}
		if n.run != nil {
			f := flag.NewFlagSet("", flag.ContinueOnError)
			n.run.flags(f)
			f.VisitAll(func(v *flag.Flag) {
				if len(v.Usage) < 4 || strings.ContainsAny(v.Usage, "\n\t`") {
					t.Errorf("%s --%s: %q", path, v.Name, v.Usage)
				}
				if x, ok := v.Value.(*value); ok && x.field.Enum() != nil && !strings.Contains(kindOf(v), "|") {
					t.Errorf("%s --%s does not say what there is to choose from", path, v.Name)
				}
			})
		}
		for i := range n.below {
			walk(&n.below[i], strings.TrimSpace(path+" "+n.below[i].word))
		}
	}
	top := root()
	walk(&top, "")
}

// TestWordsOfTheReference: the commands and flags that the reference of the
// public tool has, of services that this server has [API fact: the command
// tree]. A word in parentheses is an alias of the command.
func TestWordsOfTheReference(t *testing.T) {
	for line := range strings.Lines(reference) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at := new(node)
		*at = root()
		f := flag.NewFlagSet("", flag.ContinueOnError)
		for _, word := range words {
			name := strings.TrimLeft(word, "-")
			switch {
			case strings.HasPrefix(word, "("):
				if !slices.Contains(at.aliases, strings.Trim(word, "()")) {
					t.Errorf("%s: no alias %s", strings.TrimSpace(line), word)
				}
			case strings.HasPrefix(word, "-"):
				if f.Lookup(name) == nil {
					t.Errorf("%s: no flag %s", strings.TrimSpace(line), word)
				}
			default:
				if at = at.child(word); at == nil {
					t.Fatalf("%s: no word %s", strings.TrimSpace(line), word)
				}
				if at.run != nil {
					at.run.flags(f)
					if at.run.changes {
						f.Bool("async", false, "")
					}
					new(session).declare(f)
				}
			}
		}
	}
}

const everywhere = ` --profile --debug --debug-grpc --no-user-output --retry --cloud-id --folder-id --folder-name --endpoint --token
 --impersonate-service-account-id --no-browser --format --jq --query --region --pager --no-pager --timeout --print-metadata --syntax
 --cli-auto-prompt --no-cli-auto-prompt`

var reference = strings.ReplaceAll(`
iam create-token`+strings.ReplaceAll(everywhere, "\n", "")+`
iam create-id-token --subject-id --audience
iam revoke-token --iam-token
iam whoami
iam access-key create --service-account-id --service-account-name --description
iam access-key delete --id
iam access-key get (describe) (show) --id
iam access-key list --service-account-id --service-account-name --limit
iam access-key issue-ephemeral --subject-id --session-name --policy --duration
iam access-policy-template list --limit
iam access-analyzer list-subject-access-bindings --organization-id --subject-id --limit
iam subject-details get (describe) (show) --subject-id --field-mask --organization-id
iam subject-details batch-get --subject-ids --field-mask --organization-id --filter
iam subject-details list --field-mask --organization-id --filter --limit
iam api-key create --service-account-id --service-account-name --description --scope --scopes --expires-at
iam api-keys delete --id
iam api-key get --id
iam api-key list --service-account-id --service-account-name --limit
iam api-key list-scopes --limit
iam api-key update --id --description --scopes --expires-at --async
iam key create --output -o --service-account-id --service-account-name --description --algorithm
iam key delete --id
iam key get --id
iam key list --service-account-id --service-account-name --limit
iam oauth-client create --name --redirect-uris --scopes --folder-id --async
iam oauth-client delete --id --name --async
iam oauth-client get --id --name
iam oauth-client list --folder-id --limit
iam oauth-client list-profiles
iam oauth-client update --id --name --new-name --redirect-uris --scopes --async
iam oauth-client-secret create --oauth-client-id --oauth-client-name --description --output --async
iam oauth-client-secret delete --id
iam oauth-client-secret get --id
iam oauth-client-secret list --oauth-client-id --oauth-client-name
iam refresh-token list --subject-id --client-id --client-instance-info --protection-level --limit
iam refresh-token revoke --refresh-token --refresh-token-id --subject-id --client-id --client-instance-info --async -y --yes
iam role get --id
iam role list --limit
iam user-accounts get (describe) (show) --id --login
iam service-accounts create --name --description --labels --async --expires-at
iam service-account update --id --name --new-name --description --labels --async
iam service-account delete --id --name --async
iam service-account get (describe) (show) --id --name
iam service-account list --limit
iam service-account list-operations --id --name --limit
iam service-account suspend --id --name --async
iam service-account reactivate --id --name --async
iam service-account add-labels --id --name --labels --async
iam service-account remove-labels --id --name --labels --async
iam service-account add-access-binding BINDING
iam service-account remove-access-binding BINDING
iam service-account list-access-bindings --id --name --limit
iam service-account set-access-bindings --id --name --access-binding --async -y --yes
iam service-control enable --id --async
iam service-control disable --id --async
iam service-control get --id
iam service-control list --limit
resource cloud create --name --organization-id --description --labels
resource-manager clouds update --id --name --new-name --description --labels --async
resource-manager cloud delete --id --name --delete-after --async
resource-manager cloud get (describe) (show) --id --name
resource-manager cloud list --limit --organization-id
resource-manager cloud list-operations --id --name --limit
resource-manager cloud add-labels --id --name --labels --async
resource-manager cloud remove-labels --id --name --labels --async
resource-manager cloud add-access-binding BINDING
resource-manager cloud remove-access-binding BINDING
resource-manager cloud list-access-bindings --id --name --limit
resource-manager cloud set-access-bindings --id --name --access-binding --async -y --yes
resource-manager cloud bind-access-policy --id --name --access-policy-template-id --async
resource-manager cloud unbind-access-policy --id --name --access-policy-template-id --async
resource-manager cloud list-access-policy-bindings --id --name --limit
resource-manager folders create --name --description --labels --async
resource-manager folder update --id --name --new-name --description --labels --async
resource-manager folder delete --id --name --delete-after --async
resource-manager folder get (describe) (show) --id --name
resource-manager folder list --limit
resource-manager folder list-operations --id --name --limit
resource-manager folder add-labels --id --name --labels --async
resource-manager folder remove-labels --id --name --labels --async
resource-manager folder add-access-binding BINDING
resource-manager folder remove-access-binding BINDING
resource-manager folder list-access-bindings --id --name --limit
resource-manager folder set-access-bindings --id --name --access-binding --async -y --yes
resource-manager folder bind-access-policy --id --name --access-policy-template-id --async
resource-manager folder unbind-access-policy --id --name --access-policy-template-id --async
resource-manager folder list-access-policy-bindings --id --name --limit
organization-manager organizations get (describe) (show) --id --name
organization-manager organization list --limit
organization-manager organization update --id --name --new-name --description --title --labels --async
organization-manager organization leave --id --name --async -y --yes
organization-manager organization list-operations --id --name --limit
organization-manager organization add-labels --id --name --labels --async
organization-manager organization remove-labels --id --name --labels --async
organization-manager organization add-access-binding BINDING
organization-manager organization remove-access-binding BINDING
organization-manager organization list-access-bindings --id --name --limit
organization-manager organization set-access-bindings --id --name --access-binding --async -y --yes
organization-manager organization bind-access-policy --id --name --access-policy-template-id --async
organization-manager organization unbind-access-policy --id --name --access-policy-template-id --async
organization-manager organization list-access-policy-bindings --id --name --limit
organization-manager groups create --name --description --organization-id --async
organization-manager group get --id --name --organization-id
organization-manager group list --organization-id --limit
organization-manager group update --id --name --new-name --description --organization-id --async
organization-manager group delete --id --name --organization-id --async
organization-manager group add-members --id --name --subject-id --organization-id --async
organization-manager group remove-members --id --name --subject-id --organization-id --async
organization-manager group list-members --id --name --organization-id --limit
organization-manager group list-effective --subject-id --organization-id --limit
organization-manager group list-operations --id --name --organization-id --limit
organization-manager group add-labels --id --name --labels --organization-id
organization-manager group remove-labels --id --name --labels --organization-id
organization-manager group add-access-binding BINDING --organization-id
organization-manager group remove-access-binding BINDING --organization-id
organization-manager group list-access-bindings --id --name --organization-id --limit
organization-manager group set-access-bindings --id --name --access-binding --organization-id --async -y --yes
organization-manager user list --organization-id --limit
organization-manager user remove --organization-id --subject-id --async
quota-manager quota-limit get --resource-id --resource-type --quota-id
quota-manager quota-limit list --resource-id --resource-type --service
quota-manager quota-limit list-services --resource-type
quota-manager quota-request create --resource-id --resource-type --desired-limit --async
quota-manager quota-request get --id
quota-manager quota-request list --resource-id --resource-type --filter --limit
quota-manager quota-request list-operations --id --limit
quota-manager quota-request cancel --id --quota-id --async
operation get
operation v0 wait
iam v0 role list
iam v1 service-account list
resource-manager v1 cloud list
organization-manager v0 group list
quota-manager v0 quota-limit list
config v0 list
config profile activate
config profile create
config profile delete
config profile get
config profile list
config get
config set
config unset
init --endpoint --federation-id --no-browser
version
completion
`, "BINDING", "--id --name --role --service-account-id --service-account-name --user-account-id --user-yandex-login --agent --all-authenticated-users --group-members --organization-users --federation-users --subject --async")
