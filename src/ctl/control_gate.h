/*
 * What a pool's gate makes of a load: `forebayctl plan --simulate --deadline`.
 * The admission code of the server itself (thread/gate.h), on a clock that jumps
 * from event to event, with arrivals and service times of a station: how many
 * requests would be answered in time, at overload, too, where formulas have
 * nothing to say.
 *
 * It has as many threads as the station has servers. Jobs run to their end, of one
 * priority, and without max_wait.
 */
#ifndef FOREBAY_CTL_CONTROL_GATE_H
#define FOREBAY_CTL_CONTROL_GATE_H

#include "planner/simulation.h"
#include "thread/gate.h"

struct control_gate {
	enum gate_order order;
	unsigned max_queue;
	uint64_t requests; /* that came in the segments */
	/* Shares of the requests: all their jobs ended in time, or some late; some were dropped
	 * before they ran; refused when they came. */
	struct simulation_value in_time, late, dropped, refused;
	struct simulation_value useful; /* share of the threads' time that went to those in time */
};

/* Its bound is max_queue. Made with order and max_queue. ERR_ARGUMENT: no request ever fits;
 * ERR_TOO_LARGE: so few come, or so many, that it takes too long; ERR_MEMORY. */
int control_gate_run(struct control_gate *g, const struct station *s, double deadline_s,
		     uint64_t seed) MUST_CHECK;

#endif
