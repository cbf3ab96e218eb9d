"""ministack, as our programs need it. Serves on a port of its choice, which its first line tells, until its standard input
ends; GATEWAY_PORT is the port that its answers name, if that is another one.

Each line of input sets the time of an account forward, by seconds. SQS says of a message that is hidden no more that it is
not in flight; this emulator does not, and is made to. IAM is asked about the path or the names that SSM is asked for; this
emulator asks about all of SSM, and is made to.
"""

import asyncio
import datetime
import json
import os
import socket
import sys
import threading
import time

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(512)
port = listener.getsockname()[1]
os.environ.setdefault("GATEWAY_PORT", str(port))

from ministack.app import app  # noqa: E402
from ministack.core import iam_actions  # noqa: E402
from ministack.core.responses import get_account_id  # noqa: E402
from ministack.services import s3, sqs  # noqa: E402

ahead = {}


class Time:
    def __getattr__(self, name):
        return getattr(time, name)

    def time(self):
        return time.time() + ahead.get(get_account_id(), 0)


sqs.time = Time()
hide = sqs._HANDLERS["ChangeMessageVisibility"]


def in_flight(data, url):
    for message in sqs._get_q(data.get("QueueUrl", url), "sqs:ChangeMessageVisibility")["messages"]:
        if message["receipt_handle"] == data.get("ReceiptHandle") and message["visible_at"] <= sqs.time.time():
            raise sqs._Err("MessageNotInflight", "The specified message is not in flight.")
    return hide(data, url)


sqs._HANDLERS["ChangeMessageVisibility"] = in_flight
about = iam_actions.extract_resource_arn


def parameters(service, method, path, headers, body, params, region, account):
    asked = json.loads(body) if service == "ssm" and body else {}
    place = asked.get("Path") or (asked.get("Names") or [""])[0]
    if place:
        return f"arn:aws:ssm:{region}:{account}:parameter{place}"
    return about(service, method, path, headers, body, params, region, account)


iam_actions.extract_resource_arn = parameters
expired = s3.presigned_request_is_expired


def later():
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead.get(get_account_id(), 0))


s3.presigned_request_is_expired = lambda date, seconds: expired(date, seconds, now=later())


def follow():
    for line in sys.stdin:
        account, seconds = line.split()
        ahead[account] = float(seconds)
        print("set", flush=True)
    os._exit(0)


threading.Thread(target=follow, daemon=True).start()

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402

config = Config()
config.bind = [f"fd://{listener.fileno()}"]
config.keep_alive_timeout = 75
print(port, flush=True)
asyncio.run(serve(app, config))
