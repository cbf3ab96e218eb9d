"""One AWS on this machine, for as long as this program runs: what Terraform, the AWS CLI and our programs ask goes to
whichever of two emulators does it better.

    aws.py FOLDER [PORT]

`ministack` keeps tables, queues, files and secrets, and has a gateway that really asks the authorizer and calls functions;
`moto` has the rest: clusters, scaling, images, alarms, networks. An API of the gateway is reached at /api/ID. Beside them
stand a double of Stripe and the fleet (fleet.py). The account is 123456789012, or EMULATED_ACCOUNT. FOLDER gets `endpoint`,
`stripe` and `pid`, and everybody's logs. It ends with SIGTERM, or when nobody finds `pid` any more.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

ACCOUNT = os.environ.get("EMULATED_ACCOUNT", "123456789012")
HERE = Path(__file__).resolve().parent
BROUGHT = HERE.parent.parent / "target"
# Signing names, which are not always those of the services.
MOTO = {"application-autoscaling", "ec2", "ecr", "ecs", "elasticfilesystem", "elasticloadbalancing", "monitoring", "sts"}

os.environ.update(MOTO_ACCOUNT_ID=ACCOUNT, MOTO_IAM_LOAD_MANAGED_POLICIES="true")
sys.path[:0] = [str(HERE), str(BROUGHT / "python")]

from from_moto import application as moto  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

# As many requests are with functions at the same time; the others wait. Each has a process of its own, and AWS has more of them.
AT_ONCE = 16

HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}


def service(environ):
    """Whom a request is for, by what it is signed for; nobody's if it is not signed."""
    signed = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    if not signed:
        signed = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
    scope = signed.split(",")[0].split("/")
    return scope[3] if len(scope) > 3 else ""


class Router:
    def __init__(self, ministack, port):
        self.ministack, self.port = ministack, port
        self.functions = threading.BoundedSemaphore(AT_ONCE)
        # As whom a gateway calls, which ministack forgets.
        self.credentials = {}

    def __call__(self, environ, start_response):
        whose = service(environ)
        if (whose in MOTO and not (whose == "sts" and self.assumes(environ))) or environ["PATH_INFO"] == "/moto-api/":
            return moto(environ, start_response)
        return self.forward(environ, start_response, whose)

    def assumes(self, environ):
        """Who one is says moto, which knows the account of every key; who one becomes is held by ministack."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = Kept(body)
        return b"AssumeRole" in body

    def forward(self, environ, start_response, whose):
        target = environ.get("REQUEST_URI") or environ["PATH_INFO"]
        target = re.sub(r"^/api/([0-9a-z]+)", r"/_aws/execute-api/\1/$default", target)
        headers = {"Host": environ.get("HTTP_HOST", "")}
        for name, value in environ.items():
            if name.startswith("HTTP_") and (name := name[5:].replace("_", "-").lower()) not in HOP | {"host"}:
                headers[name] = value
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                headers[name.replace("_", "-").lower()] = environ[name]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSQS.ReceiveMessage":
                answer, told = self.received(environ, target, body, headers)
            elif target.startswith("/_aws/execute-api/"):
                with self.functions:
                    answer, told = self.asked(environ, target, body, headers)
            else:
                answer, told = self.asked(environ, target, body, headers)
        except OSError as error:
            start_response("502 Bad Gateway", [("content-type", "text/plain")])
            return [f"ministack does not answer: {error}\n".encode()]
        if whose == "apigateway":
            told = self.mended(told, body)
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP | {"content-length"}]
        if environ["REQUEST_METHOD"] == "HEAD":
            kept.append(("content-length", answer.getheader("content-length") or "0"))
        else:
            kept.append(("content-length", str(len(told))))
        start_response(f"{answer.status} {answer.reason or 'OK'}", kept)
        return [told]

    def asked(self, environ, target, body, headers):
        there = http.client.HTTPConnection("127.0.0.1", self.ministack, timeout=120)
        try:
            there.request(environ["REQUEST_METHOD"], target, body=body, headers=headers)
            answer = there.getresponse()
            return answer, answer.read()
        finally:
            there.close()

    def received(self, environ, target, body, headers):
        """Who waits for tickets and goes gets none: one that was given to nobody would be hidden for minutes."""
        question = json.loads(body)
        until = time.monotonic() + float(question.get("WaitTimeSeconds") or 0)
        body = json.dumps(question | {"WaitTimeSeconds": 0}).encode()
        headers["content-length"] = str(len(body))
        while True:
            answer, told = self.asked(environ, target, body, headers)
            if answer.status != 200 or json.loads(told).get("Messages") or time.monotonic() >= until:
                return answer, told
            time.sleep(0.1)
            if is_gone(environ.get("werkzeug.socket")):
                return answer, told

    def mended(self, told, sent):
        """Addresses that every program of this machine finds, authorizers and integrations as AWS tells of them."""
        told = re.sub(rb"https?://([0-9a-z]+)\.execute-api\.[^\"/]*", rb"http://127.0.0.1:%d/api/\1" % self.port, told)
        try:
            value, sent = json.loads(told), json.loads(sent or b"{}")
        except ValueError:
            return told
        for one in [value, *(value.get("items") or [])] if isinstance(value, dict) else []:
            if not isinstance(one, dict):
                continue
            if one.get("authorizerType") == "REQUEST":
                one.pop("jwtConfiguration", None)
            if "integrationId" in one:
                if "credentialsArn" in sent:
                    self.credentials[one["integrationId"]] = sent["credentialsArn"]
                if one["integrationId"] in self.credentials:
                    one["credentialsArn"] = self.credentials[one["integrationId"]]
        return json.dumps(value).encode()


def is_gone(connection):
    """Whether whoever asked has hung up."""
    try:
        return connection is not None and connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Kept:
    """A body that was looked at."""

    def __init__(self, body):
        self.body = body

    def read(self, size=-1):
        read, self.body = (self.body, b"") if size < 0 else (self.body[:size], self.body[size:])
        return read


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


def beside(folder, name, command, **variables):
    """Starts a program that ends when we do, however we do; with it comes the first line that it prints."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | variables
    log = open(folder / f"{name}.log", "ab")
    child = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                             env=environment | {"PYTHONDONTWRITEBYTECODE": "1"})
    line = child.stdout.readline().decode().strip()
    if not line:
        sys.exit(f"{name} does not start: see {folder / name}.log")
    threading.Thread(target=child.stdout.read, daemon=True).start()
    return child, line


