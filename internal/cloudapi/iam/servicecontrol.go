package iam

import (
	"context"
	"slices"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

const createAccounts iam.Permission = "iam.serviceAccounts.create"

const whyServices = "asks for its permission on the cloud that resource names"

// ServiceControlRules are the rows of ServiceControlService.
var ServiceControlRules = gate.Rules("yandex.cloud.iam.v1.ServiceControlService",
	gate.Rule{Method: "Get", Why: whyServices},
	gate.Rule{Method: "List", Why: whyServices},
	gate.Rule{Method: "Enable", Why: whyServices, Effect: gate.Changes, Event: "iam.EnableService"},
	gate.Rule{Method: "Disable", Why: whyServices, Effect: gate.Changes, Event: "iam.DisableService"},
	gate.Rule{Method: "ResolveAgent", Why: whyServices},
)

// ServiceControlService is yandex.cloud.iam.v1.ServiceControlService: which
// services a cloud uses, and the service accounts they act with there. What a
// service may do in a cloud is not decided here: an agent has no role until
// somebody gives it one.
type ServiceControlService struct {
	iampb.UnimplementedServiceControlServiceServer
	DB      *store.DB
	Changes cloudapi.Changes
	Pages   cloudapi.Pages
}

// Get returns one service as a cloud uses it.
func (s *ServiceControlService) Get(ctx context.Context, r *iampb.GetServiceRequest) (*iampb.Service, error) {
	known, err := mayService(ctx, "iam.services.get", r.GetServiceId(), r.GetResource())
	if err != nil {
		return nil, err
	}
	states, err := s.states(ctx, r.GetResource().GetId())
	if err != nil {
		return nil, err
	}
	return serviceProto(known, r.GetResource().GetId(), states), nil
}

// List pages through all services there are, as a cloud uses them.
func (s *ServiceControlService) List(ctx context.Context, r *iampb.ListServicesRequest) (*iampb.ListServicesResponse, error) {
	cloudID := r.GetResource().GetId()
	l := cloudapi.List{Method: gate.From(ctx).Rule.Method, Parent: cloudID, Size: r.GetPageSize(), Token: r.GetPageToken()}
	after, size, err := s.Pages.Open(l)
	if err != nil {
		return nil, err
	}
	if err := mayServices(ctx, "iam.services.list", r.GetResource()); err != nil {
		return nil, err
	}
	states, err := s.states(ctx, cloudID)
	if err != nil {
		return nil, err
	}
	out := &iampb.ListServicesResponse{}
	from := slices.IndexFunc(knownServices, func(k knownService) bool { return k.ID > after })
	if from < 0 {
		return out, nil
	}
	rows, next := cloudapi.Cut(s.Pages, l, knownServices[from:], size, func(k knownService) string { return k.ID })
	for _, k := range rows {
		out.Services = append(out.Services, serviceProto(k, cloudID, states))
	}
	out.NextPageToken = next
	return out, nil
}

// Enable says that a cloud uses a service, and makes or reactivates the
// service's agents. Enabling what is enabled repairs what is missing. Agents are
// service accounts, so making one takes the right to make those, which an access
// policy may deny.
func (s *ServiceControlService) Enable(ctx context.Context, r *iampb.EnableServiceRequest) (*operationpb.Operation, error) {
	known, err := mayService(ctx, "iam.services.enable", r.GetServiceId(), r.GetResource())
	if err != nil {
		return nil, err
	}
	if err := s.mayMakeAgents(ctx, known, r.GetResource().GetId()); err != nil {
		return nil, err
	}
	agents := newAgents(known, r.GetResource().GetId())
	return s.change(ctx, known, r.GetResource(), true, &iampb.EnableServiceMetadata{ServiceId: known.ID, Resource: r.GetResource()}, agents.enable)
}

// Disable says that a cloud does not use a service, and suspends the service's
// agents, whose tokens end.
func (s *ServiceControlService) Disable(ctx context.Context, r *iampb.DisableServiceRequest) (*operationpb.Operation, error) {
	known, err := mayService(ctx, "iam.services.disable", r.GetServiceId(), r.GetResource())
	if err != nil {
		return nil, err
	}
	agents := newAgents(known, r.GetResource().GetId())
	return s.change(ctx, known, r.GetResource(), false, &iampb.DisableServiceMetadata{ServiceId: known.ID, Resource: r.GetResource()}, agents.disable)
}

func (s *ServiceControlService) change(ctx context.Context, known knownService, in *iampb.Resource, enabled bool,
	meta proto.Message, act func(*store.Tx) error) (*operationpb.Operation, error) {
	call := gate.From(ctx)
	call.Note("service_id", known.ID)
	what := "Disable service"
	if enabled {
		what = "Enable service"
	}
	return s.Changes.Run(ctx, cloudapi.Change{
		ID: cloudapi.NewOperationID(resource.PrefixIAM), ResourceID: in.GetId(), Description: what, Metadata: meta,
	}, func(tx *store.Tx) (proto.Message, error) {
		if err := cloudapi.CloudAccepts(tx, in.GetId()); err != nil {
			return nil, err
		}
		state := store.ServiceState{CloudID: in.GetId(), ServiceID: known.ID, Enabled: enabled, UpdatedAt: tx.Now()}
		if err := store.PutServiceState(tx, state); err != nil {
			return nil, err
		}
		return serviceProto(known, in.GetId(), map[string]store.ServiceState{known.ID: state}), act(tx)
	})
}

// mayMakeAgents asks for the right to create service accounts where the agents
// live, if one must be made.
func (s *ServiceControlService) mayMakeAgents(ctx context.Context, known knownService, cloudID string) error {
	var have map[string]store.ServiceAgent
	var folderID string
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if have, err = store.ServiceAgents(tx, cloudID, known.ID); err != nil {
			return err
		}
		folderID, err = store.FolderOfAgents(tx, cloudID)
		return err
	})
	if err != nil || !slices.ContainsFunc(known.Microservices, func(m string) bool { return have[m].ServiceAccountID == "" }) {
		return err
	}
	if folderID != "" {
		return gate.Require(ctx, createAccounts, resource.Folder, folderID)
	}
	return gate.Require(ctx, createAccounts, resource.Cloud, cloudID)
}

