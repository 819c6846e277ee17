package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// kubeconfig is a kubectl config, as far as one cluster needs it.
type kubeconfig struct {
	Version  string        `yaml:"apiVersion"`
	Kind     string        `yaml:"kind"`
	Clusters []kubeCluster `yaml:"clusters"`
	Users    []kubeUser    `yaml:"users"`
	Contexts []kubeContext `yaml:"contexts"`
	Current  string        `yaml:"current-context"`
}

type kubeCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		Server string `yaml:"server"`
		CA     string `yaml:"certificate-authority-data,omitempty"`
	} `yaml:"cluster"`
}

type kubeUser struct {
	Name string `yaml:"name"`
	User struct {
		Exec kubeExec `yaml:"exec"`
	} `yaml:"user"`
}

type kubeExec struct {
	Version     string   `yaml:"apiVersion"`
	Command     string   `yaml:"command"`
	Args        []string `yaml:"args"`
	Interactive string   `yaml:"interactiveMode"`
	ClusterInfo bool     `yaml:"provideClusterInfo"`
}

type kubeContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

// clusterName matches names of clusters; contexts put words before them.
const clusterName = `^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$`

// printKubeconfig prints the config with which kubectl signs in at a cluster by
// the profile's IAM tokens. It touches no file: kubectl reads several at once.
func printKubeconfig() command {
	return command{verb: "print-kubeconfig", summary: "print a kubeconfig by which kubectl signs in at a cluster with IAM tokens; $KUBECONFIG names several such files", flags: func(f *flag.FlagSet) action {
		name := f.String("name", "", "name of the cluster")
		server := f.String("server", "", "URL of the cluster's API, such as https://10.0.0.1:6443")
		ca := f.String("certificate-authority", "", "PEM file of the authority that signed the API's certificate; otherwise the system's")
		program := f.String("command", "", "this program as kubectl is to call it; otherwise its path")
		return func(_ context.Context, s *session, _ []string) error {
			if !regexp.MustCompile(clusterName).MatchString(*name) {
				return misuse("--name: letters, digits, dashes, dots and underscores are allowed, 63 at most")
			}
			at, err := url.Parse(*server)
			if err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" {
				return misuse("--server: %q is no URL of a cluster's API: https://host:port is expected, for a token does not travel without TLS", printable(*server))
			}
			authority, err := authorityData(*ca)
			if err != nil {
				return err
			}
			if *program == "" {
				if *program, err = os.Executable(); err != nil {
					return fmt.Errorf("find this program's path: %w; say it by --command", err)
				}
			}
			text, err := yaml.Marshal(s.kubeconfig(*name, *server, authority, *program))
			if err != nil {
				return err
			}
			_, err = s.env.Stdout.Write(text)
			return err
		}
	}}
}

// kubeconfig has entries named as the public tool names them [API fact].
func (s *session) kubeconfig(name, server, authority, program string) kubeconfig {
	name = "yc-managed-k8s-" + name
	cluster, user, in := kubeCluster{Name: name}, kubeUser{Name: name}, kubeContext{Name: name}
	cluster.Cluster.Server, cluster.Cluster.CA = server, authority
	in.Context.Cluster, in.Context.User = name, name
	args := []string{"k8s", "create-token"}
	if s.profiles != nil && s.profiles.Has(s.profileName) {
		args = append(args, "--profile="+s.profileName)
	}
	if s.configSaid() {
		args = append(args, "--config="+absolute(s.configPath))
	}
	user.User.Exec = kubeExec{Version: execDefault, Command: program, Args: args, Interactive: "IfAvailable"}
	return kubeconfig{Version: "v1", Kind: "Config", Clusters: []kubeCluster{cluster}, Users: []kubeUser{user}, Contexts: []kubeContext{in}, Current: name}
}

// configSaid tells whether the file of profiles is another than kubectl's own
// environment would lead to.
func (s *session) configSaid() bool {
	other := session{env: &Environment{Environ: s.env.Environ}}
	usual, err := other.configFile()
	return s.configPath != "" && (err != nil || usual != s.configPath || s.env.variable(envConfig) != "")
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func authorityData(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &Misuse{fmt.Errorf("--certificate-authority: %w", err)}
	}
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return "", &Misuse{errors.New("--certificate-authority: the file holds a private key: certificates alone are expected")}
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return "", misuse("--certificate-authority: %s holds no certificate", path)
	}
	return base64.StdEncoding.EncodeToString(text), nil
}
