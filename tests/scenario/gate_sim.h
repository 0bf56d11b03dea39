/*
 * A pool under load, simulated: the gate's own code, a clock that jumps from
 * event to event, threads that take as long as drawn, and clients that come at
 * random (Poisson) and may come again when they were refused. Seeded: the same
 * run each time.
 */
#ifndef FOREBAY_TESTS_GATE_SIM_H
#define FOREBAY_TESTS_GATE_SIM_H

#include "base/random.h"
#include "thread/gate.h"
#include "thread/shares.h"

enum {
	SIM_THREADS_MAX = 8,
	SIM_STREAMS_MAX = 32,
	SIM_JOBS_MAX = 8,
	SIM_RESPONSE_MS = 4096,
};

/* How the gate is asked. */
enum sim_way {
	SIM_EXACTLY, /* as under the lock */
	SIM_TWICE, /* as a worker does: by sums, and what they refuse once more under the lock */
	SIM_BY_SUMS, /* the lock is never free */
};

/* Clients of one kind. What is above the line may change between two sim_run(). */
struct sim_stream {
	enum gate_class priority;
	double per_s; /* asks; 0: none */
	uint64_t mean_ns; /* of a job */
	bool is_fixed; /* all take the mean; else exponential */
	unsigned jobs; /* of an ask; 0 stands for 1 */
	/* Its jobs begin when another, elsewhere, has ended, after so long on average. */
	uint64_t delay_ns;
	bool is_delay_fixed; /* else exponential */
	unsigned skips; /* in 100, such jobs do not come after all */
	uint64_t deadline_ns; /* from its coming */
	bool hides_deadline; /* the gate is not told: the plain bounded queue */
	unsigned attempts; /* 0 stands for 1 */
	bool heeds; /* whoever was refused comes again after Retry-After; else soon */
	struct cost *cost;
	struct slice share; /* whose asks they are; at NULL: not held to shares */
	/* --- counted ------------------------------------------------------------------ */
	unsigned asked, refused, good; /* attempts; good: every job ended in time */
	uint64_t good_ns; /* what the threads spent on good ones */
	unsigned unrun; /* jobs dropped by their thread */
	unsigned response[SIM_RESPONSE_MS]; /* of jobs that ended, by milliseconds */
	uint64_t next_ns; /* arrival */
};

struct sim_event;
struct sim_job;

struct sim {
	struct pool_gate gate;
	struct shares shares;
	struct random random;
	uint64_t now_ns;
	struct sim_stream stream[SIM_STREAMS_MAX];
	struct sim_job *running[SIM_THREADS_MAX];
	struct sim_event *again; /* retries to come, soonest first */
	unsigned longest; /* queue ever seen */
	enum sim_way way;
	bool drops_expired; /* with hides_deadline: what has expired is not run */
	/* With ORDER_FIFO and hides_deadline: controlled delay and adaptive LIFO instead. */
	bool is_controlled;
	uint64_t empty_ns; /* when its queue was last seen empty */
};

void sim_init(struct sim *s, enum gate_order order, unsigned threads, unsigned max_queue,
	      uint64_t seed);
/* Goes on for that long. */
void sim_run(struct sim *s, uint64_t duration_ns);
/* Forgets what was counted. */
void sim_reset(struct sim *s);
/* In milliseconds, rounded up. */
unsigned sim_p99_ms(const struct sim_stream *t);
/* Drops what waits and runs, and sees that the gate has forgotten all of it. */
void sim_fini(struct sim *s);

#endif