def is_ours(pid):
    try:
        return pid.read_text().strip() == str(os.getpid())
    except OSError:
        return False


def main():
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    pid = folder / "pid"
    pid.write_text(f"{os.getpid()}\n")
    router = Router(0, 0)
    server = make_server("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0, router, threaded=True, request_handler=Quiet)
    router.port = server.port
    endpoint = f"http://127.0.0.1:{server.port}"
    home = folder / "ministack"
    home.mkdir(exist_ok=True)
    ministack, port = beside(
        folder, "ministack", [str(HERE / "from_ministack.py")], PYTHONPATH=str(BROUGHT / "ministack"), BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(server.port), MINISTACK_ACCOUNT_ID=ACCOUNT, AWS_SECRET_ACCESS_KEY="emulated", LOG_LEVEL="WARNING",
        HOME=str(home), TMPDIR=str(home), AWS_ENDPOINT_URL=endpoint)
    router.ministack = int(port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stripe, port = beside(folder, "stripe", [str(HERE / "stripe.py"), "0"])
    watching = [str(HERE / "fleet.py"), endpoint, str(folder)]
    fleet, _ = beside(folder, "fleet", watching)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    (folder / "stripe").write_text(f"http://127.0.0.1:{port}\n")
    (folder / "endpoint").write_text(f"{endpoint}\n")
    while is_ours(pid) and not ended.wait(2):
        if ministack.poll() is not None or stripe.poll() is not None:
            print("a part of it has ended, and what it held is lost", file=sys.stderr)
            break
        if fleet.poll() is not None:
            fleet, _ = beside(folder, "fleet", watching)
    # Those of another one, that took this one's place, stay.
    if is_ours(pid):
        for name in ("pid", "endpoint", "stripe"):
            (folder / name).unlink(missing_ok=True)
    os._exit(0)


if __name__ == "__main__":
    main()
