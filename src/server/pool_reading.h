/*
 * What /metrics says of pools, read back by forebayctl: two readings give what
 * happened between them. In the process of forebayctl alone.
 */
#ifndef FOREBAY_SERVER_POOL_READING_H
#define FOREBAY_SERVER_POOL_READING_H

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
	double refused_queue, refused_wait, refused_else; /* batches */
	double dropped; /* unrun */
	struct pool_times wait, run;
	double run_squares; /* of their times, s^2; 0: not told */
};

struct pool_readings {
	struct pool_reading pool[POOL_READINGS];
	unsigned count;
};

/* Replaces all. ERR_SYNTAX: it is not that text; ERR_TOO_MANY. */
int pool_readings_parse(struct pool_readings *r, struct slice text) MUST_CHECK;
/* NULL: there is none of that name. */
struct pool_reading *pool_readings_find(struct pool_readings *r, struct slice name);
/* Makes `later` what it counted after `before`; what is so now stays. ERR_CONFLICT: it counted
 * backwards, so the server is another. */
int pool_reading_since(struct pool_reading *later, const struct pool_reading *before) MUST_CHECK;

#endif
