package cli

import (
	"context"
	"fmt"

	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resourcepb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
)

// chooseCloud settles in which cloud and folder the profile works.
func (s *session) chooseCloud(ctx context.Context) error {
	if s.folderID != "" {
		return s.takeFolder(ctx, s.folderID)
	}
	if s.cloudID != "" {
		if err := s.write(map[string]string{"cloud-id": s.cloudID}); err != nil {
			return err
		}
		return s.chooseFolder(ctx, s.cloudID)
	}
	clouds, err := pages(largestPage, func(size int64, token string) ([]*resourcepb.Cloud, string, error) {
		answer := new(resourcepb.ListCloudsResponse)
		err := s.call(ctx, resourcepb.CloudService_List_FullMethodName, &resourcepb.ListCloudsRequest{PageSize: size, PageToken: token}, answer)
		return answer.GetClouds(), answer.GetNextPageToken(), err
	})
	if err != nil {
		return fmt.Errorf("list clouds: %w", err)
	}
	n := 0
	switch len(clouds) {
	case 0:
		s.say("There is no cloud that you may see: a folder can be chosen later, by config set folder-id.")
		return nil
	case 1:
		s.say("You have one cloud available: %s. It is going to be used by default.", titled(clouds[0].GetName(), clouds[0].GetId()))
	default:
		var names []string
		for _, c := range clouds {
			names = append(names, titled(c.GetName(), c.GetId()))
		}
		if n, err = s.choose("Please select cloud to use:", names); err != nil {
			return err
		}
		s.say("Your current cloud has been set to %s.", names[n])
	}
	if err := s.write(map[string]string{"cloud-id": clouds[n].GetId()}); err != nil {
		return err
	}
	return s.chooseFolder(ctx, clouds[n].GetId())
}

// takeFolder works in the folder that a flag names.
func (s *session) takeFolder(ctx context.Context, id string) error {
	var f resourcepb.Folder
	if err := s.call(ctx, resourcepb.FolderService_Get_FullMethodName, &resourcepb.GetFolderRequest{FolderId: id}, &f); err != nil {
		return fmt.Errorf("--folder-id: %w", err)
	}
	s.say("Your current folder has been set to %s.", titled(f.GetName(), f.GetId()))
	return s.write(map[string]string{"cloud-id": f.GetCloudId(), "folder-id": f.GetId()})
}

func (s *session) chooseFolder(ctx context.Context, cloud string) error {
	folders, err := pages(largestPage, func(size int64, token string) ([]*resourcepb.Folder, string, error) {
		answer := new(resourcepb.ListFoldersResponse)
		err := s.call(ctx, resourcepb.FolderService_List_FullMethodName, &resourcepb.ListFoldersRequest{CloudId: cloud, PageSize: size, PageToken: token}, answer)
		return answer.GetFolders(), answer.GetNextPageToken(), err
	})
	if err != nil {
		return fmt.Errorf("list folders: %w", err)
	}
	var names []string
	for _, f := range folders {
		if s.folderName == f.GetName() && s.folderName != "" {
			return s.takeFolder(ctx, f.GetId())
		}
		names = append(names, titled(f.GetName(), f.GetId()))
	}
	if s.folderName != "" {
		return misuse("--folder-name: there is no folder %q in cloud %s", s.folderName, cloud)
	}
	n, err := s.choose("Please choose a folder to use:", append(names, "Create a new folder"))
	if err != nil {
		return err
	}
	var id, name string
	if n < len(folders) {
		id, name = folders[n].GetId(), names[n]
	} else if id, name, err = s.makeFolder(ctx, cloud); err != nil {
		return err
	}
	if err := s.write(map[string]string{"folder-id": id}); err != nil {
		return err
	}
	s.say("Your current folder has been set to %s.", name)
	return nil
}

func (s *session) makeFolder(ctx context.Context, cloud string) (id, title string, err error) {
	name, err := s.ask("Please enter a folder name: ")
	if err != nil {
		return "", "", err
	}
	op := new(operationpb.Operation)
	if err := s.call(once(ctx), resourcepb.FolderService_Create_FullMethodName, &resourcepb.CreateFolderRequest{CloudId: cloud, Name: name}, op); err != nil {
		return "", "", err
	}
	if op, err = s.wait(ctx, op); err != nil {
		return "", "", err
	}
	if status := op.GetError(); status != nil {
		return "", "", s.failureOfStatus(status, nil, nil)
	}
	made := new(resourcepb.Folder)
	if err := op.GetResponse().UnmarshalTo(made); err != nil {
		return "", "", fmt.Errorf("operation %s: %w", op.GetId(), err)
	}
	return made.GetId(), titled(made.GetName(), made.GetId()), nil
}

func titled(name, id string) string { return fmt.Sprintf("'%s' (id = %s)", name, id) }
