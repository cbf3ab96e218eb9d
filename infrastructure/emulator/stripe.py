"""Stripe on loopback, as far as the service uses it, for an emulated environment and for tests.

    python3 stripe.py PORT [--secret whsec_…] [--webhook URL] [--stay]

It needs Python 3.9 and nothing else, serves on 127.0.0.1, and keeps everything in memory. Port 0 takes a free one; the
first line of its output is the port. It ends when its standard input ends, or with `--stay` when it is killed.

It is stricter than what it stands for: a parameter, a path or a value that it does not know is refused in Stripe's
words, also where Stripe itself would take it, so that nothing passes here by being overlooked. Keys are of the test
form (`sk_test_…`); a live key is refused, because somebody who sends one here has made a mistake. Fields of objects
that nothing here reads are left out. What it knows of Stripe was read, not tried: nobody has asked the real one.

Its own, without a key:

    GET  /_double/state                    all that is kept, once every event on its way has arrived
    POST /_double/pay/{session}            pays an open checkout; answers when its events were delivered. GET: a button
    POST /_double/subscriptions/{id}       status=past_due, canceled, …: what else becomes of a subscription
    POST /_double/events/{id}              delivers an event once more
    POST /_double/fault                    how=lose_request|lose_answer|error, after=N: what becomes of a call to come
    POST /_double/reset                    forgets everything but the endpoints of webhooks
"""

import argparse
import copy
import hashlib
import hmac
import json
import queue
import re
import secrets
import socket
import string
import sys
import threading
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

VERSION = "2025-06-30.basil"
BODY = 1024 * 1024
FORM = "application/x-www-form-urlencoded"


class Refused(Exception):
    def __init__(self, message, code=None, param=None, status=400, kind="invalid_request_error"):
        super().__init__(message)
        error = {"code": code, "message": message, "param": param, "type": kind}
        self.status, self.body = status, {"error": {name: value for name, value in error.items() if value is not None}}


def missing(kind, name, param="id", status=404):
    return Refused(f"No such {kind}: '{name}'", "resource_missing", param, status)


# What a parameter may be: each takes its name and its text, and gives its value.


def text(most=5000, form=None, what="string", unset=False):
    def read(param, value):
        if value == "" and unset:
            return None
        if value == "":
            told = "We assume empty values are an attempt to unset a parameter; however it cannot be unset."
            raise Refused(f"You passed an empty string for '{param}'. {told}", "parameter_invalid_empty", param)
        if len(value) > most:
            raise Refused(f"Invalid {what}: must be at most {most} characters", param=param)
        if form and not re.fullmatch(form, value):
            raise Refused(f"Invalid {what}: {value}", param=param)
        return value

    return read


def whole(least):
    def read(param, value):
        if not re.fullmatch(r"[0-9]{1,8}", value) or int(value) < least:
            raise Refused(f"Invalid integer: {value}", "parameter_invalid_integer", param)
        return int(value)

    return read


def flag(param, value):
    if value not in ("true", "false"):
        raise Refused(f"Invalid boolean: {value}", param=param)
    return value == "true"


def one_of(*words):
    def read(param, value):
        if value not in words:
            raise Refused(f"Invalid {param}: must be one of {', '.join(words)}", param=param)
        return value

    return read


ID = text(255, r"[A-Za-z0-9_-]+", "id")
URL = text(2048, r"https?://[^\s/?#]+\S*", "URL")
METADATA = {"metadata[*]": text(500, unset=True)}


def fields(pairs, shape, required):
    """The tree of `a[b][0]=value` pairs, each of which the shape knows."""
    tree, unknown = {}, []
    for name, value in pairs:
        whole_name = re.fullmatch(r"([a-z_]+)((?:\[[^\[\]]*\])*)", name)
        parts = [whole_name[1], *re.findall(r"\[([^\[\]]*)\]", whole_name[2])] if whole_name else [name]
        pattern, at = parts[0], tree
        for before, part in zip(parts, parts[1:]):
            number = part == "" or part.isdigit()
            pattern += "[*]" if before == "metadata" else "[#]" if number else f"[{part}]"
        if pattern not in shape:
            unknown.append(name)
            continue
        read = shape[pattern](name, value)
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        last = parts[-1] or str(len(at))
        if last in at:
            raise Refused(f"Received a parameter twice: {name}", param=name)
        at[last] = read
    if unknown:
        many = "s" if len(unknown) > 1 else ""
        raise Refused(f"Received unknown parameter{many}: {', '.join(unknown)}", "parameter_unknown", unknown[0])
    for name in required:
        at = tree
        for part in re.findall(r"[^\[\]]+", name):
            at = at.get(part, {})
        if at in ({}, None):
            raise Refused(f"Missing required param: {name}.", "parameter_missing", name)
    if any(len(name) > 40 for name in tree.get("metadata", {})):
        raise Refused("Metadata keys must be at most 40 characters", param="metadata")
    return tree


