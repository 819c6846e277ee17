output "folder_id" {
  value = yandex_resourcemanager_folder.team.id
}

output "deployer_id" {
  value = yandex_iam_service_account.deployer.id
}

output "exporter_id" {
  value = yandex_iam_service_account.exporter.id
}

# A key file, as `iam key create` writes it:
#   terraform output -raw deployer_key > key.json
output "deployer_key" {
  sensitive = true
  value = jsonencode({
    id                 = yandex_iam_service_account_key.deployer.id
    service_account_id = yandex_iam_service_account.deployer.id
    created_at         = yandex_iam_service_account_key.deployer.created_at
    key_algorithm      = yandex_iam_service_account_key.deployer.key_algorithm
    public_key         = yandex_iam_service_account_key.deployer.public_key
    private_key        = yandex_iam_service_account_key.deployer.private_key
  })
}

output "exporter_access_key" {
  value = yandex_iam_service_account_static_access_key.exporter.access_key
}

output "exporter_secret_key" {
  sensitive = true
  value     = yandex_iam_service_account_static_access_key.exporter.secret_key
}
