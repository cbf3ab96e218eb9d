# The AWS of this machine as AWS, for every command of the blueprint (BASH_ENV of `--env emulator`).
unset "${!AWS_@}"
HOUSE=$PWD/.outpost/saas/emulator
# Where it is not there, a port that nobody listens at: nothing here ever reaches AWS itself.
AWS_ENDPOINT_URL=$(cat "$HOUSE/aws/endpoint" 2>/dev/null || echo http://127.0.0.1:9)
export HOUSE AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=BLUEPRINT AWS_SECRET_ACCESS_KEY=emulated AWS_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
OUTPOST_STRIPE_URL=$(cat "$HOUSE/aws/stripe" 2>/dev/null || echo http://127.0.0.1:9)
export OUTPOST_STRIPE_URL
aws() { PYTHONPATH=$PWD/target/awscli python3 -m awscli --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
EMULATOR=true
ARCHITECTURE=$(uname -m | sed s/aarch64/arm64/)
. blueprints/saas/hands.bash

# Podman with a store of the run's own; what an image stands on is fetched by nobody here (saas/image).
WORKER_IMAGE=localhost/outpost-worker:emulated
image() { blueprints/saas/image "$@"; }
image_built() { built outpost-worker outpost-api outpost-admin && image worker "$BUILT" "$WORKER_IMAGE"; }

# The emulator keeps what is told of images, and no layers.
image_pushed() {
  local manifest digest kind=application/vnd.oci.image.manifest.v1+json
  manifest=$(image inspect --format '{"schemaVersion":2,"mediaType":"'$kind'","config":{"digest":"sha256:{{.Id}}","size":1},"layers":[]}' "$1")
  digest=sha256:$(printf '%s' "$manifest" | sha256sum | cut -d' ' -f1)
  aws ecr describe-images --repository-name "outpost-worker$SUFFIX" --image-ids "imageTag=$(commit)" >/dev/null 2>&1 ||
    aws ecr put-image --repository-name "outpost-worker$SUFFIX" --image-tag "$(commit)" --image-manifest "$manifest" --image-manifest-media-type "$kind" --image-digest "$digest" >/dev/null
  aws ecr describe-images --repository-name "outpost-worker$SUFFIX" --image-ids "imageTag=$(commit)" \
    --query "imageDetails[0].imageDigest" --output text | sed "s|^|$2@|"
}
