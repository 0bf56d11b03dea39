/*
 * A plan: what a route asks of which sources, in which order, and how the
 * results become one response. Compiled once from `[route R]` and its
 * `[subrequest R.NAME]` sections while a site is built, then only read, by
 * every worker. Every route is a plan: one part that is passed through, or
 * several that are joined.
 *
 *   plan_read      the keys of all its sections -> parts and their sources
 *   plan_compile   templates, dependencies, what the run needs ready-made
 *
 * Both add every mistake to build->errors and go on. All memory is the
 * site's; a plan is never freed alone.
 */
#ifndef FOREBAY_PLAN_PLAN_H
#define FOREBAY_PLAN_PLAN_H

#include "source/source.h"

struct flow_type;
struct cache;
struct pick;
struct pond_conf;
struct stash;
struct spool_conf;
struct template;
struct when;

enum { PLAN_PARTS_MAX = 64, PLAN_TABLES_MAX = 16, PLAN_MORE_TABLES = 11, PLAN_EACH_MAX = 64 };
/* The default of max_result. */
enum { PLAN_RESULT_BYTES = 1 << 20 };

enum plan_join {
	PLAN_JOIN_OBJECT, /* {"name": result, ...} */
	PLAN_JOIN_ARRAY, /* [result, ...] */
	PLAN_JOIN_CONCAT, /* the bytes of one result after the other */
	PLAN_JOIN_FIRST, /* the bytes of the first that succeeds */
	PLAN_JOIN_TEMPLATE, /* a JSON text with places for results */
};
enum plan_failure { PLAN_PARTIAL, PLAN_ALL_OR_NOTHING };
enum plan_report { PLAN_REPORT_HEADER, PLAN_REPORT_BODY, PLAN_REPORT_OFF };
enum plan_as { PLAN_AS_AUTO, PLAN_AS_JSON, PLAN_AS_TEXT, PLAN_AS_BASE64 };

enum { PLAN_STATUS_FIRST = 100, PLAN_STATUS_LAST = 599 };

/* A set of statuses. */
struct plan_statuses {
	uint64_t bit[(PLAN_STATUS_LAST - PLAN_STATUS_FIRST) / 64 + 1];
};

/* The keys of a part's own section, as written. */
struct plan_part_conf {
	bool is_optional;
	struct slice fallback, when, each, each_fallback;
	unsigned each_max, each_at_once;
	uint64_t timeout;
	enum plan_as as;
	struct conf_list expect, after, pick;
	uint64_t max_result;
	struct slice coalesce;
	struct slice cache, cache_key, stale_in;
	uint64_t cache_for;
};

/* The keys of a route's section, as written. */
struct plan_conf {
	uint64_t deadline;
	enum gate_class priority;
	struct slice fairness;
	enum plan_join join;
	unsigned quorum;
	struct slice type, template;
	enum plan_failure failure;
	enum plan_report report;
	bool buffer_body;
	size_t buffer_response; /* 0: not set */
	uint64_t max_response_file;
};

/* The keys of a route with a flow, as written. */
struct plan_flow_conf {
	uint64_t max_turn, max_answer;
};

/* The flow that answers in place of a join, and what it is given. */
struct plan_flow {
	const struct flow_type *type;
	void *conf; /* filled from type->keys */
	struct template **read; /* by type->reads */
	struct slice *value; /* names of {flow.NAME} that parts use */
	unsigned reads, values;
	unsigned max_live; /* flows of a worker, of all routes together */
};

/* One part. Parts are known by their place in the plan: bit i of a mask is part[i]. */
struct plan_part {
	struct part part; /* what its source sees */
	struct plan_part_conf conf;
	struct template **value; /* part.values of them */
	const struct slice *constant; /* the values, when none holds a variable; else NULL */
	uint64_t needs; /* parts whose results its templates use */
	uint64_t after; /* needs, and those of its `after` key: they must have ended */
	uint64_t followers; /* parts that have this one in their `after` mask */
	struct when *when; /* NULL: always */
	struct template *each; /* a list: a subrequest for each of its elements; NULL: one */
	struct template *coalesce; /* the key of equal executions; NULL: each is its own */
	uint32_t key_values; /* values that belong to its keys unasked: see plan/part_key.h */
	const struct pick *pick; /* NULL: the result goes on whole */
	const struct stash *stash; /* where its answers are kept; NULL: they are not */
	bool comes_late; /* it asks for its place when it starts: nobody knows before whether it
			    needs one */
	struct plan_statuses expect;
	bool is_optional; /* and failure is partial */
	struct slice fallback; /* as it is used: without `stale 60s` before it */
	uint64_t stale_ns; /* of that, how old an answer may be; 0: it is not written */
	bool has_fallback; /* written; else an optional part that failed is null and without result
			    */
	bool is_omissible; /* fallback = omit: if it failed, the join goes without it */
	struct slice lead; /* the join's text before this result: `,"name":` */
	struct slice *header; /* response fields that templates of the plan use, by name */
	unsigned headers;
	struct conf_table table[PLAN_TABLES_MAX]; /* of its section, for the dump */
	unsigned tables;
};

