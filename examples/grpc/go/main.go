// A client in Go: it watches users, clears a department, and prints why a change is refused. docs/grpc.md shows how to
// generate the package v1. Its arguments: the address of the gateway, and an API key if the gateway requires one.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	v1 "example.com/app/usergateway/v1"
)

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	users := v1.NewUserServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if len(os.Args) > 2 {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", os.Args[2])
	}

	events, err := users.WatchUsers(ctx, &v1.WatchUsersRequest{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := events.Header(); err != nil { // from now on no event is missed
		log.Fatal(err)
	}
	user, err := users.UpdateAccountUser(ctx, &v1.UpdateAccountUserRequest{
		Id:         "acus_adalovelace1",
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"department_id"}}, // in the mask without a value: cleared
		RequestId:  "clear-go",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.GetName(), user.GetDepartment())
	event, err := events.Recv()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.GetChange(), event.GetUser().GetName())

	email := "no"
	_, err = users.UpdateAccountUser(ctx, &v1.UpdateAccountUserRequest{
		Id:   "acus_adalovelace1",
		User: &v1.AccountUserChange{Email: &email},
	})
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println(status.Code(err), detail.GetReason())
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fmt.Println(violation.GetField(), violation.GetDescription())
			}
		}
	}
}
