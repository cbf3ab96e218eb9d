# The account that the AWS CLI is set up for (BASH_ENV of `--env aws`).
export HOUSE=$PWD/.outpost/saas/aws
EMULATOR=false
ARCHITECTURE=arm64
. blueprints/saas/hands.bash

# For Lambda's processor and its C library.
packed() {
  [[ -s target/packages/$1.zip && target/packages/$1.zip -nt Cargo.lock ]] || infrastructure/package "$ARCHITECTURE" >&2
  mkdir -p "$PACKAGES"
  cp "target/packages/$1.zip" "$PACKAGES/"
}

WORKER_IMAGE=outpost-worker:$(git rev-parse --short=12 HEAD)
image() { podman "$@"; }
image_built() { image build --platform linux/arm64 -t "$WORKER_IMAGE" -f infrastructure/docker/worker/Dockerfile . >&2; }
image_pushed() {
  aws ecr get-login-password | image login --username AWS --password-stdin "${2%%/*}" >&2
  image tag "$1" "$2:$(commit)"
  image push "$2:$(commit)" >&2
  aws ecr describe-images --repository-name "${2##*/}" --image-ids "imageTag=$(commit)" --query 'imageDetails[0].imageDigest' --output text | sed "s|^|$2@|"
}
