/*
 * The stall record: the last times that something stood still that should not,
 * in a ring of fixed size. Of the monitor; stall_watch.c finds worker turns and
 * takes in what flows and pools report, stall_page.c shows them.
 *
 * `kind` is what stood still, and the label of forebay_stalls_total; `cause` is
 * what its thread did meanwhile: ours to mend (busy, blocked), or for want of a
 * processor (starved, throttled).
 */
#ifndef FOREBAY_SERVER_STALLS_H
#define FOREBAY_SERVER_STALLS_H

#include "base/slice.h"
#include "thread/stall.h"

enum { STALLS_KEPT = 64, STALL_TEXT_BYTES = 64 };

/* STALL_KIND(NAME, word) */
#define STALL_KIND_ALL                                                                             \
	STALL_KIND(WORKER, "worker") /* a turn of a worker */                                      \
	STALL_KIND(FLOW, "flow") /* the same, in a flow's code */                                  \
	STALL_KIND(JOB, "job") /* a thread of a pool, lost in a job */                             \
	STALL_KIND(THROTTLED, "throttled") /* no CPU: the quota of a control group was used up */  \
	STALL_KIND(STARVED, "starved") /* no CPU: others had it */

enum stall_kind {
#define STALL_KIND(name, word) STALL_KIND_##name,
	STALL_KIND_ALL
#undef STALL_KIND
	    STALL_KINDS
};

/* STALL_CAUSE(NAME, word) */
#define STALL_CAUSE_ALL                                                                            \
	STALL_CAUSE(UNKNOWN, "unknown")                                                            \
	STALL_CAUSE(BUSY, "busy") /* it computed */                                                \
	STALL_CAUSE(BLOCKED, "blocked") /* it waited in a system call, or for memory */            \
	STALL_CAUSE(STARVED, "starved") /* it waited for a processor */                            \
	STALL_CAUSE(THROTTLED, "throttled") /* the same, and its control group was stopped */

enum stall_cause {
#define STALL_CAUSE(name, word) STALL_CAUSE_##name,
	STALL_CAUSE_ALL
#undef STALL_CAUSE
	    STALL_CAUSES
};

const char *stall_kind_word(enum stall_kind kind);
const char *stall_cause_word(enum stall_cause cause);

struct stall {
	uint64_t number; /* from 1 on */
	uint64_t began_ns, lasted_ns; /* lasted: so far, while it is open */
	enum stall_kind kind;
	enum stall_cause cause;
	enum stall_at at;
	bool is_open; /* goes on */
	bool has_worker;
	unsigned worker;
	uint64_t turn; /* of the worker */
	uint64_t steady_ns; /* how long it was at the same; 0: nobody knows */
	/* Over `seen_ns` of it, as far as it was watched: 0 where it was not. */
	uint64_t seen_ns, cpu_ns, waited_ns, throttled_ns;
	/* Texts, cut where they are longer; empty: none, or nobody knows. */
	char route[STALL_TEXT_BYTES], part[STALL_TEXT_BYTES];
	char what[STALL_TEXT_BYTES]; /* "script", "resize of module image" */
	char thread[STALL_TEXT_BYTES]; /* of a pool */
	char request[STALL_TEXT_BYTES];
};

struct stalls {
	uint64_t count; /* ever */
	struct stall at[STALLS_KEPT];
};

/* A new record in place of the oldest, with what `like` says and a number of its own. */
struct stall *stalls_add(struct stalls *s, const struct stall *like);
/* NULL: it is not kept any more, or never was. */
struct stall *stalls_find(struct stalls *s, uint64_t number);
/* The i-th of those that are kept, the newest first; NULL: there are no more. */
const struct stall *stalls_nth(const struct stalls *s, unsigned i);
/* Copies what fits. */
void stall_set_text(char to[STALL_TEXT_BYTES], struct slice text);

#endif
