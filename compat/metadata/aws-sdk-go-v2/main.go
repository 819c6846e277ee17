// Command aws-sdk-go-v2 asks the STS door who it is with what that SDK finds by
// itself on a virtual machine: IMDSv2 at the metadata address gives it an access key.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("ru-central1"),
		config.WithEC2IMDSClientEnableState(imds.ClientEnabled)) // whatever the machine's own environment says
	if err != nil {
		return err
	}
	key, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("an access key: %w", err)
	}
	// The SDK asks again after an hour, however long a key lives.
	if left := time.Until(key.Expires); key.Source != "EC2RoleProvider" || !strings.HasPrefix(key.SessionToken, "s1.") ||
		left < 59*time.Minute || left > time.Hour {
		return fmt.Errorf("the key is of %s and has %v left", key.Source, left)
	}
	who, err := sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = aws.String(os.Getenv("STS_URL")) }).GetCallerIdentity(ctx, nil)
	if err != nil {
		return fmt.Errorf("who am I: %w", err)
	}
	if aws.ToString(who.Account) != os.Getenv("FOLDER_ID") || !strings.HasPrefix(aws.ToString(who.UserId), os.Getenv("SERVICE_ACCOUNT_ID")+":") {
		return fmt.Errorf("the door takes it for %s of %s", aws.ToString(who.UserId), aws.ToString(who.Account))
	}
	return nil
}
