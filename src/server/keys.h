/*
 * The sections that the server itself reads: their key tables beside the
 * structs they fill.
 */
#ifndef FOREBAY_SERVER_KEYS_H
#define FOREBAY_SERVER_KEYS_H

#include "base/address.h"
#include "base/cpus.h"
#include "config/key.h"
#include "http/trace.h"
#include "net/resolver.h"
#include "net/tls_context.h"

struct server_conf {
	unsigned workers; /* 0: auto */
	struct cpus cpus; /* of workers; none: all */
	unsigned dispatch;
	uint64_t cpu_budget; /* thousandths; 0: auto */
	struct slice user;
	struct conf_list trusted_proxies;
	unsigned forwarded_field;
	unsigned odd_paths; /* enum site_odd_paths */
	struct trace_conf trace;
	unsigned max_connections;
	uint64_t grace;
	struct slice module_path, spool_dir;
};

struct admin_conf {
	struct slice socket;
	struct address listen;
};

enum listen_protocol { LISTEN_H1 = 1, LISTEN_H2 = 2 };

struct listen_conf {
	struct address address;
	unsigned backlog;
	unsigned protocols; /* a bit per protocol: enum listen_protocol */
	unsigned half_close; /* 0: cancel, 1: allow */
	bool proxy_protocol;
	struct conf_list proxy_from, allow, deny;
	struct tls_conf tls;
};

struct log_conf {
	unsigned level; /* enum log_level */
	struct slice target; /* stderr, journal, or an absolute path */
	unsigned is_json;
};

struct limits_conf {
	uint32_t max_flows; /* of a worker */
	uint32_t max_client_connections; /* 0: any number */
	uint32_t max_header_bytes, max_headers, max_uri;
	uint64_t max_body;
	uint32_t body_buffer;
	uint64_t header_timeout, body_idle_timeout, idle_timeout, send_idle_timeout;
	uint64_t worker_wait, stall_after;
	struct conf_share inflight_bytes;
	uint64_t min_body_rate, min_send_rate, rate_grace;
	enum limits_mode { LIMITS_ENFORCE, LIMITS_SHADOW } mode;
};

struct pool_conf {
	unsigned threads; /* 0: auto */
	struct cpus cpus; /* none: all */
	unsigned max_queue;
	uint64_t max_wait;
	unsigned order;
	int nice;
	uint64_t lost_after;
	unsigned max_lost;
};

extern const struct conf_key server_keys[];
extern const struct conf_key admin_keys[];
extern const struct conf_key listen_keys[];
extern const struct conf_key log_keys[];
extern const struct conf_key limits_keys[];
extern const struct conf_key pool_keys[];
extern const struct conf_key resolver_keys[];

#endif
