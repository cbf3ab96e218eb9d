"""moto, as Terraform's AWS provider needs it: what it forgets of what it was told, it is made to remember.

As a program it serves on a port of its choice, which its first line tells, until its standard input ends. What it is asked
by Terraform is written into a file: `service Operation`, for services that say so.
"""

import io
import json
import os
import sys
import threading
from urllib.parse import parse_qs

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Scaling
from moto.ecs.responses import EC2ContainerServiceResponse as Ecs
from moto.secretsmanager.models import FakeSecret as Secret
from moto.sqs.models import Queue

# Application Auto Scaling: the provider asks each target for its tags; there, a question that nobody answers.
tags = {}
register = Scaling.register_scalable_target


def register_scalable_target(self):
    answer = register(self)
    tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(self._get_param("Tags") or {})
    return answer


def tag_resource(self):
    tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags") or {})
    return "{}"


def untag_resource(self):
    for key in self._get_param("TagKeys") or []:
        tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
    return "{}"


Scaling.register_scalable_target = register_scalable_target
Scaling.list_tags_for_resource = lambda self: json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})
Scaling.tag_resource = tag_resource
Scaling.untag_resource = untag_resource

# SQS: who may send its dead to a queue is an attribute like others, and what is not named in a call stays as it is.
Queue.BASE_ATTRIBUTES = Queue.BASE_ATTRIBUTES + ["RedriveAllowPolicy"]
take = Queue._set_attributes
give = Queue.attributes.fget


def set_attributes(self, attributes, now=None):
    policy = getattr(self, "policy", None)
    take(self, attributes, now)
    if "Policy" not in attributes:
        self.policy = policy
    if not hasattr(self, "redrive_allow_policy") or attributes.get("RedriveAllowPolicy") == "":
        self.redrive_allow_policy = attributes.get("RedriveAllowPolicy") or None


def attributes(self):
    answer = give(self)
    if self.redrive_policy:
        # Text as it was sent, not as Python would write it.
        answer["RedrivePolicy"] = json.dumps(self.redrive_policy, separators=(",", ":"))
    return answer


Queue._set_attributes = set_attributes
Queue.attributes = property(attributes)

# Secrets Manager: a label that somebody gave stays with its version, and a version without any label is removed.
replace = Secret.reset_default_version


def reset_default_version(self, version, version_id):
    given = {key: [s for s in one["version_stages"] if not s.startswith("AWS")] for key, one in self.versions.items()}
    replace(self, version, version_id)
    for key, labels in given.items():
        self.versions[key]["version_stages"] += [s for s in labels if s not in self.versions[key]["version_stages"]]
    self.versions = {key: one for key, one in self.versions.items() if one["version_stages"]}


Secret.reset_default_version = reset_default_version

# ECS: a service keeps its capacity providers and how it is deployed.
create = Ecs.create_service


def create_service(self):
    answer = create(self)
    service = answer.result["service"] if hasattr(answer, "result") else answer._result["service"]
    service.availability_zone_rebalancing = self._get_param("availabilityZoneRebalancing") or "DISABLED"
    strategy = self._get_param("capacityProviderStrategy")
    if strategy:
        service.capacity_provider_strategy = strategy
        service.launch_type = None
    deployment = self._get_param("deploymentConfiguration")
    if deployment:
        service.deployment_configuration = deployment
    return answer


Ecs.create_service = create_service

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

application = DomainDispatcherApplication(create_backend_app)
asked, lock = set(), threading.Lock()


def listening(environ, start_response):
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if not operation and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation = parse_qs(body.decode()).get("Action", [""])[0]
    if len(scope) > 3 and scope[0] == "TERRAFORM" and operation:
        with lock:
            if (scope[3], operation) not in asked:
                asked.add((scope[3], operation))
                with open(sys.argv[1], "a", encoding="utf-8") as file:
                    print(scope[3], operation, file=file)
    return application(environ, start_response)


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, listening, threaded=True)
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    print(server.port, flush=True)
    server.serve_forever()
