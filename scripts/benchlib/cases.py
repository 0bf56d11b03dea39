"""The table of cases: what each compares, who takes part, how often it is repeated."""
import collections

from benchlib import case_admission, case_advise, case_fanout, case_files, case_flows, case_h2, case_idle, case_instructions
from benchlib import case_isolation, case_keepalive, case_latency, case_light, case_overload, case_proxy
from benchlib import case_pictures, case_sql, case_storm, case_tls

# alone, all, quick: rounds when it is asked for by itself, as one of several, with --quick.
# role: of the peers that take part (see peers.py). seconds: (once, per round) of a scale.
Case = collections.namedtuple("Case", "name title run seconds role alone all quick")
CASES = (
    Case("plain", "a constant answer, keep-alive, 32 connections",
         case_keepalive.plain, case_keepalive.seconds, "plain", 9, 5, 2),
    Case("pipeline", "the same, 16 requests at once",
         case_keepalive.pipeline, case_keepalive.seconds, "plain", 9, 5, 1),
    Case("connect", "a connection for each request",
         case_keepalive.connect, case_keepalive.seconds, "plain", 9, 5, 1),
    Case("latency", "a constant answer, 2000 a second",
         case_latency.latency, case_latency.seconds, "plain", 9, 5, 1),
    Case("idle", "memory for each idle connection",
         case_idle.idle, case_idle.seconds, "idle", 3, 3, 1),
    Case("files", "files of 1 KiB, 100 KiB and 10 MiB",
         case_files.files, case_files.seconds, "files", 9, 5, 2),
    Case("tls", "requests, handshakes and resumed connections over TLS",
         case_tls.tls, case_tls.seconds, "tls", 9, 5, 1),
    Case("h2", "HTTP/2, TLS and clear text: 16 connections of 32 streams",
         case_h2.h2, case_h2.seconds, "h2", 9, 5, 1),
    Case("proxy", "1 KiB and 100 KiB of one upstream, passed through",
         case_proxy.proxy, case_proxy.seconds, "proxy", 9, 5, 1),
    Case("fanout", "a request of 2 to 16 parts; 4 beside Node and Go",
         case_fanout.fanout, case_fanout.seconds, "fanout", 5, 3, 1),
    Case("flows", "the demo by a flow and by a plan; 10,000 flows that wait",
         case_flows.flows, case_flows.seconds, "", 5, 3, 1),
    Case("sql", "SQLite by 1 to 8 connections; light requests beside it",
         case_sql.sql, case_sql.seconds, "", 5, 3, 1),
    Case("isolation", "light requests while every pool thread is busy",
         case_isolation.isolation, case_isolation.seconds, "", 3, 3, 1),
    Case("overload", "CPU jobs, 0.5 to 10 times what can be done",
         case_overload.overload, case_overload.seconds, "overload", 3, 1, 1),
    Case("pictures", "photographs of 24 megapixels made smaller; bombs",
         case_pictures.pictures, case_pictures.seconds, "", 3, 1, 1),
    Case("light", "light requests, 0.5 to 2 times what a worker can answer",
         case_light.light, case_light.seconds, "", 3, 1, 1),
    Case("admission", "priorities, abusers, a spike, jobs that get slower",
         case_admission.admission, case_admission.seconds, "", 3, 1, 1),
    Case("storm", "an upstream fails altogether for 5 s, at full load",
         case_storm.storm, case_storm.seconds, "", 3, 1, 1),
    Case("advise", "forebayctl advise: mean waits predicted and measured",
         case_advise.advise, case_advise.seconds, "", 5, 1, 1),
    Case("instructions", "user-space instructions per request (valgrind)",
         case_instructions.instructions, case_instructions.seconds, "", 3, 3, 1),
)
BY_NAME = {case.name: case for case in CASES}
