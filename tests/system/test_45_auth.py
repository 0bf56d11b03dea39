"""Who asks: passwords and tokens through the real daemon, and what verifying them costs others.

Tokens are signed by openssl; hashes are of the password "secret", but for those that take long.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import threading
import time

import pytest

from bed import FACTOR, FOREBAYD, free_port, run_forebayd, wait_until
from client import Client, ask, metrics

BUILT = subprocess.run([FOREBAYD, "--version"], stdout=subprocess.PIPE, check=True).stdout.decode()
pytestmark = pytest.mark.skipif("bcrypt" not in BUILT, reason="built without bcrypt")
has_argon2 = "argon2id" in BUILT

BCRYPT = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
OTHER = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"  # of eighty x
ARGON2 = "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQx$Ii7tfVGT+OUGWZNnVZ6U2nRbgOSJI+2cFJ0W0d5SyxQ"
SLOW = "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"  # 60 ms or so
SLOWER = "$2b$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW"  # four times that
SECRET = b"0123456789abcdef0123456789abcdef"

CONF = """
[server]
workers = 1

[admin]
listen = 127.0.0.1:%(admin)d
socket = admin.sock

[access_log]
path = access.log
format = {client.address} {user} {request.path} {status}
flush = 10ms

[pool auth]
threads = 1
max_queue = 64

[pool slow]
threads = 1
max_queue = %(slow_queue)d
max_wait = 1m

[upstream chaos]
servers = http://%(chaos)s

[auth staff]
type = basic
realm = The "staff"
users_file = users
pool = auth
cache = %(cache)s

[auth slow]
type = basic
users_file = slow
pool = slow

[auth token]
type = jwt
algorithms = HS256, RS256, ES256, EdDSA
jwks_file = keys.json
issuer = https://issuer.example
audience = api
scope = read
require.tier = gold
leeway = 0s
cookie = session
pool = auth

[auth pem]
type = jwt
algorithms = %(pem_algorithms)s
key_file = %(pem)s
pool = auth

[auth named]
type = jwt
algorithms = HS256, RS256, ES256, EdDSA
jwks_file = keys.json
audience = api
user_claim = name

[route named]
match = GET /named
auth = named
source = fixed
body = <{request.user}>

[route light]
match = GET /light
source = fixed
body = light

[route staff]
match = * /staff
auth = staff
source = fixed
body = {request.method} {request.user}

[route slow]
match = GET /slow
auth = slow
source = fixed
body = {request.user}

[route hurry]
match = GET /hurry
auth = slow
deadline = 20ms
source = fixed
body = {request.user}

[route token]
match = GET /token
auth = token
source = fixed
body = {request.user} {request.claim.roles.0}

[route kept]
match = GET /kept
auth = token
source = fixed
body = kept
set_header.Cache-Control = {query.cache}
set_header.Vary = Accept

[cache pages]
size = 1m
max_entry = 64k

[route tenant]
match = GET /tenant
auth = token
forward_authorization = no
source = fixed
body = {request.claim.tenant}
header.Cache-Control = {query.cache}
cache = pages

[route pem]
match = GET /pem
auth = pem
source = fixed
body = {request.user}

[route either]
match = GET /either
auth = token, staff
source = fixed
body = {request.user} {request.claim.tier}

[route both]
match = GET /both
auth = token, pem
source = fixed
body = {request.user}

[route passed]
match = GET /head
auth = staff
source = upstream chaos
path = /head

