/*
 * What /metrics says of pools, read back by forebayctl: two readings give what
 * happened between them. In the process of forebayctl alone.
 */
#ifndef FOREBAY_CTL_POOL_READING_H
#define FOREBAY_CTL_POOL_READING_H

#include "base/err.h"
#include "base/slice.h"

enum {
	POOL_READINGS = 64, /* pools */
	POOL_READING_BUCKETS = 32,
	POOL_READING_NAME = 64,
};

/* A histogram; counts are not cumulative. */
struct pool_times {
	double bound[POOL_READING_BUCKETS]; /* seconds; the last is infinite */
	double count[POOL_READING_BUCKETS];
	unsigned buckets;
	double sum_s, total;
};

struct pool_reading {
	char name[POOL_READING_NAME];
	double threads, queued, running; /* now */
	double
	    refused; /* batches, when they came: forebay_shed_total{queue, wait, standing, share} */
	/* Jobs that were let in and did not run. Those of `unrun` were taken by a thread, too late:
	 * they have waited, and are in `wait`. */
	double evicted, abandoned, unrun;
	struct pool_times wait, run;
	double run_squares; /* of their times, s^2; 0: not told */
};

struct pool_readings {
	struct pool_reading pool[POOL_READINGS];
	unsigned count;
	double cpu_budget; /* processors that the server may use; 0: not told */
};

/* Replaces all. ERR_SYNTAX: it is not that text; ERR_TOO_MANY. */
int pool_readings_parse(struct pool_readings *r, struct slice text) MUST_CHECK;
/* One more line of such a text, into what begins as zeros. Errors as above. */
int pool_readings_line(struct pool_readings *r, struct slice line) MUST_CHECK;
/* NULL: there is none of that name. */
struct pool_reading *pool_readings_find(struct pool_readings *r, struct slice name);
/* Jobs that had come by then, each once; a refused batch counts as one. */
double pool_reading_arrived(const struct pool_reading *p);
/* Of these, those that the pool did not run; an abandoned one nobody wanted. */
double pool_reading_lost(const struct pool_reading *p);
/* How much run times vary, deviation / mean: from their squares; where the server does not tell
 * them, from the buckets. 0: nothing ran. */
double pool_reading_cv(const struct pool_reading *p);
/* Makes `later` what it counted after `before`; what is so now stays. ERR_CONFLICT: it counted
 * backwards, so the server is another. */
int pool_reading_since(struct pool_reading *later, const struct pool_reading *before) MUST_CHECK;

#endif
