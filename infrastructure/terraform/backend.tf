# The rest comes from `bootstrap`: terraform init -backend-config=backend.hcl
terraform {
  backend "s3" {
    key          = "outpost/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
