package server

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// AccessCaller is a service that asks on the access listener.
type AccessCaller struct {
	Name           string   `yaml:"name"`
	Certificate    string   `yaml:"certificate,omitempty"`     // a DNS name, URI or common name in its certificate
	ServiceAccount string   `yaml:"service-account,omitempty"` // id of the account whose IAM token it sends
	Types          []string `yaml:"types"`                     // of resource that it may ask about
}

// String is the form that flags and the environment take.
func (a AccessCaller) String() string {
	words := []string{"name=" + a.Name}
	if a.Certificate != "" {
		words = append(words, "certificate="+a.Certificate)
	}
	if a.ServiceAccount != "" {
		words = append(words, "service-account="+a.ServiceAccount)
	}
	return strings.Join(append(words, "types="+strings.Join(a.Types, "|")), " ")
}

func parseAccessCaller(text string) (a AccessCaller, err error) {
	types := ""
	err = parsePairs(text, pair{"name", &a.Name}, pair{"certificate", &a.Certificate}, pair{"service-account", &a.ServiceAccount}, pair{"types", &types})
	if types != "" {
		a.Types = strings.Split(types, "|")
	}
	return a, err
}

// entries reads a list of mappings in the file: each as the text that a flag
// takes. needs says what one must hold.
func (l *loading) entries(path string, s setting, n *yaml.Node, needs string) {
	for _, item := range n.Content {
		item = deref(item)
		if item.Kind != yaml.MappingNode {
			l.bad(path, item, s.path, "an entry must hold "+needs)
			continue
		}
		var words []string
		for i := 0; i+1 < len(item.Content); i += 2 {
			key, value := item.Content[i], deref(item.Content[i+1])
			text, ok := value.Value, value.Kind == yaml.ScalarNode
			if (key.Value == "types" || s.value.Type() == providersType) && value.Kind == yaml.SequenceNode {
				text, ok = joinScalars(value)
			}
			if s.value.Type() == providersType {
				if !ok {
					l.bad(path, value, s.path+"."+key.Value, "must be a single text, or a list of such")
				}
				words = append(words, key.Value+"="+strconv.Quote(text))
				continue
			}
			if !ok || strings.ContainsAny(text, " \t\r\n") {
				problem := "must be a single text without spaces"
				if strings.HasSuffix(needs, "types") {
					problem += ", or a list of such in types"
				}
				l.bad(path, value, s.path+"."+key.Value, problem)
				continue
			}
			words = append(words, key.Value+"="+text)
		}
		l.put(s, strings.Join(words, " "), fromFile, fmt.Sprintf("%s:%d: %s", path, item.Line, s.path))
	}
}

func joinScalars(n *yaml.Node) (string, bool) {
	var all []string
	for _, v := range n.Content {
		if v = deref(v); v.Kind != yaml.ScalarNode {
			return "", false
		}
		all = append(all, v.Value)
	}
	return strings.Join(all, "|"), true
}

var (
	callerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	// A type as the catalogue of resource types has them.
	resourceType = regexp.MustCompile(`^[a-z][a-zA-Z0-9-]*\.[a-zA-Z][a-zA-Z0-9-]*$`)
)

// checkAccess judges the access listener: no door without a lock.
func (c *Config) checkAccess(dev bool, bad reporter) {
	if c.AccessListen != Off {
		if err := checkHostPort(c.AccessListen, true); err != nil {
			bad("access-listen", "%v", err)
		} else if !isLoopback(c.AccessListen) && dev {
			bad("access-listen", "%s is reachable from other machines, and `dev` believes everyone there: use a loopback address", c.AccessListen)
		} else if !isLoopback(c.AccessListen) && c.TLSCert == "" {
			bad("access-listen", "%s is reachable from other machines and has no TLS: give tls-cert and tls-key", c.AccessListen)
		}
	}
	if c.AccessClientCA != "" && c.TLSCert == "" && !dev {
		bad("access-client-ca", "certificates are shown over TLS only: give tls-cert and tls-key")
	}
	var names, marks []string
	for _, a := range c.AccessCallers {
		if !callerName.MatchString(a.Name) {
			bad("access-callers", "%q is not a name: lower-case letters, digits and dashes", a.Name)
		}
		if (a.Certificate == "") == (a.ServiceAccount == "") {
			bad("access-callers", "%s: either certificate or service-account must be given", a.Name)
		}
		if a.Certificate != "" && c.AccessClientCA == "" && !dev {
			bad("access-callers", "%s: a certificate can be proved only with access-client-ca", a.Name)
		}
		if len(a.Types) == 0 {
			bad("access-callers", "%s: no types", a.Name)
		}
		for _, t := range a.Types {
			if !resourceType.MatchString(t) {
				bad("access-callers", "%s: %q is not a type of resource such as ydb.database", a.Name, t)
			}
		}
		mark := "certificate " + certificateName(a.Certificate)
		if a.ServiceAccount != "" {
			mark = "service-account " + a.ServiceAccount
		}
		if slices.Contains(names, a.Name) || slices.Contains(marks, mark) {
			bad("access-callers", "%s: its name or its %s is another caller's", a.Name, mark)
		}
		names, marks = append(names, a.Name), append(marks, mark)
	}
}
