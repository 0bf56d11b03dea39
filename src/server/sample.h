/*
 * A sample: what a running server's threads have counted, read by the monitor
 * without a lock and without asking them. metrics.c and overview.c show it.
 */
#ifndef FOREBAY_SERVER_SAMPLE_H
#define FOREBAY_SERVER_SAMPLE_H

#include "base/err.h"
#include "metrics/series.h"
#include "thread/pool.h"

struct server;
struct worker;

struct sample {
	const struct server *server; /* borrowed */
	const struct counters **blocks; /* owned: main's, the stall watch's, then every worker's */
	unsigned block_count;
	struct pool_sample *pools; /* owned */
	unsigned pool_count;
};

/* What was measured of one route or part, added up over the workers. */
struct sample_route {
	uint64_t by_status[SERIES_STATUSES]; /* index: status_index() */
	uint64_t requests;
	struct histogram_sum duration;
};

struct sample_part {
	uint64_t by_outcome[OUTCOME_COUNT];
	struct histogram_sum duration;
};

/* Between the start of the workers and their end. ERR_MEMORY. */
int sample_take(struct sample *s, const struct server *server) MUST_CHECK;
void sample_release(struct sample *s);

/* How often one limit of a source refused, and how often it would have, but for [limits] mode. */
struct sample_shed {
	uint64_t enforced, spared;
};

/* index: of the route, 0 for requests that found none; of the part. */
void sample_route_sum(const struct sample *s, unsigned index, struct sample_route *sum);
void sample_part_sum(const struct sample *s, unsigned index, struct sample_part *sum);
/* Indices: of the source, of its limit. */
void sample_shed_sum(const struct sample *s, unsigned source, unsigned limit,
		     struct sample_shed *sum);
/* A counter over all threads. */
uint64_t sample_counter(const struct sample *s, enum counter id);
/* Connections that a worker has open. */
uint64_t sample_connections(const struct counters *worker);
/* How long who comes has to wait for that worker; 0 where it is less than worker_wait. */
uint64_t sample_behind_ns(const struct worker *w);
/*
 * How full the fullest pool is, in thousandths: jobs running and waiting, of as
 * many as there can be (threads and max_queue). 1000 means that the next one
 * would be refused, or that requests wait for a worker longer than worker_wait.
 */
uint64_t sample_saturation_milli(const struct sample *s);

#endif
