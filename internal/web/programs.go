package web

import (
	"net/http"

	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// allowedProgram is a program that a person has allowed, as his list shows it.
type allowedProgram struct{ *propuskpb.AllowedProgram }

// Shown is the program itself.
func (p allowedProgram) Shown() programData { return programData{p.GetProgram()} }

// Lines are what it may do.
func (p allowedProgram) Lines() []scopeLine {
	return scopeLines(p.GetScopes(), p.GetProgram().GetClientId() == oauthclient.PublicSDK, p.GetRefreshTokens() > 0)
}

type programsData struct {
	Programs []allowedProgram
	Next     string // token of the next page
}

func (v *visit) programs(most int64, from string) (*programsData, error) {
	list, err := ask[*propuskpb.ListProgramsResponse](v, propuskpb.AuthorizationService_ListPrograms_FullMethodName,
		&propuskpb.ListProgramsRequest{Session: v.session, PageSize: most, PageToken: from})
	if err != nil {
		return nil, err
	}
	out := &programsData{Next: list.GetNextPageToken()}
	for _, p := range list.GetPrograms() {
		out.Programs = append(out.Programs, allowedProgram{p})
	}
	return out, nil
}

func (v *visit) showPrograms() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	data, err := v.programs(listed, v.query["page"])
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, &page{Name: "programs", Title: "programs.title", Account: account, Data: data})
}

// showRemoveProgram asks whether a program is to go, and tells what ends with it.
func (v *visit) showRemoveProgram() error {
	account, err := v.account()
	if err != nil {
		return err
	}
	for from := ""; ; {
		list, err := v.programs(1000, from)
		if err != nil {
			return err
		}
		for _, p := range list.Programs {
			if p.GetProgram().GetClientId() == v.query["id"] {
				return v.show(http.StatusOK, &page{Name: "program_remove", Title: "program_remove.title", Account: account, Data: p})
			}
		}
		if from = list.Next; from == "" {
			return refused(http.StatusNotFound, "error.gone")
		}
	}
}

func (v *visit) removeProgram() error {
	_, err := ask[*propuskpb.RemoveProgramResponse](v, propuskpb.AuthorizationService_RemoveProgram_FullMethodName,
		&propuskpb.RemoveProgramRequest{Session: v.session, ClientId: v.form["client_id"]})
	if err != nil {
		return err
	}
	v.goTo("/account/programs?note=program_removed")
	return nil
}
