/*
 * Guards: what decides about a request between the router and the plan - who may
 * ask, from where, how often. A kind of guard is one const table of functions
 * (guard_kind); all kinds are listed in guards.def, in the order in which a
 * request meets them. A guard is what one route asks of one kind.
 *
 *   open, load, close   builder thread, while a site is built, and when it ends
 *   attach, detach      each worker, before and after traffic
 *   check, cancel       worker, per request
 *
 *   router --> guard_start --> check, check, ... --> passed --> run_start
 *                               |  WAITS: guard_go_on or guard_leave, later
 *                               '- ENDED: the guard has answered
 *
 * A route without guards costs one test.
 */
#ifndef FOREBAY_GUARD_GUARD_H
#define FOREBAY_GUARD_GUARD_H

#include "base/arena.h"
#include "base/err.h"
#include "config/key.h"
#include "http/exchange.h"
#include "net/lease.h"
#include "thread/pool.h"

struct guard_asked;
struct guard_kind;
struct plan;

enum guard_verdict {
	GUARD_PASS, /* the next one is asked */
	GUARD_ENDED, /* the exchange was answered, and may be gone */
	GUARD_WAITS, /* guard_go_on or guard_leave follows, exactly once, unless cancel comes first
		      */
};

/* What building may use. Lives as long as the site. */
struct guard_build {
	struct arena *arena; /* memory of the site */
	struct conf_errors *errors; /* every mistake is added here with its file and line */
	struct conf *conf; /* for sections of the kind's own */
	struct pool *(*find_pool)(void *argument, struct slice name); /* NULL: not declared */
	void *argument;
	/* Of the route that load() is about: what its templates may name. */
	const struct slice *param;
	unsigned params;
	int rest; /* which of them is the {rest...}; negative: none */
};

/* The first member of what load() returns. */
struct guard {
	const struct guard_kind *kind;
};

struct guard_kind {
	const char *name;
	const char *section; /* kind of the sections it reads, [NAME ...]; NULL: none */
	bool is_single; /* there is one such section, without a name */
	const struct conf_key *section_keys; /* of these, for the dump and the manual */
	const struct conf_key *keys; /* of [route NAME] */
	size_t conf_size; /* bytes of the struct they fill */
	/* Optional: reads the sections into *state. `prior` is the state of the site that is being
	 * replaced, or NULL: what shall outlive a reload is shared with it. 0, ERR_SYNTAX with
	 * errors added, or ERR_MEMORY; close follows in any case. */
	int (*open)(void **state, const void *prior, struct guard_build *b);
	/* The guard of a route whose keys are in conf, which lives as long as the site. NULL: it
	 * asks for none, or errors were added, b->arena's is_short included. */
	const struct guard *(*load)(void *state, const void *conf, struct conf_section *route,
				    struct guard_build *b);
	/* Optional, for who looks ahead (-t): whether checks may hand jobs to that pool. */
	bool (*uses_pool)(const void *state, const struct pool *p);
	/* Optional: the last worker has detached. */
	void (*close)(void **state);
	/* Optional: what a worker keeps goes to *attached. detach also follows a failed attach. */
	int (*attach)(const void *state, struct lease *l, void **attached);
	void (*detach)(const void *state, struct lease *l, void **attached);
	enum guard_verdict (*check)(const struct guard *g, struct guard_asked *a);
	/* Of a kind that waits: the client went; a is touched no more when it has returned. */
	void (*cancel)(const struct guard *g, struct guard_asked *a);
};

/* The guards of one route, in order. */
struct guard_list {
	const struct guard **at;
	unsigned count;
};

/* One request before its guards; in the exchange's arena. x->asked while one of them waits. */
struct guard_asked {
	struct exchange *x;
	struct lease *lease;
	const struct plan *plan; /* where it goes: its deadline, its priority */
	const struct slice *param; /* values of the route's path parameters, decoded */
	struct slice rest; /* of {rest...}, as it was in request.path */
	void (*passed)(struct guard_asked *a); /* all did */
	void *waiting; /* of the guard that waits */
	const struct guard_list *list;
	unsigned next;
};

/* NULL-terminated, in the order of guards.def. */
extern const struct guard_kind *const guard_kinds[];
unsigned guard_kinds_count(void);
/* Of a kind, on this worker: what attach left. */
void *guard_attached(const struct guard *g, const struct guard_asked *a);

/* From inside begin; with x, lease, plan, param, rest, passed and list set. May end the exchange,
 * or call passed, before it returns. */
void guard_start(struct guard_asked *a);
/* From the worker's loop, of the guard that waits: the request passes. */
void guard_go_on(struct guard_asked *a);
/* The same: it does not; the guard answers the exchange right after this call. */
void guard_leave(struct guard_asked *a);
/* The client went, or its body was cut. Nothing if no guard waits. */
void guard_cancel(struct exchange *x);

#endif
