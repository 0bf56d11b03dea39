/*
 * Shared by control_plan.c and control_plan_print.c alone: what `forebayctl plan`
 * is asked, and what it found.
 */
#ifndef FOREBAY_CTL_CONTROL_PLAN_PRIV_H
#define FOREBAY_CTL_CONTROL_PLAN_PRIV_H

#include "ctl/control_gate.h"
#include "planner/advice.h"
#include "planner/measured.h"

struct planning {
	struct station asked; /* servers and bound: as chosen, if not given */
	struct advice_wish wish; /* slo_s 0: no --slo */
	const char *histogram, *pool; /* NULL: not given */
	struct measured measured; /* read from the histogram */
	bool has_service, has_cv;
	bool has_threads, has_queue;
	unsigned threads, cores; /* 0: not given */
	bool simulates, is_json, is_help;
	/* found */
	unsigned needed; /* least servers for the wish with no regard to cores; 0: none do */
	bool is_chosen; /* the threads are ours */
	bool has_rate;
	double rate_max; /* within the wish */
	bool has_slots;
	unsigned slots; /* what may wait at the most to come in time */
	struct forecast forecast;
	struct simulation *simulation; /* --simulate */
	enum gate_order order;
	bool has_gate;
	bool lacks_gate; /* it would take too long */
	struct control_gate gate; /* --simulate --deadline */
	const char *unsimulated; /* why --simulate brought nothing; or NULL */
};

void control_plan_text(const struct planning *p);
void control_plan_json(const struct planning *p);

#endif
