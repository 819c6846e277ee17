package gate

import "strings"

// services are the names of the services in audit events, by the part of a
// method's package that tells them apart [API fact: event_source].
var services = map[string]string{
	"iam": "iam", "resourcemanager": "resourcemanager", "organizationmanager": "organizationmanager",
	"operation": "operation", "endpoint": "endpoint",
	"servicecontrol": "iam", "accessservice": "iam",
}

// readEvent names the event of a refused read from its method:
// "/yandex.cloud.iam.v1.KeyService/Get" becomes "iam.GetKey".
func readEvent(method string) string {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return "propusk." + method
	}
	parts := strings.Split(service, ".")
	source := "propusk"
	for _, p := range parts {
		if s, ok := services[p]; ok {
			source = s
			break
		}
	}
	return source + "." + name + strings.TrimSuffix(parts[len(parts)-1], "Service")
}
