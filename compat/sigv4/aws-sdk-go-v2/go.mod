module github.com/propusk/propusk/compat/sigv4/aws-sdk-go-v2

go 1.24

require (
	github.com/aws/aws-sdk-go-v2 v1.47.7
	github.com/aws/smithy-go v1.28.8
)
