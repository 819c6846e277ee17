package web_test

import (
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/iam"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

const goodInvitation = "invitation-of-carol"

// joinActs are those of people who cannot sign in yet, or not any more.
func (g *town) joinActs() map[string]act {
	over := iam.Errorf(iam.Unauthenticated, "The invitation was used, has expired or was taken back")
	return map[string]act{
		propuskpb.JoinService_GetInvitation_FullMethodName: actOf(&propuskpb.GetInvitationRequest{}, func(m *propuskpb.GetInvitationRequest) (proto.Message, error) {
			if m.GetInvitation() != goodInvitation {
				return nil, over
			}
			return &propuskpb.Invitation{Email: "carol@example.com", Name: harm, ExpiresAt: at(-day), Organizations: []*propuskpb.AccountOrganization{
				{Id: "bpf0wonderland000001", Name: "wonderland", Title: "Wonderland"}, {Id: "bpf0odd0000000000003", Name: "odd", Title: harm}}}, nil
		}),
		propuskpb.JoinService_AcceptInvitation_FullMethodName: actOf(&propuskpb.AcceptInvitationRequest{}, func(m *propuskpb.AcceptInvitationRequest) (proto.Message, error) {
			if m.GetLogin() == "alice" {
				e := iam.InvalidField("login", "somebody has this login")
				e.Reason = "login_taken"
				return nil, e
			}
			if err := fresh(m.GetNewPassword()); err != nil {
				return nil, err
			}
			return g.open(m.GetLogin(), m.GetClient()), nil
		}),
		propuskpb.JoinService_AskSignUp_FullMethodName: actOf(&propuskpb.AskSignUpRequest{}, func(m *propuskpb.AskSignUpRequest) (proto.Message, error) {
			if m.GetEmail() == "x@evil.example" {
				e := iam.InvalidField("email", "is not of a domain whose people may make accounts here")
				e.Reason = "email_domain"
				return nil, e
			}
			return &propuskpb.AskSignUpResponse{}, nil
		}),
		propuskpb.JoinService_AskReset_FullMethodName: actOf(&propuskpb.AskResetRequest{}, func(*propuskpb.AskResetRequest) (proto.Message, error) {
			return &propuskpb.AskResetResponse{}, nil
		}),
	}
}
