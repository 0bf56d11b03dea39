/*
 * The world of the scenarios: one plan, one client, sources of which every
 * move is written in the configuration, and a clock that stands still until
 * it is told to go on. No sockets, no sleeps; one thread.
 *
 *   struct world *w = world_open("[route r]\n"
 *                                "[subrequest r.a]\nsource = upstream fake\nbody = 1\ndelay =
 * 5ms\n"); client_start(w); world_run(w, 5);                        // milliseconds since the start
 *   ck_assert_int_eq(w->client.status, 200);
 *   world_close(w);                         // everything must have come back
 *
 * A section [cache NAME] is a cache, as the guard of that name would open it.
 *
 * The keys of a part of `upstream fake`:
 *
 *   at_once = yes     it answers from inside answer()
 *   delay = 1ms       from start to head; between pieces `gap`
 *   status, type, body, header.NAME      what it answers; body is a template
 *   pieces = 1        in how many the body comes
 *   fails = WORD      instead of an answer: an error by its name in err.def, lower case
 *   breaks = WORD     the same after the head and the first piece
 *   hangs = yes       it never answers
 *   refuses = yes     it is refused when it asks for its place
 *   drops = N         so many calls wait for their turn in vain: at the deadline that they are
 *                     started with they fail by the word of `drop` (deadline)
 *   holds = yes       it answers 304 to conditions of ours
 *   effects = yes     it cannot be asked once for several
 *   forward = NAMES   fields of the client that it says it sends on
 *   good = 2          so many calls do not fail, break, hang, nor have that status, and are not
 * refused reads = yes       passed through: it reads the request's body to its end first
 */
#ifndef FOREBAY_TESTS_SCENARIO_WORLD_H
#define FOREBAY_TESTS_SCENARIO_WORLD_H

#include "base/list.h"
#include "cache/cache.h"
#include "flow/stack.h"
#include "net/env.h"
#include "plan/run.h"
#include "source/subrequest.h"

enum {
	WORLD_FIELDS = 16,
	WORLD_FLOWS = 3,
	WORLD_OUT_BYTES = 1 << 21,
	WORLD_MORE = 6,
	WORLD_CACHES = 2
};

/* One subrequest of the fake source, and what happened to it. Lives until the world ends. */
struct call {
	struct list link;
	struct world *world;
	struct subrequest *q; /* until done or cancelled */
	struct slice name;
	struct timer timer;
	struct slice body;
	size_t sent; /* bytes of the body */
	unsigned piece;
	uint64_t fed; /* bytes of the request's body that came */
	uint64_t started_ns;
	unsigned conditions; /* of ours that it was to send */
	unsigned reserved, released, answered, started, heads, dones, cancelled, feeds, resumes;
	bool is_paused, is_whole, is_good, is_dropped;
};

/* The client: a fake proto/ below one exchange. */
struct client {
	struct exchange x;
	struct world *world;
	struct chunks queue; /* what was sent, looked at as late as can be */
	int status;
	struct slice field_name[WORLD_FIELDS], field_value[WORLD_FIELDS];
	unsigned fields;
	char *text; /* the response's body, copied when the exchange ends */
	size_t text_len;
	char *keep; /* memory of the copied fields */
	size_t keep_len;
	uint64_t length; /* Content-Length of the response */
	bool has_length;
	unsigned heads, bodies, ends, aborts, wants;
	int abort_err;
	bool is_started, is_ended, is_cancelled;
	bool pauses; /* body() says so, and waits for client_resume */
	bool is_paused;
	bool breaks_head, breaks_body; /* these fail */
	bool is_failing; /* one has: only cancel may follow */
	/* the request's body */
	struct slice upload;
	size_t uploaded;
	size_t upload_piece; /* bytes at a time; 0: all at once */
	uint64_t upload_gap_ns; /* from want_body to its coming */
	bool stalls; /* it never comes */
	struct timer upload_timer;
	bool is_wanted;
};

struct world {
	struct env env;
	struct counters counters;
	struct stacks stacks;
	struct part_series series[PLAN_PARTS_MAX];
	struct part_series *parts[PLAN_PARTS_MAX];
	void *attached[4];
	struct lease lease;
	struct store site_store;
	struct arena site;
	struct conf *conf;
	struct conf_errors errors;
	struct source_build build;
	struct plan_build plan_build;
	struct cache cache[WORLD_CACHES]; /* of [cache NAME] */
	unsigned caches;
	struct source source[8];
	unsigned sources;
	struct plan *plan;
	struct slice params[4], captures[4];
	unsigned param_count;
	struct client client;
	struct list calls;
	uint64_t begun_ns;
	struct client *more[WORLD_MORE]; /* clients beside the one */
	unsigned mores;
};

/* Opens a world around [route r]. It must be without errors. */
struct world *world_open(const char *conf);
/* The same with path parameters: names and their values. */
struct world *world_open_path(const char *conf, const char *const names[],
			      const char *const values[], unsigned count);
/* What is wrong with a configuration, one line each without "conf:"; static memory. Warnings
 * included. */
const char *world_complaint(const char *conf);
/* Cancels what is left, and checks that nothing leaked. */
void world_close(struct world *w);
/* Until so many milliseconds after the world's start. */
void world_run(struct world *w, uint64_t ms);
uint64_t world_now_ms(const struct world *w);

/* Before the start: GET / without a body. */
void client_upload(struct world *w, const char *method, struct slice body, bool is_chunked);
void client_field(struct world *w, const char *name, const char *value);
void client_start(struct world *w);
void client_leave(struct world *w);
void client_resume(struct world *w);
/* Another client of the same route, with a request of its own; it starts when it is told. At most
 * WORLD_MORE. */
struct client *world_client(struct world *w);
void other_field(struct client *c, const char *name, const char *value);
void other_start(struct client *c);
void other_leave(struct client *c);
#define ck_assert_other(c, literal)                                                                \
	ck_assert_msg(                                                                             \
	    (c)->text &&slice_eq(slice_make((c)->text, (c)->text_len), slice_of(literal)),         \
	    "got %d", (c)->status)

/* Of the response; empty if it is not there. */
struct slice client_got_field(struct world *w, const char *name);
struct slice client_got(struct world *w);
#define ck_assert_got(w, literal)                                                                  \
	ck_assert_msg(slice_eq(client_got(w), slice_of(literal)), "got %.*s",                      \
		      SLICE_PRINT(client_got(w)))
#define ck_assert_got_field(w, name, literal)                                                      \
	ck_assert_msg(slice_eq(client_got_field(w, name), slice_of(literal)), "%s: %.*s", name,    \
		      SLICE_PRINT(client_got_field(w, name)))

/* The call of a part, or NULL if its source never heard of it. */
struct call *world_call(struct world *w, const char *part);
/* How often a source was asked for that part. */
unsigned world_calls(struct world *w, const char *part);
unsigned world_calls_of(struct world *w, struct slice part);
/* How often a part ended so. */
uint64_t world_outcome(struct world *w, const char *part, enum outcome o);
/* Each part ended once, each call of a source is balanced; the client has ended. */
void world_check(struct world *w);

extern const struct source_ops fake_ops;

#endif
