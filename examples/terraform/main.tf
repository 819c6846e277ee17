# A team gets a folder, a group that may look at it, a deployer with an
# authorized key, and an exporter with a static key for S3.

resource "yandex_resourcemanager_folder" "team" {
  cloud_id    = var.cloud_id
  name        = var.team
  description = "Everything of the team ${var.team}"
  labels = {
    team = var.team
  }
}

resource "yandex_organizationmanager_group" "team" {
  organization_id = var.organization_id
  name            = var.team
  description     = "People and programs of the team ${var.team}"
}

resource "yandex_organizationmanager_group_membership" "team" {
  group_id = yandex_organizationmanager_group.team.id
  members  = concat([yandex_iam_service_account.deployer.id], var.members)
}

resource "yandex_resourcemanager_folder_iam_member" "team_views" {
  folder_id = yandex_resourcemanager_folder.team.id
  role      = "viewer"
  member    = "group:${yandex_organizationmanager_group.team.id}"
}

resource "yandex_iam_service_account" "deployer" {
  folder_id   = yandex_resourcemanager_folder.team.id
  name        = "${var.team}-deployer"
  description = "Puts new versions into the folder"
}

resource "yandex_resourcemanager_folder_iam_member" "deployer_edits" {
  folder_id = yandex_resourcemanager_folder.team.id
  role      = "editor"
  member    = "serviceAccount:${yandex_iam_service_account.deployer.id}"
}

resource "yandex_iam_service_account_key" "deployer" {
  service_account_id = yandex_iam_service_account.deployer.id
  description        = "of the delivery pipeline"
}

resource "yandex_iam_service_account" "exporter" {
  folder_id   = yandex_resourcemanager_folder.team.id
  name        = "${var.team}-exporter"
  description = "Writes reports into buckets"
}

# Who may act as the exporter: the deployer, by
# `iam create-token --impersonate-service-account-id`.
resource "yandex_iam_service_account_iam_member" "deployer_acts" {
  service_account_id = yandex_iam_service_account.exporter.id
  role               = "iam.serviceAccounts.tokenCreator"
  member             = "serviceAccount:${yandex_iam_service_account.deployer.id}"
}

resource "yandex_iam_service_account_static_access_key" "exporter" {
  service_account_id = yandex_iam_service_account.exporter.id
  description        = "for S3"
}
