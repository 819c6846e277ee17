# Where Propusk is, and who Terraform is, stand in the environment and not here:
# YC_ENDPOINT, YC_SERVICE_ACCOUNT_KEY_FILE (or YC_TOKEN) and SSL_CERT_FILE.
# docs/terraform.md explains each of them.
terraform {
  required_version = ">= 1.3"

  required_providers {
    yandex = {
      source  = "yandex-cloud/yandex"
      version = ">= 0.130"
    }
  }
}

provider "yandex" {
  cloud_id  = var.cloud_id
  folder_id = var.folder_id
}
