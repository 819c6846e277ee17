package web_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The programs of the town, by their client ids.
//
//	yc.oauth.public-sdk  asks each time, may do everything
//	reports              asks for what was not allowed before
//	trusted              was allowed all before
//	closed               lets nobody in
//	native               has a scheme of its own
//	odd                  a name that means harm
const reports = "aje0client000reports"

func program(id string) *propuskpb.OAuthProgram {
	p := &propuskpb.OAuthProgram{ClientId: id, OrganizationId: "bpf0wonderland000001", OrganizationName: "Wonderland", RedirectOrigin: "https://app.example.com"}
	switch id {
	case oauthclient.PublicSDK:
		return &propuskpb.OAuthProgram{ClientId: id, Name: id, RedirectOrigin: "http://127.0.0.1:42121", OnThisMachine: true}
	case reports:
		p.Name = "Reports of the Queen"
	case "trusted", "closed":
		p.Name = "Croquet"
	case "native":
		p.Name, p.RedirectOrigin = "Looking-glass", "com.example.app:"
	case "odd":
		p.Name, p.OrganizationName = harm, harm
	default:
		return nil
	}
	return p
}

// addresses are where a program may be answered.
func addresses(id string) []string {
	own := map[string]string{oauthclient.PublicSDK: "http://127.0.0.1:42121/auth/callback", "native": "com.example.app:/back", "trusted": "https://app.example.com/back?tenant=1"}[id]
	if own == "" {
		own = "https://app.example.com/back"
	}
	return []string{own}
}

// isOf tells whether a program may be answered at an address: one of those above,
// or where it listens for real.
func (g *town) isOf(id, address string) bool {
	return slices.Contains(addresses(id), address) || slices.Contains(g.listening, address)
}

