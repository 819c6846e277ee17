variable "organization_id" {
  type        = string
  description = "The organization in which the group is made."
}

variable "cloud_id" {
  type        = string
  description = "The cloud in which the team's folder is made."
}

variable "folder_id" {
  type        = string
  description = "The provider's default folder. Nothing of this example is made there."
}

variable "team" {
  type        = string
  default     = "payments"
  description = "Names everything that is made."
}

variable "members" {
  type        = list(string)
  default     = []
  description = "Ids of accounts that belong to the team, beside its own service accounts."
}
