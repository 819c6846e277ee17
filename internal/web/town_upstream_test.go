package web_test

import (
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// providerAddress is where the town's provider is; a browser never gets there.
const providerAddress = "https://provider.example/authorize?x=y&state=us1.state"

// upstreamActs are a provider of the town: its codes say how it ends.
func (g *town) upstreamActs() map[string]act {
	journey := func(provider, browser string) (proto.Message, error) {
		if provider == "away" {
			return nil, &iam.Error{Kind: iam.Unavailable, Reason: "provider_away", Message: "evil"}
		}
		return &propuskpb.UpstreamJourney{Url: providerAddress, Browser: browser, ExpiresAt: at(-10 * 60e9)}, nil
	}
	return map[string]act{
		propuskpb.UpstreamService_Begin_FullMethodName: actOf(&propuskpb.BeginUpstreamRequest{}, func(m *propuskpb.BeginUpstreamRequest) (proto.Message, error) {
			answer, err := journey(m.GetProvider(), "ub1.sign-in")
			if j, ok := answer.(*propuskpb.UpstreamJourney); ok && m.GetAnew() {
				j.Url += "&prompt=login"
			}
			return answer, err
		}),
		propuskpb.UpstreamService_Finish_FullMethodName: actOf(&propuskpb.FinishUpstreamRequest{}, func(m *propuskpb.FinishUpstreamRequest) (proto.Message, error) {
			a := m.GetAnswer()
			if a.GetBrowser() != "ub1.sign-in" || a.GetState() != "us1.state" {
				return nil, &iam.Error{Kind: iam.Unauthenticated, Reason: "journey_ended", Message: "evil"}
			}
			if a.GetCode() == "alice" {
				return g.open("alice", m.GetClient()), nil
			}
			kind := iam.Unauthenticated
			if a.GetCode() == "account_suspended" {
				kind = iam.FailedPrecondition
			}
			return nil, &iam.Error{Kind: kind, Reason: a.GetCode() + a.GetError(), Message: "evil"}
		}),
		propuskpb.UpstreamService_List_FullMethodName: actOf(&propuskpb.ListConnectionsRequest{}, func(*propuskpb.ListConnectionsRequest) (proto.Message, error) {
			return &propuskpb.ListConnectionsResponse{HasPassword: true, Others: []*propuskpb.UpstreamProvider{{Id: "two", Title: "Two"}},
				Connections: []*propuskpb.Connection{{Provider: "one", Title: harm, Id: "https://one.example", Email: "alice@one.example", CreatedAt: at(day)},
					{Id: "https://gone.example", CreatedAt: at(day)}}}, nil
		}),
		propuskpb.UpstreamService_BeginConnection_FullMethodName: actOf(&propuskpb.BeginConnectionRequest{}, func(m *propuskpb.BeginConnectionRequest) (proto.Message, error) {
			if err := same(m.GetPassword()); err != nil {
				return nil, err
			}
			return journey(m.GetProvider(), "ub1.connect")
		}),
		propuskpb.UpstreamService_FinishConnection_FullMethodName: actOf(&propuskpb.FinishConnectionRequest{}, func(m *propuskpb.FinishConnectionRequest) (proto.Message, error) {
			if m.GetAnswer().GetCode() == "taken" {
				return nil, iam.Errorf(iam.AlreadyExists, "evil")
			}
			return &propuskpb.FinishConnectionResponse{}, nil
		}),
		propuskpb.UpstreamService_Disconnect_FullMethodName: actOf(&propuskpb.DisconnectRequest{}, func(m *propuskpb.DisconnectRequest) (proto.Message, error) {
			if m.GetConnectionId() == "https://gone.example" {
				return nil, &iam.Error{Kind: iam.FailedPrecondition, Reason: "last_way_in", Message: "evil"}
			}
			return &propuskpb.DisconnectResponse{}, same(m.GetPassword())
		}),
	}
}