func back(a *propuskpb.Authorization, pairs ...string) string {
	q := url.Values{"iss": {"https://iam.example.com"}}
	if s := a.GetState(); s != "" {
		q.Set("state", s)
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	if strings.Contains(a.GetRedirectUri(), "?") {
		return a.GetRedirectUri() + "&" + q.Encode()
	}
	return a.GetRedirectUri() + "?" + q.Encode()
}

func (g *town) oauthActs() map[string]act {
	return map[string]act{
		propuskpb.AuthorizationService_Check_FullMethodName:   actOf(&propuskpb.CheckAuthorizationRequest{}, g.checkAuthorization),
		propuskpb.AuthorizationService_Prepare_FullMethodName: actOf(&propuskpb.PrepareAuthorizationRequest{}, g.prepare),
		propuskpb.AuthorizationService_Allow_FullMethodName: actOf(&propuskpb.AllowAuthorizationRequest{}, func(m *propuskpb.AllowAuthorizationRequest) (proto.Message, error) {
			if m.GetAuthorization().GetState() == "astray" {
				return &propuskpb.AllowAuthorizationResponse{Location: "https://evil.example/?code=x"}, nil
			}
			g.made++
			return &propuskpb.AllowAuthorizationResponse{Location: back(m.GetAuthorization(), "code", fmt.Sprint("code-", g.made))}, nil
		}),
		propuskpb.AuthorizationService_ListPrograms_FullMethodName: actOf(&propuskpb.ListProgramsRequest{}, func(m *propuskpb.ListProgramsRequest) (proto.Message, error) {
			list := g.programs[m.GetSession()]
			if m.GetPageToken() == "" && len(list) > 2 && m.GetPageSize() < 1000 {
				return &propuskpb.ListProgramsResponse{Programs: list[:2], NextPageToken: "more"}, nil
			}
			if m.GetPageToken() == "more" {
				list = list[2:]
			}
			return &propuskpb.ListProgramsResponse{Programs: list}, nil
		}),
		propuskpb.AuthorizationService_RemoveProgram_FullMethodName: actOf(&propuskpb.RemoveProgramRequest{}, func(m *propuskpb.RemoveProgramRequest) (proto.Message, error) {
			list := g.programs[m.GetSession()]
			i := slices.IndexFunc(list, func(p *propuskpb.AllowedProgram) bool { return p.GetProgram().GetClientId() == m.GetClientId() })
			if i < 0 {
				return nil, iam.Errorf(iam.NotFound, "Program %s not found", m.GetClientId())
			}
			g.programs[m.GetSession()] = slices.Delete(slices.Clone(list), i, i+1)
			return &propuskpb.RemoveProgramResponse{}, nil
		}),
		propuskpb.AuthorizationService_SignOutTarget_FullMethodName: actOf(&propuskpb.SignOutTargetRequest{}, func(m *propuskpb.SignOutTargetRequest) (proto.Message, error) {
			to := m.GetPostLogoutRedirectUri()
			switch {
			case to == "":
				return &propuskpb.SignOutTargetResponse{Program: program(m.GetClientId())}, nil
			case program(m.GetClientId()) == nil || !g.isOf(m.GetClientId(), to):
				return nil, iam.InvalidField("post_logout_redirect_uri", "is not one of the client's")
			}
			if m.GetState() != "" {
				to += "?state=" + url.QueryEscape(m.GetState())
			}
			return &propuskpb.SignOutTargetResponse{Location: to, Program: program(m.GetClientId())}, nil
		}),
		propuskpb.DeviceService_Find_FullMethodName: actOf(&propuskpb.FindDeviceRequest{}, func(m *propuskpb.FindDeviceRequest) (proto.Message, error) {
			return g.device(m.GetUserCode())
		}),
		propuskpb.DeviceService_Decide_FullMethodName: actOf(&propuskpb.DecideDeviceRequest{}, func(m *propuskpb.DecideDeviceRequest) (proto.Message, error) {
			d, err := g.device(m.GetUserCode())
			if err == nil {
				g.decided[d.GetUserCode()] = m.GetAllow()
			}
			return &propuskpb.DecideDeviceResponse{}, err
		}),
	}
}

func (g *town) checkAuthorization(m *propuskpb.CheckAuthorizationRequest) (proto.Message, error) {
	a := m.GetAuthorization()
	p := program(a.GetClientId())
	switch {
	case p == nil:
		return nil, iam.InvalidField("authorization.client_id", "no such client")
	case !g.isOf(a.GetClientId(), a.GetRedirectUri()):
		return nil, iam.InvalidField("authorization.redirect_uri", "is not one of the client's")
	case len(a.GetNonce()) > 1000:
		return nil, iam.InvalidField("authorization.nonce", "must be at most 1000 characters long")
	}
	out := &propuskpb.CheckAuthorizationResponse{Program: p}
	switch {
	case len(a.GetUnsupported()) > 0:
		out.RefusalLocation = back(a, "error", a.GetUnsupported()[0]+"_not_supported")
	case a.GetResponseType() != "code":
		out.RefusalLocation = back(a, "error", "unsupported_response_type")
	case a.GetPrompt() == "none":
		out.LoginRequiredLocation = back(a, "error", "login_required")
	}
	return out, nil
}

func (g *town) prepare(m *propuskpb.PrepareAuthorizationRequest) (proto.Message, error) {
	a := m.GetAuthorization()
	out := &propuskpb.PrepareAuthorizationResponse{Next: propuskpb.PrepareAuthorizationResponse_ASK, Scopes: iam.ScopesOf(a.GetScope()), DeniedLocation: back(a, "error", "access_denied")}
	out.NewScopes = out.Scopes
	switch a.GetClientId() {
	case oauthclient.PublicSDK:
		out.FullAccess = true
	case "trusted":
		out.Next, out.NewScopes = propuskpb.PrepareAuthorizationResponse_ALLOWED, nil
	case reports:
		out.NewScopes = slices.DeleteFunc(slices.Clone(out.Scopes), func(s string) bool { return s == "openid" })
	case "closed":
		if a.GetState() == "page" {
			return nil, iam.Errorf(iam.PermissionDenied, "Not a member")
		}
		return &propuskpb.PrepareAuthorizationResponse{Next: propuskpb.PrepareAuthorizationResponse_REFUSED, RefusalLocation: back(a, "error", "access_denied")}, nil
	}
	out.Offline = slices.Contains(out.Scopes, "offline_access")
	if since := m.GetSignedInSince(); (a.GetPrompt() == "login" || a.GetPrompt() == "select_account") && (since == nil || g.began[m.GetSession()].Before(since.AsTime())) {
		return &propuskpb.PrepareAuthorizationResponse{Next: propuskpb.PrepareAuthorizationResponse_SIGN_IN}, nil
	}
	return out, nil
}

// device finds the device that waits; "too many" stands for one guess too many.
func (g *town) device(code string) (*propuskpb.DeviceRequest, error) {
	spelled := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
	if spelled == "TOOMANY" {
		return nil, &iam.Error{Kind: iam.ResourceExhausted, Message: "Too many attempts", RetryAfter: time.Minute}
	}
	if spelled == "CLOSED" {
		return nil, iam.OAuthError(iam.OAuthAccessDenied, "not a member")
	}
	d := &propuskpb.DeviceRequest{Program: program(oauthclient.PublicSDK), UserCode: "BCDF-GHJK", Scopes: []string{"openid", "offline_access"}, FullAccess: true, Offline: true,
		Address: "203.0.113.7", ClientInstanceInfo: "yc/0.141.0 linux/amd64", CreatedAt: at(40 * time.Second), ExpiresAt: at(-9 * time.Minute)}
	if spelled == "DDDDDDDD" {
		d = &propuskpb.DeviceRequest{Program: program("odd"), UserCode: "DDDD-DDDD", Scopes: []string{harm}, ClientInstanceInfo: harm, Address: "198.51.100.9", CreatedAt: at(0), ExpiresAt: at(0)}
	} else if spelled == "RSTVWXZB" {
		d.UserCode = "RSTV-WXZB"
	} else if spelled != "BCDFGHJK" {
		return nil, iam.Errorf(iam.NotFound, "Device code not found")
	}
	if _, answered := g.decided[d.GetUserCode()]; answered {
		return nil, iam.Errorf(iam.NotFound, "Device code not found")
	}
	return d, nil
}

// allowedPrograms are what a person has allowed before.
func allowedPrograms(login string) []*propuskpb.AllowedProgram {
	if login == "nobody" {
		return nil
	}
	return []*propuskpb.AllowedProgram{
		{Program: program(oauthclient.PublicSDK), Scopes: []string{"openid"}, AllowedAt: at(60 * day), LastUsedAt: at(day), RefreshTokens: 2},
		{Program: program(reports), Scopes: []string{"openid", "email", "reports.read"}, AllowedAt: at(5 * day)},
		{Program: program("odd"), Scopes: []string{harm}, AllowedAt: at(2 * day), LastUsedAt: timestamppb.New(today)},
	}
}

// now is the town's time.
func (g *town) now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return today.Add(g.ahead)
}

// wait lets time go by.
func (g *town) wait(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ahead += d
}
