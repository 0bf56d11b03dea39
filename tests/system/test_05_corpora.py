"""The HTTP/1 codec against public data: ../shared/corpora, or $FOREBAY_CORPORA.

http1-cases holds requests and responses with the verdict of a strict parser.
What it refuses, we refuse. What it takes and we refuse is listed below, with
the reason why we are stricter. http1 holds byte streams that may do no harm.
Without the data the tests are skipped, and say so.
"""
import os
import re
import subprocess
import tarfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
CORPORA = os.environ.get("FOREBAY_CORPORA") or os.path.join(HERE, "../../../shared/corpora")
VERDICT = os.path.join(os.path.dirname(os.environ.get("FOREBAYD", "")), "tests/support/h1_verdict")

# What they refuse and we take: the sample, and why that is no fault of ours.
OTHERWISE = {
    # RFC 9110 9.1: a method is any token; one that no route takes is answered 405.
    "HTTP protocol and ANNOUNCE method": "they know a list of methods",
    "Invalid method": "they know a list of methods",
}
# What they take and we refuse: our reason, and why we are stricter.
STRICTER = {
    # RTSP and ICE are not spoken here; a response of HTTP/0.9 has no head at all.
    "the version is malformed": "RTSP, ICE",
    "an HTTP version that was not asked for": "HTTP/0.9",
    # Bytes between responses are surplus: they cost the upstream connection.
    "the status line is malformed": "RTSP, ICE, CRLF before a status line",
    # RFC 9112 2.2: one empty line before a request line is skipped, not more.
    "the method is malformed": "two empty lines",
    # A tunnel is not offered.
    "CONNECT": "CONNECT",
    # RFC 3986: never in a target; and a request line without a version is HTTP/0.9.
    "the target is malformed": "quotes, fragments, HTTP/0.9",
    # RFC 9112 3.2.4: "*" is for OPTIONS alone; RFC 9110 4.2.4: no userinfo.
    "the target is in none of its forms": "M-SEARCH *, userinfo",
    # Any coding but exactly chunked leaves the framing in doubt (see wire/h1_head.h).
    "Transfer-Encoding is not a single coding": "chunked with others",
    "Transfer-Encoding twice": "chunked with others",
    "a transfer coding that is not known": "chunkedchunked",
    # RFC 9110 8.6, RFC 9112 6.1: 1xx and 204 have neither length nor coding.
    "a body where there can be none": "101 with a body",
}


def archive(name):
    path = os.path.join(CORPORA, name)
    if not os.path.isfile(path):
        pytest.skip("no %s" % path)
    return tarfile.open(path)


def unescape(text):
    """A sample's bytes: line ends are CRLF, and \\r \\n \\t \\f \\xHH are spelled out."""
    text = re.sub(r"\\\n", "", text).replace("\n", "\r\n")
    for name, byte in (("r", "\r"), ("n", "\n"), ("t", "\t"), ("f", "\f")):
        text = text.replace("\\" + name, byte)
    text = re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m.group(1), 16)), text)
    return text.encode()


def with_host(stream):
    """Their samples mostly lack Host, which is not what they are about."""
    if re.search(rb"(?im)^host[ \t]*:", stream):
        return stream
    return stream.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nHost: a\r\n")


SAMPLE = re.compile(r"<!-- meta=(\{[^\n]*\}) -->\s*```http\n((?:(?!```).)*)\n```(?:(?!```).)*```log\n(.*?)```", re.S)


def cases(taken):
    """(file and title, request or response, bytes) of each strict sample that they take, or do not."""
    with archive("http1-cases.tar.gz") as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            text = tar.extractfile(member).read().decode() if member.name.endswith(".md") else ""
            for match in SAMPLE.finditer(text):
                meta, sample, log = match.groups()
                kind = re.search(r'"type"\s*:\s*"(request|response)"', meta)
                if not kind or '"pause"' in meta or '"skipBody"' in meta:
                    continue
                title = re.findall(r"(?m)^#+ (.*)$", text[:match.start()])[-1]
                stream = unescape(sample)
                # Not an error: from there on it is another protocol's.
                upgrade = re.search(r"off=(\d+) error code=22", log)
                if upgrade:
                    stream = stream[:int(upgrade.group(1))]
                if taken == ("error code=" not in log.replace("error code=22", "")):
                    yield member.name + ": " + title, kind.group(1), stream


def verdict(kind, stream):
    done = subprocess.run([VERDICT, kind], input=stream, capture_output=True, timeout=20, check=True)
    return done.stdout.decode("latin-1").splitlines()[-1]


def is_refused(said):
    return said.startswith(("refused", "surplus"))


def judge(kind, stream):
    return verdict(kind, with_host(stream) if kind == "request" else stream)


def test_what_a_strict_parser_refuses_is_refused():
    seen, wrong, unused = 0, [], set(OTHERWISE)
    for name, kind, stream in cases(False):
        seen += 1
        # An unfinished line is ended, so that there is something to judge.
        said = [judge(kind, stream), judge(kind, stream + b"\r\n\r\n")]
        title = name.split(": ", 1)[1]
        if title in OTHERWISE:
            unused.discard(title)
        elif not any(map(is_refused, said)):
            wrong.append("%s: %s\n%r" % (name, said, stream))
    assert not wrong, "\n".join(wrong)
    assert not unused, "samples that are not there: %s" % unused
    assert seen >= 50


def test_what_a_strict_parser_takes_is_taken_or_listed():
    seen, wrong, unused = 0, [], set(STRICTER)
    for name, kind, stream in cases(True):
        seen += 1
        said = judge(kind, stream)
        reason = re.sub(r"^refused \d+ (.*), -$", r"\1", said)
        if is_refused(said) and reason not in STRICTER:
            wrong.append("%s: %s\n%r" % (name, said, stream))
        unused.discard(reason)
    assert not wrong, "\n".join(wrong)
    assert not unused, "reasons that no sample needs: %s" % unused
    assert seen >= 80


@pytest.mark.parametrize("kind", ["request", "response"])
def test_hostile_streams_do_no_harm(kind, tmp_path):
    with archive("http1.tar.gz") as tar:
        names = []
        for member in tar.getmembers():
            if member.isfile():
                names.append(str(tmp_path / os.path.basename(member.name)))
                with open(names[-1], "wb") as file:
                    file.write(tar.extractfile(member).read())
    for start in range(0, len(names), 200):
        some = names[start:start + 200]
        done = subprocess.run([VERDICT, kind] + some, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode("latin-1")
        ends = [line.rsplit(b" ", 1)[-1].decode("latin-1") for line in done.stdout.split(b"\n")]
        assert [end for end in ends if end in set(some)] == some
    assert len(names) > 1000
