package main

import (
	"context"
	"fmt"

	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/api"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	sdkop "github.com/yandex-cloud/go-sdk/v2/pkg/operation"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// provider calls any method of the API through the SDK's connections.
type provider struct {
	sdk  *ycsdk.SDK
	name string // part of every name that it gives
}

// call sends a request to a method such as "yandex.cloud.iam.v1.RoleService.Get".
func (p *provider) call(ctx context.Context, method protoreflect.FullName, in, out proto.Message) error {
	conn, err := p.sdk.GetConnection(ctx, method)
	if err != nil {
		return err
	}
	return conn.Invoke(ctx, fmt.Sprintf("/%s/%s", method.Parent(), method.Name()), in, out)
}

// operate sends a request whose answer is an operation, and waits for it. The
// SDK checks that metadata and response have the types that the method declares.
func (p *provider) operate(ctx context.Context, method protoreflect.FullName, in proto.Message) (*sdkop.Operation, proto.Message, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(method)
	if err != nil {
		return nil, nil, err
	}
	declared, ok := proto.GetExtension(d.Options(), api.E_Operation).(*api.Operation)
	if !ok || declared == nil {
		return nil, nil, fmt.Errorf("%s declares no operation", method)
	}
	metadata, err := message(declared.GetMetadata(), method)
	if err != nil {
		return nil, nil, err
	}
	response, err := message(declared.GetResponse(), method)
	if err != nil {
		return nil, nil, err
	}
	pb := &operation.Operation{}
	if err := p.call(ctx, method, in, pb); err != nil {
		return nil, nil, err
	}
	if pb.GetMetadata() == nil {
		return nil, nil, fmt.Errorf("%s: the operation has no metadata", method)
	}
	op, err := sdkop.NewOperation(pb, &sdkop.Concretization{Poll: p.poll, MetadataType: metadata, ResponseType: response})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", method, err)
	}
	answer, err := op.Wait(ctx)
	return op, answer, err
}

func (p *provider) poll(ctx context.Context, id string, _ ...grpc.CallOption) (sdkop.YCOperation, error) {
	out := &operation.Operation{}
	err := p.call(ctx, "yandex.cloud.operation.OperationService.Get", &operation.GetOperationRequest{OperationId: id}, out)
	return out, err
}

// message makes an empty message of a type that an option names, in full or as
// seen from the method's package.
func message(name string, method protoreflect.FullName) (proto.Message, error) {
	for at := method; ; at = at.Parent() {
		full := protoreflect.FullName(name)
		if at != "" {
			full = at.Append(protoreflect.Name(name))
			if !full.IsValid() {
				full = at + "." + protoreflect.FullName(name)
			}
		}
		if t, err := protoregistry.GlobalTypes.FindMessageByName(full); err == nil {
			return t.New().Interface(), nil
		}
		if at == "" {
			return nil, fmt.Errorf("%s: no message %s", method, name)
		}
	}
}