/* Parts of one source that are admitted together. */
struct plan_batch {
	const struct source *source;
	uint64_t parts;
	bool is_optional; /* all of them, or none */
};

struct plan {
	struct slice name; /* of the route */
	struct conf_section *section;
	struct plan_conf conf;
	struct plan_part *part; /* in the order of declaration */
	unsigned count;
	bool is_joined; /* else part[0] is passed through */
	struct plan_flow *flow; /* decides what is called when, and what is answered; NULL: none */
	struct plan_flow_conf flow_conf;
	bool is_faulty; /* plan_read found errors */
	bool needs_body; /* a template uses the request's body, which is collected first */
	bool needs_body_json; /* as JSON */
	const struct spool_conf *spool; /* the body is kept until it is whole; NULL: it is not */
	const struct pond_conf *pond; /* what slow clients do not take is kept; NULL: it is not */
	uint64_t first; /* parts that wait for no other */
	struct plan_batch
	    *batch; /* required parts first: an optional one never takes their place */
	unsigned batches;
	struct template *fairness; /* whose a request is; NULL: nobody's */
	struct slice tail; /* the join's text after the last result */
	unsigned quorum; /* parts that must succeed, whichever they are; 0: the required ones */
	struct template *template; /* of PLAN_JOIN_TEMPLATE */
	size_t report_bytes; /* longest Forebay-Parts value */
	unsigned char order[PLAN_PARTS_MAX]; /* places, each after all that it waits for */
	const struct slice *param; /* names of the path parameters */
	unsigned params;
	int rest; /* which of them is {rest...}; negative: none */
	struct conf_table table[PLAN_TABLES_MAX]; /* of the route's section, for the dump */
	unsigned tables;
};

/* For the manual, and for whoever dumps a configuration. */
extern const struct conf_key plan_keys[]; /* of every route */
extern const struct conf_key plan_report_keys[]; /* of a route with [subrequest] sections */
extern const struct conf_key plan_join_keys[]; /* beside them, where results are joined */
extern const struct conf_key plan_flow_keys[]; /* beside them, where a flow answers */
extern const struct conf_key plan_source_keys[]; /* of a route without, and of a part */
extern const struct conf_key plan_part_keys[]; /* of a part */
extern const struct conf_key
    plan_result_keys[]; /* of a part, and of a route whose source is a job or SQL */
extern const struct conf_key plan_stash_keys[]; /* of a part, about answers that are kept */

/* What building plans needs, for all plans of a site. */
struct plan_build {
	struct source_build *source; /* memory, errors, pools */
	struct conf *conf;
	/* The configured source of that kind; name is empty for kinds without a section.
	 * NULL: there is none, or it was in error; plan_read tells which. */
	struct source *(*find_source)(void *argument, const struct source_ops *ops,
				      struct slice name);
	void *argument;
	/* The cache of that name, borrowed; NULL: there is none. */
	const struct cache *(*find_cache)(void *argument, struct slice name);
	const struct spool_conf *spool; /* for bodies that are kept; NULL: they are not */
	const struct flow_type *const *flows; /* that modules bring */
	unsigned flow_count, max_flows; /* live ones of a worker */
	unsigned parts; /* index in lease->parts of the next part; counted on */
};

/*
 * Reads the route's section, with the keys of `more` tables (the router's,
 * the guards') beside its own, and the sections of its parts, and finds their sources.
 * NULL without memory or when it is no plan at all; what is wrong is in
 * errors either way. more_count at most PLAN_MORE_TABLES.
 */
struct plan *plan_read(struct plan_build *b, struct conf_section *route,
		       const struct conf_table *more, unsigned more_count) MUST_CHECK;
/*
 * Second step, when the names of the path parameters are known (borrowed, they
 * must outlive the plan); `rest` says which of them is the {rest...}, or is
 * negative. ERR_SYNTAX: the plan must not be run, errors say why. ERR_MEMORY.
 */
int plan_compile(struct plan *p, struct plan_build *b, const struct slice *params,
		 unsigned param_count, int rest) MUST_CHECK;
/* Adds an error for every [subrequest] section that belongs to no route. */
void plan_check_strays(const struct conf *c, struct conf_errors *e);

static inline bool
plan_expects(const struct plan_statuses *s, int status)
{
	unsigned i = (unsigned)(status - PLAN_STATUS_FIRST);

	return i <= PLAN_STATUS_LAST - PLAN_STATUS_FIRST && (s->bit[i / 64] >> (i % 64) & 1);
}

#endif
