/*
 * Waiting for a connection, to a server of an upstream or to a database: who is
 * let wait, who is next, and who is told no at once. The decisions are those of
 * the gate of pools (thread/gate.h), with connections in the place of threads.
 *
 *   wait_reserve --- a place is free -------> running ---- wait_end -->
 *      | no         '-- reserved --> filed --'  |  ^
 *      '--> q->refusal    ^                     |  | wait_begin
 *                         '--- wait_return -----'  '
 *
 * One line for each worker and source: a queue of its own, while the gate may be
 * shared by the lines of all workers. Who finds a place free runs, as far as the
 * gate is concerned, and is put in no order. How long connections are held is
 * learned for each part, and how soon a part that is passed through has its head,
 * which is what its deadline is for. Owned by the share of a worker; its thread.
 */
#ifndef FOREBAY_SOURCE_WAIT_H
#define FOREBAY_SOURCE_WAIT_H

#include "source/subrequest.h"
#include "thread/gate.h"

/* Indices of the limits of such a source, by which it is named in Forebay-Shed; its own follow. */
enum wait_limit {
	WAIT_QUEUE, /* as many wait as may */
	WAIT_TIME, /* it would wait longer than max_wait, or end after its deadline */
	WAIT_STANDING, /* the line has stood for long and must not grow */
	WAIT_PRIORITY, /* it stood in line, and one of a higher class has its place */
	WAIT_DEADLINE, /* it waited until it could not be in time any more */
	WAIT_LIMITS
};

/* Words of the five, behind the first, which each kind has of its own. */
#define WAIT_WORDS "wait", "standing", "priority", "deadline"

/* What [upstream] and [database] say about it. */
struct wait_conf {
	uint64_t max_wait; /* ns; 0: any */
	enum gate_order order;
};

extern const char *const wait_orders[]; /* by enum gate_order */
#define WAIT_ORDER_HELP                                                                            \
	"who gets the next connection and who is refused: by arrival, or by priority and deadline"
#define WAIT_MAX_HELP "longest predicted wait for a connection that is worth it; 0: any"

/* What subrequests of one part take. */
struct wait_cost {
	struct cost hold; /* a connection */
	struct cost answer; /* until the head; of parts that are passed through */
};

enum wait_stage {
	WAIT_NONE, /* not the gate's */
	WAIT_PROMISED, /* it will come when others have ended */
	WAIT_RESERVED,
	WAIT_FILED,
	WAIT_RUNNING,
	WAIT_LENT, /* has its connection for good, like a tunnel */
};

/* In what a subrequest is to its source. */
struct wait {
	struct gate_job job;
	struct wait_cost *cost; /* borrowed; NULL: that of all */
	struct gate_promise promise;
	enum wait_stage stage;
	bool is_passed; /* its deadline is for the head */
	bool is_again; /* the first of its class, whatever its deadline is */
};

struct wait_line;

struct wait_ops {
	/* That of a subrequest. */
	struct wait *(*of)(const struct subrequest *q);
	/* It gave its place to one of a higher class: to be told, but later, and ended. */
	void (*evict)(struct wait_line *l, struct wait *w);
};

struct wait_line {
	const struct wait_ops *ops;
	struct pool_gate *gate; /* borrowed */
	struct gate_queue queue; /* what is filed here */
	struct lease *lease; /* borrowed, like the two below */
	const struct source *source;
	struct wait_cost *cost; /* owned array; by part->number */
	unsigned filed, lent;
	unsigned places; /* with those lent */
};

/* --- builder ------------------------------------------------------------------------- */

/* Sets s->limit, "KIND.NAME.WORD" of each word, WAIT_LIMITS of them or more. ERR_MEMORY. */
int wait_name_limits(struct source *s, struct source_build *b, const char *const *words,
		     unsigned count) MUST_CHECK;
/* By load_part(): it has costs of its own. */
void wait_add_part(struct part *p);

/* --- a worker ------------------------------------------------------------------------ */

/* is_part: other lines have the gate, too. ERR_MEMORY. */
int wait_line_init(struct wait_line *l, struct pool_gate *gate, bool is_part,
		   const struct source *s, struct lease *lease) MUST_CHECK;
void wait_line_fini(struct wait_line *l);
/* Of a gate that no other line has: how many connections, times what one carries. */
void wait_line_set(struct wait_line *l, unsigned places);

/* All subrequests, or none: ERR_SHED and each q->refusal. Those that start later are promised. */
int wait_reserve(struct wait_line *l, struct subrequest *q[], size_t n) MUST_CHECK;
/* It starts: if it was promised a place, it has it now. */
void wait_start(struct wait_line *l, struct wait *w, const struct subrequest *q);
/* One more for a subrequest that is under way: false where none may wait. */
bool wait_join(struct wait_line *l, struct wait *w, const struct subrequest *q) MUST_CHECK;
/* Refused: counts it, as one, and fills q->refusal. min_ns: no sooner again. ERR_SHED. */
int wait_refuse(struct wait_line *l, struct subrequest *q[], size_t n, unsigned limit,
		uint64_t min_ns);
/* It stands in line, by class and deadline. */
void wait_file(struct wait_line *l, struct wait *w, const struct subrequest *q);
/* The next one of those that are filed; NULL: none. */
struct wait *wait_first(const struct wait_line *l);
/* One that is filed waited until it cannot be expected to be in time. */
bool wait_is_hopeless(struct wait_line *l, struct wait *w, const struct subrequest *q);
/* It has a connection. */
void wait_begin(struct wait_line *l, struct wait *w);
/* It has none any more and is to get another: the first of its class. */
void wait_return(struct wait_line *l, struct wait *w, const struct subrequest *q);
/* The head of its answer came after so long on a connection. */
void wait_answered(struct wait *w, uint64_t took_ns);
/* It keeps its connection for as long as it likes, which teaches nothing. */
void wait_lend(struct wait_line *l, struct wait *w);
/* It has left; held_ns: a connection; was_cut: it would have held it for longer. Idempotent. */
void wait_end(struct wait_line *l, struct wait *w, uint64_t held_ns, bool was_cut);

#endif
