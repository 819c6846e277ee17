package sts

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// version is the only one that the protocol ever had.
const version = "2011-06-15"

// action is one that the protocol names.
type action struct {
	method string // of the gate
	decode func(given parameters, signed *propuskpb.SignedRequest, into proto.Message) error
	answer func(given parameters, response *gate.Response) any
}

var actions = map[string]*action{
	"AssumeRole":        {propuskpb.SecurityTokenService_AssumeRole_FullMethodName, decodeAssumeRole, answerAssumeRole},
	"GetCallerIdentity": {propuskpb.SecurityTokenService_GetCallerIdentity_FullMethodName, decodeGetCallerIdentity, answerGetCallerIdentity},
}

// action finds what is asked for. A request that names no version is refused,
// as AWS does: there is no telling what its writer had read.
func (p parameters) action() (*action, *refusal) {
	name, v := p["Action"], p["Version"]
	switch {
	case name == "":
		return nil, refuse(http.StatusBadRequest, "MissingAction", "The parameter Action is missing")
	case actions[name] == nil:
		return nil, refuse(http.StatusBadRequest, invalidAction, "There is no action "+shown(name)+" here: AssumeRole and GetCallerIdentity are served")
	case v != version:
		return nil, refuse(http.StatusBadRequest, invalidAction, "The parameter Version must be "+version)
	}
	return actions[name], nil
}

// Parameters of AssumeRole. The first are acted upon. RoleArn means nothing
// here, and so neither does the word that a role's owner may ask for besides.
var understood = []string{"Action", "Version", "RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId"}

// Those that AWS has and this server has not. Each limits the key, or makes it
// depend on something, or tells of somebody: a client that sends one counts on
// that, and a key without it would be more than was asked for.
var unserved = []string{"PolicyArns", "Tags", "TransitiveTagKeys", "SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts"}

// check refuses a parameter that would be lost in silence. What AWS knows as
// little as we do, such as a proxy's own, is ignored, as AWS does.
func (p parameters) check() error {
	for name, value := range p {
		base, _, _ := strings.Cut(name, ".")
		if value == "" && slices.Contains(unserved, base) {
			continue // SDKs spell an empty list so
		}
		if slices.Contains(understood, name) {
			continue
		}
		like := func(known string) bool { return strings.EqualFold(known, base) }
		switch {
		case slices.ContainsFunc(unserved, like):
			return refusedParameter("The parameter %s is not served: a key would not be limited by it", shown(name))
		case slices.ContainsFunc(understood, like):
			return refusedParameter("The parameter %s is spelled otherwise, letter case included", shown(name))
		}
	}
	if value, given := p["Policy"]; given && value == "" {
		return iam.InvalidField("policy", "it is empty: leave it out, or say what the key may do")
	}
	return nil
}

func refusedParameter(format string, args ...any) error {
	e := iam.Errorf(iam.InvalidArgument, format, args...)
	e.Reason = reasonParameter
	return e
}

func decodeAssumeRole(given parameters, signed *propuskpb.SignedRequest, into proto.Message) error {
	if err := given.check(); err != nil {
		return err
	}
	m := into.(*propuskpb.AssumeRoleRequest)
	m.Request, m.RoleArn, m.RoleSessionName, m.Policy = signed, given["RoleArn"], given["RoleSessionName"], given["Policy"]
	text, said := given["DurationSeconds"]
	if !said {
		return nil
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil || seconds == 0 {
		return iam.InvalidField("duration_seconds", "must be a whole number from 900 to 43200")
	}
	m.DurationSeconds = int64(seconds)
	return nil
}

func decodeGetCallerIdentity(_ parameters, signed *propuskpb.SignedRequest, into proto.Message) error {
	into.(*propuskpb.GetCallerIdentityRequest).Request = signed
	return nil
}
