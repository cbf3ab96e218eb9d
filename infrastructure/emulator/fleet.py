"""What ECS and the alarms of an installation do, where neither is: as many workers as the service wants, one for each five
tickets that wait, none after a while of nothing.

    fleet.py ENDPOINT FOLDER

A worker is started as its task definition says, from the program that FOLDER/worker leads to, with the definitions of agents
in FOLDER/agents. FOLDER/idle says after how many seconds of nothing none is wanted any more (300, as the alarm has it).
"""

import ctypes
import ctypes
import json
import math
import os
import signal
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

endpoint, folder = sys.argv[1], Path(sys.argv[2])
ECS = "AmazonEC2ContainerServiceV20141113"
SQS = "AmazonSQS"
# ECS gives a task two minutes at most.
GRACE = 120


def ask(whose, target, /, **question):
    request = urllib.request.Request(endpoint, json.dumps(question).encode())
    version = "1.1" if whose == "ecs" else "1.0"
    request.add_header("content-type", f"application/x-amz-json-{version}")
    request.add_header("x-amz-target", target)
    scope = f"FLEET/20260101/us-east-1/{whose}/aws4_request"
    request.add_header("authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def end_with_us():
    """A worker is told to go when the fleet is no more, however it ended, where the system (Linux) has that."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    except (AttributeError, OSError):
        pass


def ecs(operation, /, **question):
    return ask("ecs", f"{ECS}.{operation}", **question)


def services():
    for cluster in ecs("ListClusters")["clusterArns"]:
        names = ecs("ListServices", cluster=cluster)["serviceArns"]
        if names:
            for service in ecs("DescribeServices", cluster=cluster, services=names)["services"]:
                if service["status"] == "ACTIVE" and "worker" in service["serviceName"]:
                    yield cluster, service


def waiting(environment):
    """Tickets that wait or are worked on, in all lanes."""
    found = 0
    for name, queue in environment.items():
        if name in ("SQS_QUEUE_FREE", "SQS_QUEUE_PRO", "SQS_QUEUE_ENTERPRISE"):
            url = queue if "/" in queue else ask("sqs", f"{SQS}.GetQueueUrl", QueueName=queue)["QueueUrl"]
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            told = ask("sqs", f"{SQS}.GetQueueAttributes", QueueUrl=url, AttributeNames=names)
            found += sum(int(told["Attributes"][name]) for name in names)
    return found


class Fleet:
    def __init__(self):
        self.workers, self.leaving, self.number, self.busy = [], [], 0, time.monotonic()

    def start(self, environment):
        program = folder / "worker"
        if not program.exists():
            print("a worker is wanted, and there is no program", file=sys.stderr, flush=True)
            return
        self.number += 1
        home = folder / "workers" / str(self.number)
        home.mkdir(parents=True, exist_ok=True)
        variables = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | environment | {
            "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "WORKER",
            "AWS_SECRET_ACCESS_KEY": "emulated", "AWS_EC2_METADATA_DISABLED": "true", "OUTPOST_WORKSPACES": str(home),
        }
        log = open(folder / "workers" / f"{self.number}.log", "ab")
        command = [str(program.resolve()), "--aws", "--agents", str(folder / "agents")]
        # None outlives who watches over it: PR_SET_PDEATHSIG.
        bound = lambda: ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # noqa: E731
        self.workers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables,
                                             preexec_fn=bound))
        print(f"worker {self.number} is started", file=sys.stderr, flush=True)

    def keep(self, wanted, environment):
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) > wanted:
            worker = self.workers.pop()
            worker.terminate()
            self.leaving.append((worker, time.monotonic() + GRACE))
        for worker, until in self.leaving:
            if worker.poll() is None and time.monotonic() > until:
                worker.kill()
        self.leaving = [(worker, until) for worker, until in self.leaving if worker.poll() is None]
        for _ in range(wanted - len(self.workers)):
            self.start(environment)

    def look(self):
        found = False
        for cluster, service in services():
            found = True
            told = ecs("DescribeTaskDefinition", taskDefinition=service["taskDefinition"])
            container = told["taskDefinition"]["containerDefinitions"][0]
            environment = {one["name"]: one["value"] for one in container.get("environment", [])}
            wanted, most, tickets = service["desiredCount"], 20, waiting(environment)
            if tickets or not wanted:
                self.busy = time.monotonic()
            idle = folder / "idle"
            patience = float(idle.read_text()) if idle.exists() else 300
            now = wanted
            if tickets > 5 * wanted and wanted:
                now = min(most, math.ceil(tickets / 5))
            elif wanted and time.monotonic() - self.busy > patience:
                now = 0
            if now != wanted:
                ecs("UpdateService", cluster=cluster, service=service["serviceName"], desiredCount=now)
                print(f"{wanted} workers were wanted, now {now}", file=sys.stderr, flush=True)
            self.keep(now, environment)
        if not found:
            self.keep(0, {})


def main():
    fleet = Fleet()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    print("watching", flush=True)
    while not ended.wait(1):
        try:
            fleet.look()
        # Whatever it is: it may pass, and nobody else starts workers.
        except Exception as error:
            print(f"cannot look: {error!r}", file=sys.stderr, flush=True)
    fleet.keep(0, {})
    for worker, _ in fleet.leaving:
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()


main()