def kept(metadata):
    return {name: value for name, value in metadata.items() if value is not None}


class Stay(HTTPRedirectHandler):
    """A redirect is an answer like others: no event is sent on."""

    def redirect_request(self, *_):
        return None


class Book:
    """All that is kept. Whoever uses it holds its lock, but for `settle` and the courier."""

    def __init__(self, secret):
        self.lock, self.secret = threading.Lock(), secret
        self.endpoints, self.way = [], queue.Queue()
        self.clear()
        threading.Thread(target=self.deliver, daemon=True).start()

    def clear(self):
        self.products, self.prices, self.customers = {}, {}, {}
        self.sessions, self.portals, self.subscriptions = {}, {}, {}
        self.events, self.deliveries, self.answers, self.fault = {}, [], {}, None

    def new(self, prefix, kind, **values):
        name = prefix + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
        return {"id": name, "object": kind, "created": int(time.time()), "livemode": False, **values}

    def state(self):
        names = ("products", "prices", "customers", "sessions", "portals", "subscriptions", "events")
        told = {name: list(getattr(self, name).values()) for name in names}
        endpoints = [{name: value for name, value in one.items() if name != "secret"} for one in self.endpoints]
        return {**told, "endpoints": endpoints, "deliveries": self.deliveries}

    # Webhooks.

    def tell(self, kind, about):
        made = self.new("evt_", "event", type=kind, api_version=VERSION, data={"object": copy.deepcopy(about)})
        self.events[made["id"]] = made
        self.send(made)
        return made["id"]

    def send(self, event):
        for endpoint in self.endpoints:
            if "*" in endpoint["enabled_events"] or event["type"] in endpoint["enabled_events"]:
                self.way.put((event, endpoint))

    def deliver(self):
        opener = build_opener(ProxyHandler({}), Stay())
        while True:
            event, endpoint = self.way.get()
            body = json.dumps(event, indent=2).encode()
            now = int(time.time())
            signed = hmac.new(endpoint["secret"].encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": f"t={now},v1={signed}"}
            try:
                with opener.open(Request(endpoint["url"], body, headers), timeout=30) as told:
                    status, answer = told.status, told.read(4096).decode(errors="replace")
            except HTTPError as error:
                status, answer = error.code, error.read(4096).decode(errors="replace")
            except (OSError, ValueError, HTTPException) as error:
                status, answer = 0, str(error)
            told = {"event": event["id"], "type": event["type"], "url": endpoint["url"]}
            with self.lock:
                self.deliveries.append({**told, "status": status, "answer": answer})
            self.way.task_done()

    def settle(self):
        self.way.join()


def get(kept_things, kind, name, param="id", status=404):
    if name not in kept_things:
        raise missing(kind, name, param, status)
    return kept_things[name]


# Products and prices.

PRODUCT = {"name": text(), "active": flag, "description": text(unset=True), **METADATA}


def make_product(book, given, _):
    made = book.new("prod_", "product", active=True, default_price=None, description=None, metadata={})
    made.update(given, metadata=kept(given.get("metadata", {})))
    if made["id"] in book.products:
        raise Refused("Product already exists.", "resource_already_exists", "id")
    book.products[made["id"]] = made
    return made


def change_product(book, given, name):
    product = get(book.products, "product", name)
    price = given.get("default_price")
    if price is not None and get(book.prices, "price", price, "default_price", 400)["product"] != name:
        raise Refused(f"The price `{price}` is of another product", param="default_price")
    metadata = kept({**product["metadata"], **given.pop("metadata", {})})
    product.update(given, metadata=metadata)
    return product


PRICE = {"active": flag, "lookup_key": text(200, unset=True), "transfer_lookup_key": flag, "nickname": text(unset=True)}
PRICE_MADE = {
    "product": ID,
    "currency": text(3, r"[a-z]{3}", "currency"),
    "unit_amount": whole(0),
    "recurring[interval]": one_of("day", "week", "month", "year"),
    "recurring[interval_count]": whole(1),
    "recurring[usage_type]": one_of("licensed", "metered"),
}


def take_lookup_key(book, given, name):
    """A lookup key is of one price, active or not, unless it is moved."""
    move, key = given.pop("transfer_lookup_key", False), given.get("lookup_key")
    for other in book.prices.values():
        if key is not None and other["lookup_key"] == key and other["id"] != name:
            if not move:
                raise Refused(f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key")
            other["lookup_key"] = None


def make_price(book, given, _):
    get(book.products, "product", given["product"], "product", 400)
    recurring = given.pop("recurring", None)
    if recurring is not None and "interval" not in recurring:
        raise Refused("Missing required param: recurring[interval].", "parameter_missing", "recurring[interval]")
    take_lookup_key(book, given, None)
    made = book.new("price_", "price", active=True, billing_scheme="per_unit", lookup_key=None, nickname=None)
    made.update(given, metadata=kept(given.get("metadata", {})), type="recurring" if recurring else "one_time")
    made["recurring"] = recurring and {"interval_count": 1, "usage_type": "licensed", **recurring}
    book.prices[made["id"]] = made
    return made


def change_price(book, given, name):
    price = get(book.prices, "price", name)
    if given.get("active") is False and book.products[price["product"]]["default_price"] == name:
        raise Refused("This price cannot be archived because it is the default price of its product.")
    take_lookup_key(book, given, name)
    metadata = kept({**price["metadata"], **given.pop("metadata", {})})
    price.update(given, metadata=metadata)
    return price


def list_prices(book, given, _):
    # Without a word about it, those that are active.
    found = [price for price in book.prices.values() if price["active"] == given.get("active", True)]
    if "lookup_keys" in given:
        found = [price for price in found if price["lookup_key"] in given["lookup_keys"].values()]
    if "product" in given:
        found = [price for price in found if price["product"] == given["product"]]
    limit = given.get("limit", 10)
    return {"object": "list", "url": "/v1/prices", "has_more": len(found) > limit, "data": found[:limit]}


# Customers and their pages.


def make_customer(book, given, _):
    made = book.new("cus_", "customer", email=None, name=None)
    made.update(given, metadata=kept(given.get("metadata", {})))
    book.customers[made["id"]] = made
    return made


SESSION = {
    "mode": one_of("subscription"),
    "customer": ID,
    "client_reference_id": text(200),
    "line_items[#][price]": ID,
    "line_items[#][quantity]": whole(1),
    "subscription_data[metadata][*]": text(500),
    "success_url": URL,
    "cancel_url": URL,
    **METADATA,
}


def make_session(book, given, _):
    get(book.customers, "customer", given["customer"], "customer", 400)
    for at, item in given["line_items"].items():
        param = f"line_items[{at}][price]"
        if "price" not in item:
            raise Refused(f"Missing required param: {param}.", "parameter_missing", param)
        price = get(book.prices, "price", item["price"], param, 400)
        if not price["active"]:
            raise Refused("The price specified is inactive. This field only accepts active prices.", param=param)
        if not book.products[price["product"]]["active"]:
            raise Refused(f"Price `{price['id']}` is of a product that is not active.", param=param)
        if price["type"] != "recurring":
            raise Refused("You must provide at least one recurring price in `subscription` mode.", param=param)
        item.setdefault("quantity", 1)
    made = book.new("cs_test_", "checkout.session", status="open", payment_status="unpaid", subscription=None)
    made.update({"cancel_url": None, "client_reference_id": None, **given, "metadata": kept(given.get("metadata", {}))})
    made["url"] = f"{book.base}/_double/pay/{made['id']}"
    book.sessions[made["id"]] = made
    return shown(made)


def shown(session):
    """What was said of a subscription to come is not told of the session."""
    return {name: value for name, value in session.items() if name not in ("line_items", "subscription_data")}


def make_portal(book, given, _):
    get(book.customers, "customer", given["customer"], "customer", 400)
    made = book.new("bps_", "billing_portal.session", **{"return_url": None, **given})
    made["url"] = f"{book.base}/_double/portal/{made['id']}"
    book.portals[made["id"]] = made
    return made


# Subscriptions.


def pay(book, _, name):
    session = get(book.sessions, "checkout session", name)
    if session["status"] != "open":
        raise Refused(f"The checkout `{name}` was paid before")
    subscription = book.new("sub_", "subscription", status="active", customer=session["customer"])
    items = [
        {"object": "subscription_item", "price": book.prices[item["price"]], "quantity": item["quantity"]}
        for item in session["line_items"].values()
    ]
    for item in items:
        item.update(id=book.new("si_", "")["id"], subscription=subscription["id"])
    metadata = kept(session.get("subscription_data", {}).get("metadata", {}))
    subscription.update(metadata=metadata, cancel_at_period_end=False, canceled_at=None, ended_at=None)
    subscription["items"] = {"object": "list", "data": items, "has_more": False}
    book.subscriptions[subscription["id"]] = subscription
    session.update(status="complete", payment_status="paid", subscription=subscription["id"], url=None)
    events = [
        book.tell("customer.subscription.created", subscription),
        book.tell("checkout.session.completed", shown(session)),
    ]
    return {"session": shown(session), "subscription": subscription, "events": events}


def ended(book, subscription):
    now = int(time.time())
    subscription.update(status="canceled", canceled_at=now, ended_at=now)
    return book.tell("customer.subscription.deleted", subscription)


def subscription_now(book, name):
    subscription = get(book.subscriptions, "subscription", name)
    if subscription["status"] == "canceled":
        raise missing("subscription", name)
    return subscription


SUBSCRIPTION = {"cancel_at_period_end": flag, "items[#][id]": ID, "items[#][price]": ID, **METADATA}


def change_subscription(book, given, name):
    subscription = subscription_now(book, name)
    changed = []
    for at, change in given.pop("items", {}).items():
        item = [item for item in subscription["items"]["data"] if item["id"] == change.get("id")]
        if not item:
            raise missing("subscription item", change.get("id"), f"items[{at}][id]", 400)
        changed.append((item[0], get(book.prices, "price", change.get("price"), f"items[{at}][price]", 400)))
    for item, price in changed:
        item["price"] = price
    metadata = kept({**subscription["metadata"], **given.pop("metadata", {})})
    subscription.update(given, metadata=metadata)
    book.tell("customer.subscription.updated", subscription)
    return subscription


def cancel_subscription(book, _, name):
    ended(book, subscription_now(book, name))
    return book.subscriptions[name]


def become(book, given, name):
    subscription = subscription_now(book, name)
    if given["status"] == "canceled":
        event = ended(book, subscription)
    else:
        subscription["status"] = given["status"]
        event = book.tell("customer.subscription.updated", subscription)
    return {"subscription": subscription, "events": [event]}


# Webhooks, faults and the rest.


def make_endpoint(book, given, _):
    made = book.new("we_", "webhook_endpoint", status="enabled", secret=book.secret or "whsec_" + secrets.token_hex(16))
    made.update(url=given["url"], enabled_events=list(given["enabled_events"].values()))
    book.endpoints.append(made)
    return made


def again(book, _, name):
    book.send(get(book.events, "event", name))
    return {"events": [name]}


def break_one(book, given, _):
    book.fault = (given.get("after", 0), given["how"])
    return {}


def reset(book, *_):
    book.clear()
    return {}


def find(things, kind):
    return lambda book, _, name: get(getattr(book, things), kind, name)


STATUS = one_of("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled")
NAME = r"([A-Za-z0-9_-]+)"
# Method, path, what does it, what has to be given, and all that may be.
ROUTES = [
    ("POST", "/v1/products", make_product, ["name"], {"id": ID, **PRODUCT}),
    ("GET", f"/v1/products/{NAME}", find("products", "product"), [], {}),
    ("POST", f"/v1/products/{NAME}", change_product, [], {"default_price": text(255, unset=True), **PRODUCT}),
    ("POST", "/v1/prices", make_price, ["currency", "product", "unit_amount"], {**PRICE, **PRICE_MADE, **METADATA}),
    (
        "GET",
        "/v1/prices",
        list_prices,
        [],
        {"active": flag, "lookup_keys[#]": text(200), "product": ID, "limit": whole(1)},
    ),
    ("GET", f"/v1/prices/{NAME}", find("prices", "price"), [], {}),
    ("POST", f"/v1/prices/{NAME}", change_price, [], {**PRICE, **METADATA}),
    (
        "POST",
        "/v1/customers",
        make_customer,
        [],
        {"email": text(512, r"[^@\s]+@[^@\s]+", "email"), "name": text(256), **METADATA},
    ),
    ("GET", f"/v1/customers/{NAME}", find("customers", "customer"), [], {}),
    ("POST", "/v1/checkout/sessions", make_session, ["mode", "customer", "line_items", "success_url"], SESSION),
    ("POST", "/v1/billing_portal/sessions", make_portal, ["customer"], {"customer": ID, "return_url": URL}),
    ("GET", f"/v1/subscriptions/{NAME}", find("subscriptions", "subscription"), [], {}),
    ("POST", f"/v1/subscriptions/{NAME}", change_subscription, [], SUBSCRIPTION),
    ("DELETE", f"/v1/subscriptions/{NAME}", cancel_subscription, [], {}),
    (
        "POST",
        "/v1/webhook_endpoints",
        make_endpoint,
        ["url", "enabled_events"],
        {"url": URL, "enabled_events[#]": text(100, r"\*|[a-z_.]+", "event")},
    ),
    ("POST", f"/_double/pay/{NAME}", pay, [], {}),
    ("POST", f"/_double/subscriptions/{NAME}", become, ["status"], {"status": STATUS}),
    ("POST", f"/_double/events/{NAME}", again, [], {}),
    (
        "POST",
        "/_double/fault",
        break_one,
        ["how"],
        {"how": one_of("lose_request", "lose_answer", "error"), "after": whole(0)},
    ),
    ("POST", "/_double/reset", reset, [], {}),
    ("GET", "/_double/state", lambda book, *_: book.state(), [], {}),
]


class Lost(Exception):
    """The connection ends without an answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out as one, and at once.
    wbufsize, disable_nagle_algorithm = -1, True

    def log_message(self, *_):
        pass

    def key(self):
        """Whose key it is does not matter, but its form does."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        hint = "Authorization: Bearer sk_test_…"
        if scheme.lower() != "bearer" or not key:
            raise Refused(f"You did not provide an API key: `{hint}`.", status=401)
        if key.startswith(("sk_live_", "rk_live_")):
            raise Refused(f"A live key was sent to a double of Stripe, which takes test keys: `{hint}`.", status=401)
        if not re.fullmatch(r"sk_test_[A-Za-z0-9]+", key):
            raise Refused(f"Invalid API Key provided: {key[:8]}{'*' * 8}", status=401)

    def pairs(self, query):
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY or "transfer-encoding" in self.headers:
            self.close_connection = True
            raise Refused("A body needs a length, of 1 MiB at most", status=413)
        body = self.rfile.read(int(length))
        if self.command != "POST" and body:
            raise Refused(f"A body came with {self.command}")
        if self.command == "POST" and query:
            raise Refused("Parameters of a POST belong in its body")
        if body and self.headers.get_content_type() != FORM:
            raise Refused(f"Invalid request: the body has to be {FORM}, not {self.headers.get_content_type()}")
        try:
            given = body.decode("ascii") if body else query
            if re.search(r"%(?![0-9A-Fa-f]{2})", given):
                raise ValueError
            return parse_qsl(given, True, True, errors="strict", max_num_fields=1000) if given else []
        except ValueError:
            raise Refused("Invalid request: the parameters are not form-encoded") from None

    def once(self, book, path, pairs, do):
        """One answer for each idempotency key. What was not valid was not done, so nothing of it is kept."""
        key = self.headers.get("idempotency-key")
        if key is None or self.command != "POST":
            return (*do(), {})
        if not 1 <= len(key) <= 255:
            raise Refused("Idempotency keys have 1 to 255 characters", kind="idempotency_error")
        told = f"Try using a key other than '{key}' if you meant to execute a different request."
        if key in book.answers:
            place, before, answer = book.answers[key]
            if place != path:
                only = f"for the same endpoint they were first used for ('{place}' vs '{path}')"
                raise Refused(f"Keys for idempotent requests can only be used {only}. {told}", kind="idempotency_error")
            if before != sorted(pairs):
                only = "with the same parameters they were first used with"
                raise Refused(f"Keys for idempotent requests can only be used {only}. {told}", kind="idempotency_error")
            return (*answer, {"idempotent-replayed": "true"})
        # As it was: what it is about may change.
        answer = copy.deepcopy(do())
        book.answers[key] = (path, sorted(pairs), answer)
        return (*answer, {})

    def answer(self, book, url, pairs):
        for method, path, do, required, shape in ROUTES:
            found = method == self.command and re.fullmatch(path, url.path)
            if found:
                break
        else:
            raise Refused(f"Unrecognized request URL ({self.command}: {url.path}).", status=404)
        name = found[1] if found.groups() else None
        own = url.path.startswith("/_double/")
        if own:
            book.settle()
        with book.lock:
            fault = None
            if not own and book.fault is not None:
                after, how = book.fault
                book.fault, fault = (None, how) if after == 0 else ((after - 1, how), None)
            if fault == "lose_request":
                raise Lost

            def done():
                if fault == "error":
                    return 500, {"error": {"type": "api_error", "message": "An unknown error occurred"}}
                return 200, do(book, fields(pairs, shape, required), name)

            try:
                status, body, headers = (*done(), {}) if own else self.once(book, url.path, pairs, done)
            finally:
                # Whatever it says.
                if fault == "lose_answer":
                    raise Lost
            # Written down while nobody can change what it is about.
            told = (status, json.dumps(body).encode(), headers)
        if own and self.command == "POST":
            book.settle()
            status, body, headers = told
            with book.lock:
                body = json.loads(body)
                events = body.get("events", [])
                body["deliveries"] = [one for one in book.deliveries if one["event"] in events]
            told = (status, json.dumps(body).encode(), headers)
        return told

    def serve(self):
        book = self.server.book
        url = urlsplit(self.path)
        kind = "application/json"
        try:
            pairs = self.pairs(url.query)
            page = re.fullmatch(f"/_double/(?:pay|portal)/{NAME}", url.path)
            if self.command == "GET" and page:
                kind = "text/html; charset=utf-8"
                button = '<form method="post"><button>Pay</button></form>' if "/pay/" in url.path else "Nothing to see."
                status, body, headers = 200, f"<!doctype html><title>Stripe, emulated</title>{button}".encode(), {}
            else:
                if not url.path.startswith("/_double/"):
                    self.key()
                    version = self.headers.get("stripe-version", VERSION)
                    if not re.fullmatch(r"\d{4}-\d\d-\d\d(\.[a-z]+)?", version):
                        raise Refused(f"Invalid Stripe API version: {version}")
                status, body, headers = self.answer(book, url, pairs)
        except Refused as refused:
            status, body, headers = refused.status, json.dumps(refused.body).encode(), {}
        except Lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        named = {"content-type": kind, "content-length": str(len(body)), "request-id": "req_" + secrets.token_hex(7)}
        for name, value in {**named, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = serve


def main():
    options = argparse.ArgumentParser(description="Stripe on loopback, as far as the service uses it")
    options.add_argument("port", type=int, nargs="?", default=0, help="0, the default, takes a free one")
    options.add_argument("--secret", help="what events are signed with [default: made anew for each endpoint]")
    options.add_argument("--webhook", metavar="URL", help="where all events are told; /v1/webhook_endpoints adds more")
    options.add_argument("--stay", action="store_true", help="go on when the standard input ends")
    given = options.parse_args()
    if given.webhook and not given.secret:
        options.error("--webhook needs --secret: whoever is told has to know it")
    book = Book(given.secret)
    if given.webhook:
        make_endpoint(book, {"url": given.webhook, "enabled_events": {"0": "*"}}, None)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    except (OSError, OverflowError) as error:
        sys.exit(f"cannot serve on port {given.port}: {error}; 0 takes a free one")
    server.daemon_threads, server.book = True, book
    book.base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    try:
        if given.stay:
            threading.Event().wait()
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
