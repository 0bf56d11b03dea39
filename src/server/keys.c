/*
 * Key tables of the server's own sections; see keys.h.
 */
#include "server/keys.h"

#include "config.h"

static const char *const dispatches[] = { "round-robin", "least-active", NULL };
static const char *const forwarded_fields[] = { "auto", "x-forwarded-for", "forwarded", NULL };
static const char *const odd_paths[] = { "check", "refuse", "pass", NULL };
static const char *const traces[] = { "off", "propagate", "make", NULL };
static const char *const protocols[] = { "http/1.1",
#ifdef HAVE_NGHTTP2
					 "h2",
#endif
					 NULL };
#ifdef HAVE_NGHTTP2
#define LISTEN_PROTOCOLS "h2, http/1.1"
#else
#define LISTEN_PROTOCOLS "http/1.1"
#endif
static const char *const half_closes[] = { "cancel", "allow", NULL };
static const char *const tls_mins[] = { "1.2", "1.3", NULL };
static const char *const levels[] = { "error", "warning", "notice", "debug", NULL };
static const char *const log_targets[] = { "stderr", "journal", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const modes[] = { "enforce", "shadow", NULL };
static const char *const orders[] = { "fifo", "adaptive", NULL };

/* Durations of a day at most: what is longer is a mistake in the unit. */
#define DAY INT64_C(86400000000000)
#define MS  INT64_C(1000000)

const struct conf_key server_keys[] = {
	{ "workers", CONF_UINT, CONF_FIELD(struct server_conf, workers), .def = "auto",
	  .flags = CONF_AUTO, .min = 1, .max = 256, .help = "reactor threads" },
	{ "cpus", CONF_CPUS, CONF_FIELD(struct server_conf, cpus),
	  .help =
	      "processors that workers stay on, such as 2-5 or 0-3,7: each on one of its own if "
	      "there are as many, else all on all of them; auto workers are not more than "
	      "these; not set: all that the process may use" },
	{ "dispatch", CONF_WORD, CONF_FIELD(struct server_conf, dispatch), .def = "round-robin",
	  .words = dispatches, .help = "which worker gets the next connection" },
	{ "cpu_budget", CONF_DECIMAL, CONF_FIELD(struct server_conf, cpu_budget), .def = "auto",
	  .flags = CONF_AUTO, .min = 1, .max = 1024000,
	  .help = "processors' worth of time this process may use, such as 1.5" },
	{ "user", CONF_TEXT, CONF_FIELD(struct server_conf, user), .flags = CONF_RESTART,
	  .help = "who to become after the sockets are bound; only root can" },
	{ "trusted_proxies", CONF_LIST, CONF_FIELD(struct server_conf, trusted_proxies),
	  .help = "networks, or unix, whose word about the client counts: Forwarded or "
		  "X-Forwarded-For and -Proto are read from the right up to the first address that "
		  "is not among them" },
	{ "forwarded_field", CONF_WORD, CONF_FIELD(struct server_conf, forwarded_field),
	  .def = "auto", .words = forwarded_fields,
	  .help =
	      "which of the two trusted proxies write; auto: the one that is there, and where "
	      "both are, neither, as a proxy passes on what clients say in the one that it does "
	      "not write: the client is then who connects" },
	{ "odd_paths", CONF_WORD, CONF_FIELD(struct server_conf, odd_paths), .def = "check",
	  .words = odd_paths,
	  .help =
	      "paths for upstreams with // or ; or %2F or %5C, which servers read in more than "
	      "one way: check, 400 where another reading is of another route or has dot segments; "
	      "refuse, 400 for all of them; pass" },
	{ "trace", CONF_WORD, CONF_FIELD(struct server_conf, trace.mode), .def = "make",
	  .words = traces,
	  .help = "what upstreams are told by traceparent: propagate, the client's trace with a "
		  "parent id of our own; make, the same, or a new trace where it has none; off, "
		  "what the client has sent, as of any other field" },
	{ "trace_sample", CONF_PERCENT, CONF_FIELD(struct server_conf, trace.sample), .def = "0%",
	  .max = 100,
	  .help = "of the traces that begin here, how many bear the flag that they are to be "
		  "recorded" },
	{ "max_connections", CONF_UINT, CONF_FIELD(struct server_conf, max_connections),
	  .def = "65536", .min = 1, .max = 10000000,
	  .help = "accepting pauses there; idle ones are closed first" },
	{ "grace", CONF_DURATION, CONF_FIELD(struct server_conf, grace), .def = "30s", .max = DAY,
	  .help = "how long draining may take" },
	{ "spool_dir", CONF_PATH, CONF_FIELD(struct server_conf, spool_dir), .def = "/var/tmp",
	  .help =
	      "folder for bodies of routes with buffer_body and buffer_response, in files without "
	      "names" },
	{ "module_path", CONF_PATH, CONF_FIELD(struct server_conf, module_path),
	  .help = "folder of modules; without it, the one they are installed in" },
	{ .name = "include",
	  .type = CONF_KNOWN,
	  .flags = CONF_NO_DUMP,
	  .help = "more files, relative to this one: conf.d/*.conf" },
	CONF_KEYS_END
};

const struct conf_key admin_keys[] = {
	{ "socket", CONF_PATH, CONF_FIELD(struct admin_conf, socket),
	  .flags = CONF_SYSTEMD | CONF_RESTART,
	  .help = "unix socket for forebayctl; or systemd:NAME" },
	{ "listen", CONF_ADDRESS, CONF_FIELD(struct admin_conf, listen), .flags = CONF_RESTART,
	  .help = "address of the admin pages: /livez, /startupz, /readyz, /metrics, /status, "
		  "/stalls" },
	CONF_KEYS_END
};

const struct conf_key listen_keys[] = {
	{ "address", CONF_ADDRESS, CONF_FIELD(struct listen_conf, address), .flags = CONF_REQUIRED,
	  .help =
	      "0.0.0.0:8080, [::]:8080, unix:/path, or systemd:NAME: a socket of a socket unit" },
	{ "backlog", CONF_UINT, CONF_FIELD(struct listen_conf, backlog), .def = "4096", .min = 1,
	  .max = 65535, .help = "connections that may wait to be accepted" },
	{ "protocols", CONF_WORDS, CONF_FIELD(struct listen_conf, protocols),
	  .def = LISTEN_PROTOCOLS, .words = protocols,
	  .help = "versions of HTTP; in the clear, h2 is for clients that begin with its preface" },
	{ "half_close", CONF_WORD, CONF_FIELD(struct listen_conf, half_close), .def = "cancel",
	  .words = half_closes,
	  .help = "what a client's FIN means while its request runs: it went, or it waits" },
	{ "proxy_protocol", CONF_BOOL, CONF_FIELD(struct listen_conf, proxy_protocol), .def = "no",
	  .help =
	      "each connection must begin with a header of the PROXY protocol, version 1 or 2" },
	{ "proxy_from", CONF_LIST, CONF_FIELD(struct listen_conf, proxy_from),
	  .help =
	      "with proxy_protocol: networks, or unix, of the proxies; not set: whoever connects "
	      "is believed to be one" },
	{ "allow", CONF_LIST, CONF_FIELD(struct listen_conf, allow),
	  .help = "networks, or unix, of clients that may connect; set: others may not, and their "
		  "connections are closed" },
	{ "deny", CONF_LIST, CONF_FIELD(struct listen_conf, deny),
	  .help = "networks, or unix, of clients that may not connect; of networks within one "
		  "another, in either list, the narrowest decides" },
	{ "tls", CONF_BOOL, CONF_FIELD(struct listen_conf, tls.is_on), .def = "no",
	  .help = "HTTPS; needs a certificate and its key" },
	{ "certificate", CONF_PATHS, CONF_FIELD(struct listen_conf, tls.certificate),
	  .help = "files in PEM form, each with its chain behind it; chosen by the name that the "
		  "client asks for, else the first" },
	{ "key", CONF_PATHS, CONF_FIELD(struct listen_conf, tls.key),
	  .help = "files in PEM form: the key of each certificate, in the same order" },
	{ "client_ca", CONF_PATH, CONF_FIELD(struct listen_conf, tls.client_ca),
	  .help = "certificates in PEM form; set: clients need a certificate that one of them "
		  "has signed" },
	{ "tls_min", CONF_WORD, CONF_FIELD(struct listen_conf, tls.min), .words = tls_mins,
	  .help = "oldest version of TLS; without it, 1.2" },
	{ "ciphers", CONF_TEXT, CONF_FIELD(struct listen_conf, tls.ciphers),
	  .help = "OpenSSL's names with colons between them, of TLS 1.3 too; without it, those "
		  "with forward secrecy and authenticated encryption" },
	{ "ocsp", CONF_PATHS, CONF_FIELD(struct listen_conf, tls.ocsp),
	  .help = "files in DER form: an OCSP response for each certificate, in the same order, "
		  "stapled to handshakes" },
	CONF_KEYS_END
};

const struct conf_key log_keys[] = {
	{ "level", CONF_WORD, CONF_FIELD(struct log_conf, level), .def = "notice", .words = levels,
	  .help = "lines above it are left out; debug also with -v" },
	{ "target", CONF_PATH, CONF_FIELD(struct log_conf, target), .def = "stderr",
	  .words = log_targets,
	  .help = "where the error log goes; a file is opened again by SIGUSR1" },
	{ "format", CONF_WORD, CONF_FIELD(struct log_conf, is_json), .def = "text",
	  .words = log_formats, .help = "of its lines; not of the journal's, which has fields" },
	CONF_KEYS_END
};

const struct conf_key limits_keys[] = {
	{ "max_header_bytes", CONF_SIZE, CONF_FIELD(struct limits_conf, max_header_bytes),
	  .def = "16k", .min = 256, .max = 1 << 20, .help = "of a request head; 431 above" },
	{ "max_headers", CONF_UINT, CONF_FIELD(struct limits_conf, max_headers), .def = "100",
	  .min = 1, .max = 1000, .help = "fields of a request head; 431 above" },
	{ "max_uri", CONF_SIZE, CONF_FIELD(struct limits_conf, max_uri), .def = "8k", .min = 16,
	  .max = 1 << 20, .help = "of a request target; 414 above" },
	{ "max_body", CONF_SIZE, CONF_FIELD(struct limits_conf, max_body), .def = "1m",
	  .max = INT64_C(1) << 40,
	  .help = "of a request body; 413 above; a route may set its own" },
	{ "max_client_connections", CONF_UINT,
	  CONF_FIELD(struct limits_conf, max_client_connections), .min = 1, .max = 65535,
	  .help = "that one client may have open, of all workers together; of IPv6 a /64 is one "
		  "client; more are closed at once; not set: any number" },
	{ "max_flows", CONF_UINT, CONF_FIELD(struct limits_conf, max_flows), .def = "1000",
	  .min = 1, .max = 1000000,
	  .help = "flows that may be under way in one worker; 503 above" },
	{ "body_buffer", CONF_SIZE, CONF_FIELD(struct limits_conf, body_buffer), .def = "64k",
	  .min = 1 << 10, .max = 16 << 20,
	  .help = "of a request body that a route keeps until it is complete (buffer_body): in "
		  "memory; the rest goes to a file" },
	{ "header_timeout", CONF_DURATION, CONF_FIELD(struct limits_conf, header_timeout),
	  .def = "10s", .min = MS, .max = DAY,
	  .help = "for a whole request head; 408, then close" },
	{ "body_idle_timeout", CONF_DURATION, CONF_FIELD(struct limits_conf, body_idle_timeout),
	  .def = "10s", .min = MS, .max = DAY, .help = "between two reads of a request body" },
	{ "idle_timeout", CONF_DURATION, CONF_FIELD(struct limits_conf, idle_timeout), .def = "60s",
	  .min = MS, .max = DAY, .help = "of a connection between requests" },
	{ "send_idle_timeout", CONF_DURATION, CONF_FIELD(struct limits_conf, send_idle_timeout),
	  .def = "30s", .min = MS, .max = DAY, .help = "between two writes to a slow client" },
	{ "min_body_rate", CONF_SIZE, CONF_FIELD(struct limits_conf, min_body_rate), .def = "128",
	  .max = 1 << 30,
	  .help = "bytes of a request body per second, while it is waited for; 408 below; 0: any" },
	{ "min_send_rate", CONF_SIZE, CONF_FIELD(struct limits_conf, min_send_rate), .def = "128",
	  .max = 1 << 30,
	  .help = "bytes of responses per second that a client has to take, while some wait for "
		  "it; 0: any" },
	{ "rate_grace", CONF_DURATION, CONF_FIELD(struct limits_conf, rate_grace), .def = "30s",
	  .min = MS, .max = DAY, .help = "over which both rates are averaged" },
	{ "worker_wait", CONF_DURATION, CONF_FIELD(struct limits_conf, worker_wait), .def = "20ms",
	  .max = DAY,
	  .help = "how long requests may stand between their arrival and their worker; then those "
		  "that waited longer are refused, by the priority of their routes; 0: any time" },
	{ "stall_after", CONF_DURATION, CONF_FIELD(struct limits_conf, stall_after), .def = "50ms",
	  .max = DAY,
	  .help = "longest turn of a worker that is not a stall: longer ones are kept for "
		  "forebayctl stalls, with what the worker was at, and counted; 0: any" },
	{ "inflight_bytes", CONF_SHARE, CONF_FIELD(struct limits_conf, inflight_bytes),
	  .def = "60%", .max = INT64_C(1) << 50,
	  .help = "memory for what is of the size of requests: bodies, results, scratch of jobs; "
		  "a size, or a share of the memory that this process may use; 503 above it" },
	{ "mode", CONF_WORD, CONF_FIELD(struct limits_conf, mode), .def = "enforce", .words = modes,
	  .help = "with shadow, what pools, workers, upstreams, databases and inflight_bytes would "
		  "refuse is counted and let in, up to max_queue and max_pending" },
	CONF_KEYS_END
};

const struct conf_key pool_keys[] = {
	{ "threads", CONF_UINT, CONF_FIELD(struct pool_conf, threads), .def = "auto",
	  .flags = CONF_AUTO, .min = 1, .max = 1024, .help = "threads of the pool" },
	{ "cpus", CONF_CPUS, CONF_FIELD(struct pool_conf, cpus),
	  .help = "processors that its threads and their processes stay on, such as 0-1 or 0-3,7; "
		  "auto threads are not more than these; not set: all that the process may use" },
	{ "max_queue", CONF_UINT, CONF_FIELD(struct pool_conf, max_queue), .def = "256",
	  .max = 1000000, .help = "jobs waiting; there is no unlimited" },
	{ "max_wait", CONF_DURATION, CONF_FIELD(struct pool_conf, max_wait), .def = "500ms",
	  .max = DAY, .help = "longest predicted wait that is worth queueing for; 0: any" },
	{ "order", CONF_WORD, CONF_FIELD(struct pool_conf, order), .def = "adaptive",
	  .words = orders,
	  .help = "who comes next and who is refused: by arrival, or by priority and deadline" },
	{ "nice", CONF_INT, CONF_FIELD(struct pool_conf, nice), .def = "10", .min = 0, .max = 19,
	  .help = "workers come first on a busy machine" },
	{ "lost_after", CONF_DURATION, CONF_FIELD(struct pool_conf, lost_after), .def = "5s",
	  .max = DAY,
	  .help = "a thread whose job goes on so long after its deadline is lost, and named in the "
		  "log; 0: none is" },
	{ "max_lost", CONF_UINT, CONF_FIELD(struct pool_conf, max_lost), .def = "1", .max = 64,
	  .help = "lost threads in whose stead others are started; they may use a processor each" },
	CONF_KEYS_END
};

const struct conf_key resolver_keys[] = {
	{ "servers", CONF_LIST, CONF_FIELD(struct resolver_conf, servers),
	  .help = "DNS servers that names of upstreams are looked up at, each as ADDRESS or "
		  "ADDRESS:PORT; not set: those of the system" },
	{ "timeout", CONF_DURATION, CONF_FIELD(struct resolver_conf, timeout), .def = "2s",
	  .min = MS, .max = 60000 * MS, .help = "for one attempt at a DNS server" },
	{ "attempts", CONF_UINT, CONF_FIELD(struct resolver_conf, attempts), .def = "2", .min = 1,
	  .max = 10, .help = "at each DNS server, before a name has no answer" },
	{ "min_ttl", CONF_DURATION, CONF_FIELD(struct resolver_conf, min_ttl), .def = "1s",
	  .min = 10 * MS, .max = DAY,
	  .help = "answers hold at least so long, whatever they say themselves" },
	{ "max_ttl", CONF_DURATION, CONF_FIELD(struct resolver_conf, max_ttl), .def = "5m",
	  .min = 10 * MS, .max = DAY, .help = "and at most so long" },
	CONF_KEYS_END
};
