/*
 * What is known of one exchange when its line is written. Made on the worker's
 * stack at the exchange's end; borrows all of it.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_ENTRY_H
#define FOREBAY_ACCESSLOG_ACCESS_ENTRY_H

#include "http/exchange.h"

/* The status of an exchange that was cut before its answer began; nobody was sent it. */
enum { ACCESS_STATUS_CUT = 499 };

struct access_part {
	struct slice name;
	const char *outcome; /* a word of metrics/outcomes.def */
	uint64_t ns; /* from its start to its end; 0: it never started */
};

struct access_entry {
	const struct exchange *x;
	struct slice route; /* its name; empty: none took the request */
	const struct access_part *part;
	unsigned parts;
	uint64_t ended_ns; /* monotonic, as x->begun_ns */
	uint64_t wall_ns; /* when the request was complete, since 1970; of access_clock */
};

#endif
