package iam

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed services.yaml
var servicesFile []byte

// knownService is a service that a cloud can use.
type knownService struct {
	ID            string   `yaml:"id"`
	Default       bool     `yaml:"default"`
	Microservices []string `yaml:"microservices"` // each has an agent
}

// knownServices are the services of services.yaml, ordered by id.
var knownServices = mustReadServices(servicesFile)

// mustReadServices reads what is compiled in; a fault in it is a fault of the
// program.
func mustReadServices(text []byte) []knownService {
	services, err := readServices(text)
	if err != nil {
		panic("services.yaml: " + err.Error())
	}
	return services
}

func readServices(text []byte) ([]knownService, error) {
	var file struct {
		Services []knownService `yaml:"services"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	all := file.Services
	slices.SortFunc(all, func(a, b knownService) int { return strings.Compare(a.ID, b.ID) })
	for i, s := range all {
		if s.ID == "" || i > 0 && all[i-1].ID == s.ID {
			return nil, fmt.Errorf("service %q has no id, or stands there twice", s.ID)
		}
		for _, m := range s.Microservices {
			// An agent is named after both; names of accounts take 63 characters.
			if m == "" || len(s.ID)+len(m) > 50 {
				return nil, fmt.Errorf("service %s: microservice %q has no name, or one too long", s.ID, m)
			}
		}
	}
	return all, nil
}

func findService(id string) (knownService, bool) {
	i, found := slices.BinarySearchFunc(knownServices, id, func(s knownService, id string) int { return strings.Compare(s.ID, id) })
	if !found {
		return knownService{}, false
	}
	return knownServices[i], true
}
