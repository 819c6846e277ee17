package metadata

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// longestSettings bounds the file, so that a wrong path (a device, a database) is
// an error and not an empty memory.
const longestSettings = 1 << 20

// ReadSettings reads a YAML file. Everything that is wrong with it is one
// *SettingsError. What the settings mean together is Check's to say.
func ReadSettings(path string) (*Settings, error) {
	text, err := readBounded(path, longestSettings)
	if err != nil {
		return nil, &SettingsError{[]string{"config file: " + err.Error()}}
	}
	return ParseSettings(path, text)
}

// ParseSettings is ReadSettings of what is in the file.
func ParseSettings(path string, text []byte) (*Settings, error) {
	r, s := &reader{path: path}, new(Settings)
	r.document(text, map[string]field{
		"endpoint": r.text(&s.Endpoint), "ca-file": r.text(&s.CAFile), "plaintext": r.boolean(&s.Plaintext),
		"exchange-url": r.text(&s.ExchangeURL), "debug-listen": r.text(&s.DebugListen),
		"minimum-life": r.scalar(func(v string) (err error) {
			s.MinimumLife, err = strconv.ParseFloat(v, 64)
			if err != nil || !(s.MinimumLife > 0 && s.MinimumLife <= 0.9) {
				err = fmt.Errorf("%q is no part of a life, above 0 and at most 0.9", v)
			}
			return err
		}),
		"recheck": r.duration(&s.Recheck), "key-life": r.duration(&s.KeyLife),
		"trusted-interfaces": r.texts(&s.TrustedInterfaces),
		"kubernetes": r.fields(map[string]field{"node": r.text(&s.Kubernetes.Node), "server": r.text(&s.Kubernetes.Server),
			"ca-file": r.text(&s.Kubernetes.CAFile), "token-file": r.text(&s.Kubernetes.TokenFile)}),
		"accounts": r.accounts(&s.Accounts),
		"listeners": r.list(func(n *yaml.Node, name string) {
			l := ListenerSettings{}
			r.listener(&l)(n, name)
			s.Listeners = append(s.Listeners, l)
		}),
	})
	if len(r.problems) > 0 {
		return nil, &SettingsError{r.problems}
	}
	return s, nil
}

func (r *reader) accounts(to *[]AccountSettings) field {
	return func(n *yaml.Node, name string) {
		r.each(n, name, func(key, value *yaml.Node, path string) {
			a := AccountSettings{Name: key.Value}
			r.fields(map[string]field{
				"service-account-key-file": r.text(&a.KeyFile), "token-file": r.text(&a.TokenFile), "token-type": r.text(&a.TokenType),
				"service-account-id": r.text(&a.ServiceAccountID), "metadata": r.text(&a.Upstream),
				"impersonate-service-account-id": r.text(&a.Impersonate),
			})(value, path)
			*to = append(*to, a)
		})
	}
}

func (r *reader) listener(l *ListenerSettings) field {
	return r.fields(map[string]field{
		"name": r.text(&l.Name), "listen": r.text(&l.Listen), "interfaces": r.texts(&l.Interfaces),
		"account": r.text(&l.Account), "hosts": r.texts(&l.Hosts), "function": r.boolean(&l.Function),
		"hop-limit":       r.number(&l.HopLimit, 1, 255),
		"max-connections": r.number(&l.MaxConnections, 1, 1<<16), "max-waiters": r.number(&l.MaxWaiters, 1, 1<<16),
		"accounts-by-address": func(n *yaml.Node, name string) {
			r.each(n, name, func(key, value *yaml.Node, path string) {
				from, err := networkOf(key.Value)
				if err != nil {
					r.bad(key, path, "%v", err)
				}
				route := AddressRoute{From: from}
				r.text(&route.Account)(value, path)
				l.ByAddress = append(l.ByAddress, route)
			})
		},
		"accounts-by-pod": func(n *yaml.Node, name string) {
			r.each(n, name, func(key, value *yaml.Node, path string) {
				route := PodRoute{}
				var ok bool
				if route.Namespace, route.ServiceAccount, ok = strings.Cut(key.Value, "/"); !ok || !kubernetesName(route.Namespace) || !kubernetesName(route.ServiceAccount) {
					r.bad(key, path, "%q is not namespace/service-account", key.Value)
				}
				r.text(&route.Account)(value, path)
				l.ByPod = append(l.ByPod, route)
			})
		},
		"annotated-pods": r.fields(map[string]field{"account": r.text(&l.Annotated.Account), "namespaces": r.texts(&l.Annotated.Namespaces)}),
		"options":        r.options(&l.Options),
		"instance":       r.instance(&l.Instance, &l.UserDataFile),
	})
}

// kubernetesName tells whether it could be a name there (RFC 1123 section 2.1).
func kubernetesName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
}

// networkOf reads an address or a network.
func networkOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/24", text)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits set after its mask; the network is %s", text, p.Masked())
	}
	return p, nil
}

func (r *reader) options(o *Options) field {
	position := func(to *Switch) field {
		return r.scalar(func(v string) (err error) { *to, err = ParseSwitch(v); return spoken(err) })
	}
	return r.fields(map[string]field{
		"gce-http-endpoint": position(&o.GCEEndpoint), "gce-http-token": position(&o.GCEToken),
		"aws-v1-http-endpoint": position(&o.AWSv1Endpoint), "aws-v1-http-token": position(&o.AWSv1Token),
		"aws-v2-http-endpoint": position(&o.AWSv2Endpoint), "aws-v2-http-token": position(&o.AWSv2Token),
	})
}

func (r *reader) instance(i *Instance, userData *string) field {
	return r.fields(map[string]field{
		"id": r.text(&i.ID), "name": r.text(&i.Name), "hostname": r.text(&i.Hostname), "description": r.text(&i.Description),
		"zone": r.text(&i.Zone), "cloud-id": r.text(&i.CloudID), "folder-id": r.text(&i.FolderID),
		"local-ipv4": r.text(&i.LocalIPv4), "public-ipv4": r.text(&i.PublicIPv4), "mac": r.text(&i.MAC),
		"attributes": r.table(&i.Attributes), "labels": r.table(&i.Labels), "user-data-file": r.text(userData),
	})
}

// readBounded reads a regular file of at most that many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, most)
	}
	return text, nil
}