// ResolveAgent returns the account that a part of a service acts with in a
// cloud. A service with one part needs no microservice_id.
func (s *ServiceControlService) ResolveAgent(ctx context.Context, r *iampb.ResolveServiceAgentRequest) (*iampb.ServiceAgent, error) {
	known, err := mayService(ctx, "iam.services.resolveAgent", r.GetServiceId(), r.GetResource())
	if err != nil {
		return nil, err
	}
	micro := r.GetMicroserviceId()
	switch {
	case micro == "" && len(known.Microservices) == 1:
		micro = known.Microservices[0]
	case micro == "":
		return nil, iam.InvalidField("microservice_id", "required: service %s has %d microservices", known.ID, len(known.Microservices))
	case !slices.Contains(known.Microservices, micro):
		return nil, iam.Errorf(iam.NotFound, "Microservice %s not found", micro)
	}
	var agents map[string]store.ServiceAgent
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		agents, err = store.ServiceAgents(tx, r.GetResource().GetId(), known.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	a, ok := agents[micro]
	if !ok {
		return nil, iam.Errorf(iam.FailedPrecondition, "Service %s has no agent for %s in cloud %s; enable the service", known.ID, micro, r.GetResource().GetId())
	}
	return &iampb.ServiceAgent{ServiceAccountId: a.ServiceAccountID, ServiceId: a.ServiceID, MicroserviceId: a.MicroserviceID}, nil
}

func (s *ServiceControlService) states(ctx context.Context, cloudID string) (states map[string]store.ServiceState, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		states, err = store.ServiceStates(tx, cloudID)
		return err
	})
	return states, err
}

// mayService asks whether the caller may do something with a service of a
// cloud, which must be one that there is.
func mayService(ctx context.Context, what iam.Permission, serviceID string, in *iampb.Resource) (knownService, error) {
	if err := mayServices(ctx, what, in); err != nil {
		return knownService{}, err
	}
	known, ok := findService(serviceID)
	if !ok {
		return known, iam.Errorf(iam.NotFound, "Service %s not found", serviceID)
	}
	return known, nil
}

// mayServices checks the container [API fact: only a cloud] and the permission.
func mayServices(ctx context.Context, what iam.Permission, in *iampb.Resource) error {
	if in.GetType() != string(resource.Cloud) {
		return iam.InvalidField("resource.type", "must be %s", resource.Cloud)
	}
	return gate.Require(ctx, what, resource.Cloud, in.GetId())
}

func serviceProto(k knownService, cloudID string, states map[string]store.ServiceState) *iampb.Service {
	out := &iampb.Service{ServiceId: k.ID, Resource: &iampb.Resource{Id: cloudID, Type: string(resource.Cloud)}, Status: iampb.Service_DISABLED}
	state, touched := states[k.ID]
	switch {
	case touched && state.Enabled:
		out.Status = iampb.Service_ENABLED
	case !touched && k.Default:
		out.Status = iampb.Service_DEFAULT
	}
	out.UpdatedAt = cloudapi.Time(state.UpdatedAt)
	return out
}
