"""flows: an answer composed by a flow, beside the same answer by a declared plan; and flows that wait, in memory.

    demo       the demo's composition without its seal: SQL, a file, another route over HTTP
    constant   four parts that answer at once: what the two ways cost by themselves
    waiting    as many flows as there are idle connections in the case idle, each asleep
"""
import os
import re
import time

from benchlib import case_advise, case_idle, client, figures, load, server

CODE = "AD"
CONNS = 8
MODULES = "tests/support/modules"  # of the build; its flow country is the demo's composition
SLEEP_MS = 600000
SETTLE_SECONDS = 1
WAIT_SECONDS = 30
STACK, KEPT = 64 << 10, 128  # of address space, at the least; those that a server has to begin with
WAYS = ("plan", "flow")
SECTION = re.compile(r"(?m)^(?=\[)")
LEFT_OUT = "[subrequest country.seal]"
MORE = """\
[module flow]
path = MODULES/flow.so
[route asleep]
match = GET /asleep
deadline = 1h
flow = script
script = sleep %d
""" % SLEEP_MS
CONSTANT = """\
[subrequest %(route)s.%(part)s]
source = fixed
type = application/json
body = {"code":"x"}
"""


def seconds(scale, each, servers):
    """(once, per round)"""
    return 4, 2 * len(WAYS) * each + SETTLE_SECONDS + 2 + scale.idle_conns / 2000


# --- configuration ------------------------------------------------------------------------

def demo_sections(s):
    """Those of the demo that its composition needs, as text by their headings."""
    with open(os.path.join(case_advise.CONF, "demo.conf"), encoding="utf-8") as stream:
        text = re.sub(r"(?m)^#.*\n", "", stream.read())
    text = text.replace("${FOREBAY_DEMO_PORT:-8080}", "PORT")
    text = re.sub(r"\$\{FOREBAY_DEMO_DATABASE:-[^}]*\}", os.path.join(s.folder, "atlas.db"), text)
    text = text.replace("root = demo/", "root = %s/demo/" % case_advise.CONF)
    # Nothing is refused: a refusal costs nearly nothing.
    text = re.sub(r"(?m)^\[(database|upstream) .*\n", r"\g<0>order = fifo\nmax_wait = 0s\n", text)
    found = {part.split("\n", 1)[0]: part for part in SECTION.split(text)}
    return {head: part for head, part in found.items()
            if re.match(r"\[(database|upstream|route (country|neighbours)\b|subrequest country\.)", head)
            and head != LEFT_OUT}


def as_flow(text):
    """The route of the demo, answered by the flow."""
    text = re.sub(r"(?<=\[route )country|(?<=\[subrequest )country(?=\.)", "flow", text)
    text = text.replace("/api/country/", "/flow/country/").replace("{country.code}", "{flow.code}")
    return text.replace("[route flow]\n", "[route flow]\nflow = country\n")


def constant(way):
    route = "constant" + way
    flow = "flow = country\n" if way == "flow" else ""
    parts = ("country", "subdivisions", "neighbours", "note")
    return "[route %s]\nmatch = GET /constant/%s\n%s" % (route, way, flow) + "".join(
        CONSTANT % {"route": route, "part": part} for part in parts)


def configuration(s):
    """As a template of the server's."""
    demo = demo_sections(s)
    text = "".join(demo.values())
    text += "".join(as_flow(part) for head, part in demo.items() if " country" in head)
    text += MORE + "".join(constant(way) for way in WAYS)
    text = text.replace("MODULES", os.path.join(s.options.build, MODULES))
    return text.replace("%", "%%").replace("PORT", "%(port)d")


def start(s):
    case_advise.load_demo(s)
    if not os.path.exists(os.path.join(s.options.build, MODULES, "flow.so")):
        raise server.Unavailable("the module flow.so of the tests is not built: make check TESTS=")
    return s.start_one(s.make_ours(**{"inside.forebay": "worker_wait = 0s\nmax_flows = %d\n" % (s.scale.idle_conns + 100),
                                      "more.forebay": configuration(s)}))


# --- measuring ------------------------------------------------------------------------------

def check_same(one):
    """Both ways give the same answer, or it is no comparison."""
    bodies = {client.get(one.port, path % CODE).split(b"\r\n\r\n", 1)[1]
              for path in ("/api/country/%s", "/flow/country/%s")}
    if len(bodies) != 1:
        raise load.Broken("the flow and the plan answer differently")


def compare(s, one, number, paths, at):
    """CPU of a request by each way, and of the flow's to the plan's."""
    took = {}
    for way in s.in_turn(list(WAYS), number):
        got, cpu = s.loaded(one, s.wrk(CONNS), paths[way])
        took[way] = cpu / 1000 / got.requests
    for way in WAYS:
        s.figures.add("composed_way_cpu_us", way, took[way], at)
    s.figures.add("flow_cpu_ratio", figures.OURS, took["flow"] / took["plan"], at)


def wait_asleep(one, before, count):
    """Until each has a stack of its own."""
    limit = time.monotonic() + WAIT_SECONDS
    while one.address_bytes() < before + STACK * count:
        if time.monotonic() > limit:
            raise load.Broken("not all of %d flows have begun" % count)
        time.sleep(0.1)


def waiting(s, one):
    """Bytes of each that waits, its connection and its request included."""
    count = s.scale.idle_conns
    one.restart()
    client.get(one.port, "/flow/country/" + CODE)
    fresh, room = one.anonymous_bytes(), one.address_bytes()
    conns = case_idle.open_many(one.port, count, "/asleep", False)
    wait_asleep(one, room, count - KEPT)
    s.rest(SETTLE_SECONDS)
    s.figures.add("bytes_per_flow", figures.OURS, (one.anonymous_bytes() - fresh) / count)
    for conn in conns:
        conn.close()


def flows(s):
    case_idle.allow_descriptors(s.scale.idle_conns + 100)
    one = start(s)
    check_same(one)
    s.note("CPU time of the whole server, the SQL threads and the neighbour's route included, %d connections as fast "
           "as it goes; one way after the other, in turn" % CONNS)
    s.note("memory: RssAnon with %d flows that sleep, less that of a server that has run one" % s.scale.idle_conns)
    s.warm([one], s.wrk(CONNS), "/api/country/" + CODE)
    for number in s.rounds():
        compare(s, one, number, {"plan": "/api/country/" + CODE, "flow": "/flow/country/" + CODE}, "the demo's parts")
        compare(s, one, number, {way: "/constant/" + way for way in WAYS}, "constant parts")
        waiting(s, one)
