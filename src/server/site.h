/*
 * A site: the compiled, immutable configuration - listeners, limits, pools,
 * sources, routes and their plans. Built aside, then read by every worker.
 */
#ifndef FOREBAY_SERVER_SITE_H
#define FOREBAY_SERVER_SITE_H

#include "accesslog/access_format.h"
#include "config/conf.h"
#include "http/error_page.h"
#include "http/forwarded.h"
#include "metrics/ledger.h"
#include "net/lease.h"
#include "plan/plan.h"
#include "plan/spool.h"
#include "proto/conn.h"
#include "route/route.h"
#include "server/budget.h"
#include "server/keys.h"
#include "server/pools.h"

struct site_listener {
	struct slice name;
	struct address address;
	unsigned backlog;
	bool allows_half_close;
	struct networks *access; /* counted: clients' networks; NULL: all may connect */
	struct networks *proxies; /* counted; NULL: any */
	bool is_proxied; /* connections begin with a header of the PROXY protocol */
	struct tls_conf tls_conf;
	const struct conf_section *section;
	struct tls_context *tls; /* counted; NULL: plain */
	bool speaks_h1, speaks_h2;
	const char *file; /* where it stands, for errors when it is bound */
	unsigned line;
};

struct edits;
struct module;
struct flag;
struct spawner;

enum site_dispatch { SITE_ROUND_ROBIN, SITE_LEAST_ACTIVE };

struct site {
	struct conf *conf; /* owned: all texts below borrow from it */
	struct store store;
	struct arena arena; /* everything below lives here */
	struct budget budget;
	unsigned workers;
	bool has_auto_workers;
	struct cpus cpus; /* of workers; none: all */
	enum site_dispatch dispatch;
	unsigned max_connections;
	uint64_t grace_ns;
	struct slice user;
	struct networks *trusted; /* counted: proxies; NULL: there are none */
	enum forwarded_field forwarded_field; /* what they write */
	enum site_odd_paths { ODD_PATHS_CHECK, ODD_PATHS_REFUSE, ODD_PATHS_PASS } odd_paths;
	struct trace_conf trace;
	struct conn_limits limits;
	enum limits_mode limits_mode; /* of pools */
	struct log_conf log;
	struct access_conf access;
	const struct access_format *access_format; /* NULL: no access log */
	struct slice admin_socket; /* empty: none */
	struct address admin_listen; /* len 0: none */
	struct site_listener *listeners;
	unsigned listener_count;
	struct spool_conf spool;
	uint64_t inflight_bytes; /* of the whole process */
	struct resolver_conf dns;
	struct resolver *resolver; /* NULL: no upstream, or built without */
	struct slice module_path; /* folder of modules; empty: as installed */
	struct module **modules; /* in the order of their sections */
	unsigned module_count;
	const struct job_type **jobs; /* of all modules */
	const struct flow_type **flows; /* the same */
	unsigned job_count, flow_count;
	unsigned max_flows; /* of a worker */
	struct pools pools;
	struct spawner *spawner; /* counted: starts programs; shared with the site before */
	struct source **sources; /* by their index */
	unsigned source_count, source_cap;
	const struct error_pages *pages; /* NULL: none */
	const struct edits *edits; /* of [headers]; NULL: none */
	struct route *routes; /* routes[i].index is i + 1 */
	unsigned route_count;
	struct plan_part **parts; /* by part index */
	unsigned part_count;
	struct router *router;
	void **guards; /* by kind: what its open() left */
	/* What is counted: of routes by their index, of parts by theirs. Counted references. */
	struct ledger **route_ledgers, **part_ledgers;
	unsigned generation; /* the first is 1; of marks in stall slots */
	uint64_t stall_after_ns; /* of a worker's turn; 0: none is a stall */
	struct ledger **shed_ledgers; /* by source index; NULL: it has no limits */
	unsigned holders; /* of main: workers with a lease, the monitor, main itself */
	struct site *next; /* of main: the one that was published before */
};

/*
 * Building, in two steps, because sockets are bound before privileges are
 * dropped and everything else is opened after it. Builder or main thread. What
 * is wrong is added to errors, all of it; then the site is only good for more
 * checks and for site_free.
 */

/* Reads the file and the sections [server], [admin], [listen], [limits]. NULL without a file or
 * memory. */
struct site *site_open(const char *path, struct conf_errors *errors) MUST_CHECK;
/* Pools, sources, routes. What the prior site has of the same name goes on: pools, and what is
 * counted; NULL for none. 0; ERR_SYNTAX: something was added to errors; ERR_MEMORY. */
int site_complete(struct site *site, const struct site *prior,
		  struct conf_errors *errors) MUST_CHECK;
/* Starts the processes that are there before the first request, and waits until they are ready. Of
 * a site without errors, before it is published. 0; ERR_SYNTAX: something was added to errors;
 * ERR_CANCELLED: somebody has raised the flag (NULL: nobody will). */
int site_warm(const struct site *site, const struct flag *stop,
	      struct conf_errors *errors) MUST_CHECK;
/* Adds an error for each change that a running server cannot take. */
void site_check_live(const struct site *site, const struct site *prior, struct conf_errors *errors);
/* After every worker has detached, and all jobs of the site have come home. May wait for threads
 * of pools that no other site has. */
void site_free(struct site **site);

/* Each worker, before and after traffic, or for a worker that has not started: fills the lease,
 * of which env, worker and workers are set. 0 or why not. */
int site_attach(const struct site *site, struct lease *l) MUST_CHECK;
/* Idempotent, also after a failed attach. */
void site_detach(struct lease *l);

/* The processors that workers and pools stay on, a line for each who has any. */
void site_write_cpus(const struct site *site, struct writer *w);
/* Who shares a quota, a line; nothing where there is none. */
void site_write_budget(const struct site *site, struct writer *w);
/* The effective configuration, defaults included, as a configuration. */
void site_dump(const struct site *site, struct writer *w);

#endif
