// Cluster is a real Kubernetes API server, the etcd that it keeps its objects in,
// and kubectl, in one program, since most of what they are built of is the same.
package main

import (
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	word := ""
	if len(os.Args) > 1 {
		word = os.Args[1]
		os.Args = os.Args[1:]
	}
	switch word {
	case "etcd":
		if err := etcd(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			os.Exit(1)
		}
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	case "kubectl":
		os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: cluster etcd FOLDER URL PEER-URL | kube-apiserver … | kubectl …")
		os.Exit(2)
	}
}

// etcd keeps its data in a folder and answers at a URL until a signal ends it.
func etcd(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("folder, URL and peers' URL are expected")
	}
	at, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	peers, err := url.Parse(args[2])
	if err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.UnsafeNoFsync = args[0], "error", true
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{*at}, []url.URL{*at}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	select {
	case <-end:
		return nil
	case err := <-e.Err():
		return err
	}
}
