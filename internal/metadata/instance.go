package metadata

import (
	"net/netip"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// Instance is what an address tells of its machine. Empty fields have no key.
type Instance struct {
	ID, Name, Hostname, Description string
	Zone                            string // such as ru-central1-a
	CloudID, FolderID               string
	LocalIPv4, PublicIPv4, MAC      string
	Attributes                      map[string]string
	Labels                          map[string]string
	UserData                        []byte
}

const (
	longestValue   = 256 << 10 // of an attribute [API fact: 256 KB of metadata]
	mostAttributes = 128
	// LongestUserData bounds user data, in bytes.
	LongestUserData = longestValue
)

func (i *Instance) check() error {
	for name, v := range map[string]string{"id": i.ID, "name": i.Name, "hostname": i.Hostname, "zone": i.Zone,
		"cloud-id": i.CloudID, "folder-id": i.FolderID, "mac": i.MAC} {
		if len(v) > 255 || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '/' }) {
			return iam.InvalidField("instance."+name, "must be at most 255 printable characters without spaces, quotes and slashes")
		}
	}
	if len(i.Description) > 1024 {
		return iam.InvalidField("instance.description", "must be at most 1024 bytes")
	}
	for name, v := range map[string]string{"local-ipv4": i.LocalIPv4, "public-ipv4": i.PublicIPv4} {
		if a, err := netip.ParseAddr(v); v != "" && (err != nil || !a.Is4()) {
			return iam.InvalidField("instance."+name, "%q is no IPv4 address", v)
		}
	}
	for name, m := range map[string]map[string]string{"attributes": i.Attributes, "labels": i.Labels} {
		if len(m) > mostAttributes {
			return iam.InvalidField("instance."+name, "must be at most %d", mostAttributes)
		}
		for k, v := range m {
			if !validKey(k) {
				return iam.InvalidField("instance."+name, "%q is no key: 1 to 128 letters, digits, dashes, dots and underscores", k)
			}
			if len(v) > longestValue {
				return iam.InvalidField("instance."+name, "%s is longer than %d bytes", k, longestValue)
			}
		}
	}
	if len(i.UserData) > LongestUserData {
		return iam.InvalidField("instance.user-data", "must be at most %d bytes", LongestUserData)
	}
	return nil
}

// validKey keeps a key one segment of a path in its one spelling.
func validKey(k string) bool {
	return len(k) >= 1 && len(k) <= 128 && k != "." && k != ".." && !strings.ContainsFunc(k, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// region is the zone without its last part.
func (i *Instance) region() string {
	if n := strings.LastIndexByte(i.Zone, '-'); n > 0 {
		return i.Zone[:n]
	}
	return ""
}

// document is the identity document, unsigned: there is nobody here whose
// signature a verifier could look up.
func (i *Instance) document() any {
	if i.ID == "" {
		return nil
	}
	return struct {
		InstanceID string   `json:"instanceId"`
		Codes      []string `json:"productCodes"`
		CloudID    string   `json:"cloudId,omitempty"`
		FolderID   string   `json:"folderId,omitempty"`
		Zone       string   `json:"zoneId,omitempty"`
		Version    string   `json:"version"`
	}{InstanceID: i.ID, CloudID: i.CloudID, FolderID: i.FolderID, Zone: i.Zone, Version: "2023-03-01"}
}
