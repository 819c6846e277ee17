package main

// What our .proto files may import, besides google/protobuf/*: add a package
// here when a file needs another one.
import (
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud"           // validation.proto
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/access"    // access.proto
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/api"       // operation.proto
	_ "github.com/yandex-cloud/go-genproto/yandex/cloud/operation" // operation.proto
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)