[route hidden]
match = GET /hidden
auth = staff
forward_authorization = no
source = upstream chaos
path = /head
"""


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


class Signer:
    """A key of one algorithm, made by openssl in a folder of its own."""

    KINDS = {"RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
             "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "EdDSA": ["-algorithm", "ED25519"]}

    def __init__(self, folder, algorithm):
        self.algorithm, self.folder = algorithm, str(folder)
        self.private, self.public = (os.path.join(self.folder, algorithm + end) for end in (".key", ".pem"))
        if algorithm == "HS256":
            with open(self.public, "wb") as file:
                file.write(SECRET + b"\n")
            return
        openssl("genpkey", *self.KINDS[algorithm], "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)

    def jwk(self, **more):
        """As RFC 7517 has it."""
        if self.algorithm == "HS256":
            return dict(kty="oct", k=encode(SECRET), **more)
        der = openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER")
        if self.algorithm == "EdDSA":
            return dict(kty="OKP", crv="Ed25519", x=encode(der[-32:]), **more)
        if self.algorithm == "ES256":
            return dict(kty="EC", crv="P-256", x=encode(der[-64:-32]), y=encode(der[-32:]), **more)
        text = openssl("rsa", "-pubin", "-in", self.public, "-noout", "-modulus").decode()
        return dict(kty="RSA", n=encode(bytes.fromhex(text.split("=")[1].strip())), e="AQAB", **more)

    def sign(self, text):
        if self.algorithm == "HS256":
            return hmac.new(SECRET, text, hashlib.sha256).digest()
        if self.algorithm == "EdDSA":
            path = os.path.join(self.folder, "text")
            with open(path, "wb") as file:
                file.write(text)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", path)
        made = openssl("dgst", "-sha256", "-sign", self.private, data=text)
        if self.algorithm == "RS256":
            return made
        # SEQUENCE of two INTEGERs; RFC 7518 3.4 wants 32 bytes of each.
        at = 4
        r = made[at:at + made[3]]
        s = made[at + made[3] + 2:]
        return b"".join(int.from_bytes(number, "big").to_bytes(32, "big") for number in (r, s))

    def token(self, claims, **header):
        """A whole token; header members of that value None are left out."""
        header = {key: value for key, value in dict({"typ": "JWT", "alg": self.algorithm}, **header).items()
                  if value is not None}
        text = encode(json.dumps(header).encode()) + "." + encode(
            claims if isinstance(claims, bytes) else json.dumps(claims).encode())
        return text + "." + encode(self.sign(text.encode()))


def claims(**more):
    """Claims that [auth token] takes; those that are None are left out."""
    found = dict(iss="https://issuer.example", aud=["api", "other"], sub="joe", exp=int(time.time()) + 3600,
                 scope="write read", tier="gold", roles=["dev", "ops"])
    found.update(more)
    return {key: value for key, value in found.items() if value is not None}


def basic(user, password):
    if isinstance(password, str):
        password = password.encode()
    return "Authorization: Basic " + base64.b64encode(user.encode() + b":" + password).decode()


def bearer(token):
    return "Authorization: Bearer " + token


def challenges(r):
    return [value for name, value in r.fields if name.lower() == "www-authenticate"]


class Guarded:
    """A daemon, its users and its keys."""

    def __init__(self, start, chaos, folder, signers):
        self.folder, self.signers = str(folder), signers
        self.values = dict(admin=free_port(), chaos=chaos.address, cache="60s", slow_queue=64, pem="pem",
                           pem_algorithms="RS256")
        self.users()
        self.write("slow", "alice:%s\nbob:%s\n" % (SLOW, SLOWER))
        self.write("keys.json", json.dumps({"keys": [s.jwk(kid=s.algorithm) for s in signers.values()]}))
        with open(signers["RS256"].public, encoding="ascii") as file:
            self.write("pem", file.read())
        self.daemon = start(self.conf())
        self.address, self.admin = self.daemon.address, ("127.0.0.1", self.values["admin"])

    def conf(self):
        """Paths are of the folder of this test."""
        text = CONF % self.values
        for name in ("users_file = ", "jwks_file = ", "key_file = "):
            text = text.replace(name, name + self.folder + "/")
        return text

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def users(self, *more):
        lines = ["# staff", "alice:" + BCRYPT, "José:" + BCRYPT, *more]
        self.write("users", "\n".join(lines + (["bob:" + ARGON2] if has_argon2 else [])) + "\n")

    def reload(self, **values):
        self.values.update(values)
        with open(self.daemon.path, "w", encoding="utf-8") as file:
            file.write("[listen test]\naddress = 127.0.0.1:%d\n%s" % (self.daemon.port, self.conf()))
        with Client(os.path.join(self.daemon.folder, "admin.sock"), timeout=30) as c:
            return c.ask("/reload", method="POST")

    def ask(self, path, *lines, **more):
        return ask(self.address, path, *lines, **more)

    def count(self, name, **labels):
        return metrics(self.admin)["forebay_" + name, tuple(labels.items())]


@pytest.fixture(scope="module")
def signers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {algorithm: Signer(folder, algorithm) for algorithm in ("HS256", "RS256", "ES256", "EdDSA")}


@pytest.fixture
def guarded(start, chaos, tmp_path, signers):
    return Guarded(start, chaos, tmp_path, signers)


# --- passwords ------------------------------------------------------------------------------------


def test_a_password_opens_the_route_and_names_the_user(guarded):
    r = guarded.ask("/staff", basic("alice", "secret"))
    assert (r.status, r.body) == (200, b"GET alice")
    assert guarded.ask("/staff", basic("José", "secret")).body == "GET José".encode()
    if has_argon2:
        assert guarded.ask("/staff", basic("bob", "secret")).body == b"GET bob"
    r = guarded.ask("/staff", basic("alice", "secret").replace("Basic", "bASIC"), method="POST", body=b"x" * 100)
    assert (r.status, r.body) == (200, b"POST alice")


def test_without_it_the_answer_is_a_challenge(guarded):
    wrong = ["", basic("alice", "Secret"), basic("alice", ""), basic("eve", "secret"), basic("", "secret"),
             basic("alice", "secret\0"), basic("alice\0", "secret"), basic("alice", b"secret\xff"),
             basic("alice:secret", ""), "Authorization: Basic", "Authorization: Basic ???", "Authorization: Basic YWxpY2U",
             "Authorization: Basic " + "A" * 4000, "Authorization: Bearer x", "Authorization: Digest username=alice",
             basic("alice", "x" * 600)]
    for line in wrong:
        r = guarded.ask("/staff", *[line] if line else [])
        assert (r.status, challenges(r)) == (401, [r'Basic realm="The \"staff\"", charset="UTF-8"']), line
    # The same over and over on one connection, which lives on.
    with Client(guarded.address) as c:
        for _ in range(20):
            assert c.ask("/staff", basic("alice", "no")).status == 401
        assert c.ask("/staff", basic("alice", "secret"), method="HEAD").status == 200
        assert c.ask("/staff", method="POST", body=b"x" * 1000).status == 401
    assert guarded.count("auth_refused_total", reason="absent") == 2
    assert guarded.count("auth_refused_total", reason="scheme") == 2
    assert guarded.count("auth_refused_total", reason="password") > 20
    assert guarded.count("auth_refused_total", reason="syntax") >= 6


def test_two_authorization_fields_are_no_request(guarded):
    r = guarded.ask("/staff", basic("alice", "secret"), basic("alice", "secret"))
    assert r.status == 400


def test_what_was_verified_is_remembered_until_a_reload(guarded):
    for _ in range(10):
        assert guarded.ask("/staff", basic("alice", "secret")).status == 200
        assert guarded.ask("/staff", basic("alice", "wrong")).status == 401
        assert guarded.ask("/staff", basic("nobody", "wrong")).status == 401
    assert guarded.count("auth_jobs_total") == 3  # somebody's wrong password costs what nobody's does
    assert guarded.count("auth_passed_total", how="verified") == 1
    assert guarded.count("auth_passed_total", how="remembered") == 9
    assert guarded.count("auth_wrong_again_total") == 18
    assert guarded.reload().status == 200
    assert guarded.ask("/staff", basic("alice", "secret")).status == 200
    assert guarded.count("auth_jobs_total") == 4


def test_a_cache_of_zero_remembers_no_success(guarded):
    assert guarded.reload(cache="0s").status == 200
    for _ in range(3):
        assert guarded.ask("/staff", basic("alice", "secret")).status == 200
        assert guarded.ask("/staff", basic("alice", "wrong")).status == 401
    assert guarded.count("auth_jobs_total") == 4


def test_users_are_read_again_by_a_reload(guarded):
    assert guarded.ask("/staff", basic("alice", "secret")).status == 200
    assert guarded.ask("/staff", basic("new", "secret")).status == 401
    guarded.write("users", "alice:%s\nnew:%s\n" % (OTHER, BCRYPT))
    assert guarded.ask("/staff", basic("alice", "secret")).status == 200
    assert guarded.reload().status == 200
    assert guarded.ask("/staff", basic("alice", "secret")).status == 401
    assert guarded.ask("/staff", basic("alice", "x" * 80)).status == 200
    assert guarded.ask("/staff", basic("new", "secret")).status == 200
    guarded.write("users", "alice:%s\nalice:%s\n" % (BCRYPT, BCRYPT))
    r = guarded.reload()
    assert r.status == 422 and b"users:2: that user has a line above" in r.body, r.body
    assert guarded.ask("/staff", basic("new", "secret")).status == 200


def test_the_log_has_the_user(guarded):
    assert guarded.ask("/staff", basic("alice", "secret")).status == 200
    assert guarded.ask("/staff", basic("eve", "secret")).status == 401
    path = os.path.join(guarded.daemon.folder, "access.log")

    def lines():
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    wait_until(lambda: len(lines()) == 2, what="two lines")
    assert sorted(lines()) == ["127.0.0.1 - /staff 401", "127.0.0.1 alice /staff 200"]
    assert "secret" not in guarded.daemon.stderr() and "eve" not in guarded.daemon.stderr()


def test_nothing_of_one_request_is_known_to_the_next(guarded, signers):
    token = signers["HS256"].token(claims(), kid="HS256")
    with Client(guarded.address) as c:
        assert c.ask("/either", bearer(token)).body == b"joe gold"
        # Its template needs a claim, and a user of a password has none.
        r = c.ask("/either", basic("alice", "secret"))
        assert r.status != 200 and b"gold" not in r.body
        assert c.ask("/staff", basic("alice", "secret")).body == b"GET alice"
        assert c.ask("/staff").status == 401


def test_the_field_goes_on_to_upstreams_unless_the_route_says_no(guarded):
    line = basic("alice", "secret")

    def seen(path):
        r = guarded.ask(path, line, "X-Other: 1")
        assert r.status == 200
        return {name.lower(): value for name, value in json.loads(r.body)["fields"]}
    assert seen("/head")["authorization"] == line.split(": ")[1]
    assert "authorization" not in seen("/hidden") and seen("/hidden")["x-other"] == "1"


# --- what verifying costs ----------------------------------------------------------------------------


def send_all(address, path, lines):
    """One connection for each line, all of them asking at once; the clients."""
    clients = []
    for line in lines:
        clients.append(Client(address, timeout=60))
        clients[-1].get(path, line)
    return clients


def test_requests_with_the_same_credentials_share_one_verification(guarded):
    clients = send_all(guarded.address, "/slow", [basic("bob", "secret")] * 20)
    assert [c.response().status for c in clients] == [200] * 20
    jobs = guarded.count("auth_jobs_total")
    assert jobs == 1 and guarded.count("auth_joined_total") + guarded.count("auth_passed_total", how="remembered") == 19


def test_a_full_pool_refuses_before_anything_of_the_route_starts(guarded):
    assert guarded.reload(slow_queue=1).status == 200
    clients = send_all(guarded.address, "/slow", [basic("bob", "wrong%d" % i) for i in range(24)])
    answers = [c.response() for c in clients]
    refused = [r for r in answers if r.status in (429, 503)]
    assert refused and {r.status for r in answers} <= {401, 429, 503}
    assert all(r.field("forebay-shed").startswith("pool.slow.") and int(r.field("retry-after")) >= 1 for r in refused)
    assert guarded.count("auth_refused_total", reason="shed") == len(refused)
    seen = metrics(guarded.admin)
    assert not [key for key, value in seen.items() if key[0] == "forebay_subrequests_total" and value and
                dict(key[1]).get("route") == "slow"]


def test_the_deadline_of_the_route_ends_the_wait(guarded):
    r = guarded.ask("/hurry", basic("bob", "secret"))
    assert r.status == 504
    assert guarded.count("auth_refused_total", reason="deadline") == 1


def test_later_ones_are_not_late_because_the_first_was(guarded):
    """The one who begins a verification has 20 ms and gives up in the queue; who joins has 30 s."""
    busy = send_all(guarded.address, "/slow", [basic("bob", "busy")])
    first = send_all(guarded.address, "/hurry", [basic("alice", "secret")])
    second = send_all(guarded.address, "/slow", [basic("alice", "secret")])
    # Refused at the door is right, too: its place in the queue is known to be too late.
    assert first[0].response().status in (503, 504)
    assert second[0].response().status == 200
    assert busy[0].response().status == 401


def test_a_client_that_goes_takes_its_verification_with_it(guarded):
    """Those that are in the pool, behind three that take long, are never run."""
    busy = send_all(guarded.address, "/slow", [basic("bob", "busy%d" % i) for i in range(3)])
    gone = send_all(guarded.address, "/slow", [basic("alice", "gone%d" % i) for i in range(8)])
    wait_until(lambda: guarded.count("auth_jobs_total") + guarded.count("auth_refused_total", reason="shed") == 11,
               what="all are in the pool, or refused")
    for c in gone:
        c.reset()
    assert {c.response().status for c in busy} <= {401, 429, 503}
    wait_until(lambda: guarded.count("jobs_dropped_total", pool="slow", reason="abandoned") >= 1, 30, "one is dropped")
    assert guarded.count("client_gone_total") >= 1
    # And the others' places are free.
    wait_until(lambda: guarded.ask("/slow", basic("alice", "secret")).status == 200, 30, "the pool is well")


def test_light_requests_pass_while_hundreds_of_wrong_passwords_come(guarded):
    """Two hundred a second, each another one: far more than the pool can hash."""
    end, seen, stop = time.monotonic() + 2, [], threading.Event()

    def attack(number):
        with Client(guarded.address, timeout=60) as c:
            turn = 0
            while not stop.is_set():
                seen.append(c.ask("/slow", basic("alice", "wrong %d %d" % (number, turn))).status)
                turn += 1
                time.sleep(0.04)
    threads = [threading.Thread(target=attack, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    light = 0
    with Client(guarded.address, timeout=60) as c:
        while time.monotonic() < end or light < 200:
            assert c.ask("/light").body == b"light"
            light += 1
            time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join(60 * FACTOR)
        assert not thread.is_alive()
    assert seen and set(seen) <= {401, 429, 503}
    # Every one of them got a word, and the pool is well.
    assert guarded.count("auth_refused_total", reason="password") == seen.count(401)
    assert guarded.ask("/staff", basic("alice", "secret")).status == 200


# --- tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_token_opens_the_route(guarded, signers, algorithm):
    token = signers[algorithm].token(claims(), kid=algorithm)
    for _ in range(3):
        r = guarded.ask("/token", bearer(token))
        assert (r.status, r.body) == (200, b"joe dev"), r
    assert guarded.count("auth_jobs_total") == (algorithm in ("ES256", "EdDSA"))
    assert guarded.ask("/token", bearer(signers[algorithm].token(claims()))).status == 200  # the only one of its kind
    r = guarded.ask("/token", bearer(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")))
    assert r.status == 401
    assert guarded.reload(pem=os.path.basename(signers[algorithm].public), pem_algorithms=algorithm).status == 422
    with open(signers[algorithm].public, encoding="ascii") as file:
        guarded.write("pem", file.read())
    assert guarded.reload(pem="pem", pem_algorithms=algorithm).status == 200
    assert guarded.ask("/pem", bearer(signers[algorithm].token({"sub": "me", "exp": 2 ** 33}, kid="any"))).body == b"me"
    assert guarded.ask("/pem", bearer(signers[algorithm].token({"sub": "me"}))).status == 401


def refusal_cases(signers):
    s = signers["HS256"]
    now = time.time()
    yield "absent", None, ""
    yield "token", "", "the token is malformed"
    yield "token", "a.b.c", "the token is malformed"
    yield "token", s.token(claims()) + ".x", "the token is malformed"
    yield "token", s.token(claims(), crit=["exp"]), "the token is malformed"
    yield "token", s.token(b'{"exp":99999999999,"exp":1}', kid="HS256"), "the token is malformed"
    yield "token", s.token(b"[]", kid="HS256"), "the token is malformed"
    yield "algorithm", s.token(claims(), alg="none"), "the algorithm of the token is not accepted"
    yield "algorithm", s.token(claims(), alg="HS384"), "the algorithm of the token is not accepted"
    yield "key", s.token(claims(), kid="RS256"), "the token names no known key"
    yield "key", s.token(claims(), kid="x"), "the token names no known key"
    yield "signature", s.token(claims(), kid="HS256")[:-8] + "AAAAAAAA", "the signature of the token is wrong"
    yield "signature", s.token(claims(), alg="ES256", kid="ES256"), "the signature of the token is wrong"
    yield "signature", s.token(claims(), alg="RS256", kid="RS256"), "the signature of the token is wrong"
    yield "expired", s.token(claims(exp=now - 1)), "the token has expired"
    yield "claim", s.token(claims(exp=None)), "the token lacks a claim that is asked for"
    yield "early", s.token(claims(nbf=now + 3600)), "the token is not valid yet"
    yield "early", s.token(claims(iat=now + 3600)), "the token is not valid yet"
    yield "issuer", s.token(claims(iss="https://other.example")), "the issuer of the token is not accepted"
    yield "audience", s.token(claims(aud="web")), "the token is for another audience"
    yield "claim", s.token(claims(tier="lead")), "the token lacks a claim that is asked for"


def test_every_reason_to_refuse_a_token_is_told_and_counted(guarded, signers):
    for reason, token, text in refusal_cases(signers):
        before = guarded.count("auth_refused_total", reason=reason)
        r = guarded.ask("/token", *[bearer(token)] if token is not None else [])
        wanted = 'Bearer realm="Forebay"'
        if text:
            wanted += ', error="invalid_token", error_description="%s"' % text
        assert (r.status, challenges(r)) == (401, [wanted]), (reason, token)
        assert guarded.count("auth_refused_total", reason=reason) == before + 1, (reason, token)
    r = guarded.ask("/token", bearer(signers["HS256"].token(claims(scope="write"))))
    assert (r.status, challenges(r)) == (403, ['Bearer realm="Forebay", error="insufficient_scope", error_description='
                                               '"the token lacks a scope that is asked for", scope="read"'])
    assert guarded.count("auth_refused_total", reason="scope") == 1
    assert guarded.ask("/token", basic("alice", "secret")).status == 401


def test_a_forged_token_learns_nothing_of_the_claims_that_are_asked_for(guarded, signers):
    token = signers["HS256"].token(claims(scope="none", iss="x", exp=1))[:-8] + "AAAAAAAA"
    assert "signature" in challenges(guarded.ask("/token", bearer(token)))[0]


def test_a_public_key_is_no_secret(guarded, signers):
    """RFC 8725 2.1: HMAC under the bytes of a public key that everybody has."""
    with open(signers["RS256"].public, "rb") as file:
        public = file.read()
    text = encode(b'{"alg":"HS256"}') + "." + encode(json.dumps(claims()).encode())
    for key in (public, public.strip()):
        forged = text + "." + encode(hmac.new(key, text.encode(), hashlib.sha256).digest())
        assert guarded.ask("/pem", bearer(forged)).status == 401
        assert guarded.ask("/token", bearer(forged)).status == 401


def test_wrong_signatures_are_remembered_too(guarded, signers):
    token = signers["ES256"].token(claims(), kid="ES256")
    forged = token[:-8] + "AAAAAAAA"
    for _ in range(5):
        assert guarded.ask("/token", bearer(forged)).status == 401
        assert guarded.ask("/token", bearer(token)).status == 200
    assert guarded.count("auth_jobs_total") == 2
    assert guarded.count("auth_wrong_again_total") == 4
    assert guarded.count("auth_passed_total", how="remembered") == 4


def test_a_remembered_token_expires_all_the_same(guarded, signers):
    token = signers["ES256"].token(claims(exp=time.time() + 2 * FACTOR + 1), kid="ES256")
    assert guarded.ask("/token", bearer(token)).status == 200
    wait_until(lambda: guarded.ask("/token", bearer(token)).status == 401, 20, "its end")
    assert guarded.count("auth_refused_total", reason="expired") == 1


def test_a_cookie_can_hold_the_token(guarded, signers):
    token = signers["HS256"].token(claims())
    assert guarded.ask("/token", "Cookie: a=b; session=%s; c=d" % token).body == b"joe dev"
    assert guarded.ask("/token", "Cookie: session=" + token, "Cookie: session=" + token).status == 401
    assert guarded.ask("/token", "Cookie: sessions=" + token).status == 401
    assert guarded.ask("/token", "Cookie: session=" + token, bearer("x")).status == 401
    assert guarded.ask("/token", "Cookie: session=" + token, basic("alice", "secret")).status == 401


@pytest.mark.parametrize("said, kept", [
    ("max-age=60", "max-age=60, private"),
    ("Public, max-age=60,immutable", "max-age=60, immutable, private"),
    ("public", "private"),
    ("no-store", "no-store"),
    ("max-age=9, Private", "max-age=9, Private"),
])
def test_what_a_cookie_opens_is_for_no_shared_cache(guarded, signers, said, kept):
    def caching(path, *lines):
        r = guarded.ask(path, *lines)
        assert r.status == 200
        return [[value for name, value in r.fields if name.lower() == wanted] for wanted in ("cache-control", "vary")]

    token = signers["HS256"].token(claims())
    path = "/kept?cache=" + said.replace(" ", "%20")
    assert caching(path, "Cookie: session=" + token) == [[kept], ["Accept", "Cookie"]]
    assert caching(path, bearer(token)) == [[said], ["Accept"]]
    assert caching("/token", "Cookie: session=" + token) == [["private"], ["Cookie"]]
    assert caching("/token", bearer(token)) == [[], []]


@pytest.mark.parametrize("by", [bearer, "Cookie: session=%s".__mod__], ids=["field", "cookie"])
def test_what_a_token_without_a_user_opens_is_not_kept_for_others(guarded, signers, by):
    def ask(tenant, said):
        token = signers["HS256"].token(claims(sub=None, tenant=tenant))
        return guarded.ask("/tenant?cache=" + said, by(token)).body

    assert [ask(tenant, "max-age=60") for tenant in ("one", "two")] == [b"one", b"two"]
    assert [ask(tenant, "public,max-age=60") for tenant in ("three", "four")] == [b"three", b"three"]


def test_a_token_without_the_claim_that_names_the_user_is_refused(guarded, signers):
    assert guarded.ask("/named", bearer(signers["HS256"].token(claims(name="zoe")))).body == b"<zoe>"
    for name in (None, ""):
        r = guarded.ask("/named", bearer(signers["HS256"].token(claims(name=name))))
        assert r.status == 401 and "lacks a claim" in challenges(r)[0]
    assert guarded.count("auth_refused_total", reason="claim") == 2


def test_any_of_several_sections_will_do(guarded, signers):
    assert guarded.ask("/either", bearer(signers["ES256"].token(claims(), kid="ES256"))).body == b"joe gold"
    r = guarded.ask("/either")
    assert (r.status, challenges(r)) == (401, ['Bearer realm="Forebay"',
                                               r'Basic realm="The \"staff\"", charset="UTF-8"'])
    r = guarded.ask("/either", bearer("x"))
    assert [("error=" in line) for line in challenges(r)] == [True, False]


def test_of_several_sections_the_one_that_came_farthest_says_why(guarded, signers):
    r = guarded.ask("/both", bearer(signers["HS256"].token(claims(scope="write"))))
    assert r.status == 403 and "insufficient_scope" in challenges(r)[0] and "error" not in challenges(r)[1]
    r = guarded.ask("/both", bearer(signers["RS256"].token({"sub": "x", "exp": 1}, kid="x")))
    assert r.status == 401 and "error" not in challenges(r)[0] and "expired" in challenges(r)[1]


def test_keys_are_read_again_by_a_reload(guarded, signers):
    token = signers["ES256"].token(claims(), kid="ES256")
    assert guarded.ask("/token", bearer(token)).status == 200
    guarded.write("keys.json", json.dumps({"keys": [signers["ES256"].jwk(kid="next")]}))
    assert guarded.ask("/token", bearer(token)).status == 200
    assert guarded.reload().status == 200
    assert guarded.ask("/token", bearer(token)).status == 401
    guarded.write("keys.json", '{"keys":[{"kty":"RSA"}]}')
    r = guarded.reload()
    assert r.status == 422 and b"keys.json: key 1: " in r.body, r.body


# --- configurations -------------------------------------------------------------------------------------

ROUTE = "[listen a]\naddress = 127.0.0.1:1\n[route x]\nmatch = GET /x\nsource = fixed\nbody = {request.user}\nauth = a\n"


@pytest.mark.parametrize("text, said", [
    ("[auth a]\ntype = basic", r"8: \[auth a\]: type = basic asks for users_file"),
    ("[auth a]\ntype = none", r"9: \[auth a\] type: "),
    ("[auth a]\nrealm = x", r"8: \[auth a\] type: this key is required"),
    ("[auth a]\ntype = basic\nusers_file = nowhere", r"10: \[auth a\] users_file: .*/nowhere: No such file"),
    ("[auth a]\ntype = basic\nusers_file = users\nissuer = x", r"11: \[auth a\] issuer: that is a key of type = jwt"),
    ("[auth a]\ntype = basic\nusers_file = users\nrequire.x = x", r"11: \[auth a\] require.x: that is a key of type = jwt"),
    ("[auth a]\ntype = basic\nusers_file = users\npool = computer", r"11: .*there is no \[pool computer\]; did you mean \"compute\""),
    ("[auth a]\ntype = basic\nusers_file = users\nrealm = é", r"11: \[auth a\] realm: a realm is printable"),
    ("[auth a]\ntype = basic\nusers_file = wrong", r"wrong:2: MD5 is no hash for passwords: use htpasswd -B"),
    ("[auth a]\ntype = basic\nusers_file = wrong", r"wrong:4: the cost of a hash of bcrypt is from 04 to 15"),
    ("[auth a]\ntype = jwt", r"8: \[auth a\]: type = jwt asks for one of key_file and jwks_file"),
    ("[auth a]\ntype = jwt\nkey_file = users", r"8: \[auth a\]: type = jwt asks for algorithms"),
    ("[auth a]\ntype = jwt\nkey_file = users\njwks_file = users\nalgorithms = HS256", r"11: .*one of key_file and jwks"),
    ("[auth a]\ntype = jwt\nkey_file = users\nalgorithms = none", r"11: \[auth a\] algorithms: "),
    ("[auth a]\ntype = jwt\nkey_file = users\nalgorithms = RS256", r"10: \[auth a\] key_file: .*no public key"),
    ("[auth a]\ntype = jwt\nkey_file = short\nalgorithms = HS256", r"10: .*32 bytes or more"),
    ("[auth a]\ntype = jwt\nkey_file = public\nalgorithms = HS256", r"10: .*it is PEM, and HS256 asks for a secret"),
    ("[auth a]\ntype = jwt\njwks_file = users\nalgorithms = HS256", r"10: \[auth a\] jwks_file: .*\"keys\""),
    ("[auth a]\ntype = jwt\nkey_file = users\nalgorithms = HS256\nscope = a b", r"12: \[auth a\] scope: \"a b\" is no scope"),
    ("[auth a]\ntype = jwt\nkey_file = users\nalgorithms = HS256\ncookie = a=b", r"12: .*no name of a cookie"),
    ("[auth b]\ntype = basic\nusers_file = users", r"7: \[route x\] auth: there is no \[auth a\]"),
])
def test_what_is_wrong_is_told_with_its_line(tmp_path, signers, text, said):
    files = {"users": "alice:%s\n" % BCRYPT, "short": "short\n",
             "wrong": "a:%s\nb:$apr1$x$y\n\nc:%s\n" % (BCRYPT, BCRYPT.replace("$04$", "$31$"))}
    with open(signers["RS256"].public, encoding="ascii") as file:
        files["public"] = file.read()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "f.conf").write_text(ROUTE + text + "\n")
    code, _, stderr = run_forebayd("-t", "-c", str(tmp_path / "f.conf"))
    assert code == 1 and re.search(said, stderr), stderr


def test_a_route_without_auth_knows_nobody(tmp_path):
    (tmp_path / "f.conf").write_text(ROUTE.replace("auth = a\n", ""))
    code, _, stderr = run_forebayd("-t", "-c", str(tmp_path / "f.conf"))
    assert code == 1 and "{request.user}: nobody is known here: the route has no auth" in stderr, stderr
