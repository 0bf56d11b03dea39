/*
 * What is measured per route, per part and per limit of a source: one array of each per worker,
 * made when a worker attaches to a site, indexed by the route's and the part's index. Written by
 * that worker alone.
 */
#ifndef FOREBAY_METRICS_SERIES_H
#define FOREBAY_METRICS_SERIES_H

#include "metrics/histogram.h"

enum { SERIES_STATUSES = 72 }; /* room for every row of http/statuses.def, and 0 for others */

/* How a part ended: the words of the Forebay-Parts report. */
enum outcome {
#define OUTCOME(id, word) OUTCOME_##id,
#include "metrics/outcomes.def"
#undef OUTCOME
	OUTCOME_COUNT
};

const char *outcome_word(enum outcome o);

struct route_series {
	_Atomic uint64_t by_status[SERIES_STATUSES]; /* index: http/status.h status_index() */
	struct histogram duration;
};

struct part_series {
	_Atomic uint64_t by_outcome[OUTCOME_COUNT];
	struct histogram duration;
};

/* Of one limit of a source: how often it refused, and how often it would have, but for [limits]
 * mode. */
struct shed_series {
	_Atomic uint64_t enforced, spared;
};

#endif
