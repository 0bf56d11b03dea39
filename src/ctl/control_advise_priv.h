/*
 * Shared by the files of `forebayctl advise` alone: what is asked, and what was
 * measured and found of each pool. control_advise.c asks and measures,
 * control_advise_judge.c compares with the model, control_advise_print.c says it.
 */
#ifndef FOREBAY_CTL_CONTROL_ADVISE_PRIV_H
#define FOREBAY_CTL_CONTROL_ADVISE_PRIV_H

#include "ctl/control_priv.h"
#include "ctl/pool_reading.h"
#include "planner/advice.h"

enum { ADVISE_WHY_BYTES = 160 };

/* Of the predicted mean wait, relative: more is no fit. */
#define ADVISE_ERROR_MAX 0.3

/* --what-if; 0: as it is. */
struct supposition {
	double rate, rate_factor, service_s, service_factor;
	unsigned threads, queue;
	bool has_queue, is_given;
};

/* The part of a forecast that is shown. */
struct outlook {
	double utilization, mean_wait_s, p99_wait_s, p99_response_s, refused;
};

struct pool_study {
	const struct pool_reading *seen; /* in the window */
	double arrived; /* jobs */
	double dispersion; /* of arrivals: variance / mean of their counts; 1: random */
	double max_queue, max_wait_s; /* as configured; max_wait_s 0: none */
	struct station station; /* as measured and configured */
	struct outlook measured, predicted, supposed; /* measured: no p99 of the response */
	double error; /* of the predicted mean wait, relative */
	double chance_s; /* how far the measured one can be off by chance */
	bool fits;
	char why[ADVISE_WHY_BYTES]; /* there is no advice, or "" */
	double cores; /* processors that its jobs may use; 0: they do not compute, or it is not
			 known */
	unsigned threads, queue; /* that it takes, if each has a processor; 0: none would do */
	bool has_queue;
	double rate_max;
};

struct advising {
	struct control control;
	const char *pool; /* NULL: all */
	unsigned cores; /* 0: as the server says */
	double window_s;
	struct advice_wish wish; /* slo_s, deadline_s 0: not given */
	struct supposition supposition;
	bool is_help;
	/* found */
	double seconds; /* that the window took */
	double budget; /* processors that the server may use; 0: not told */
	struct pool_study study[POOL_READINGS];
	unsigned count;
};

/* Jobs that may wait at the most: max_queue, or fewer where more would wait longer than max_wait.
 */
unsigned control_advise_slots(const struct station *s, double max_queue, double max_wait_s);
/* Gives the threads of `station` the processors that there are, and the jobs, if they had to share
 * these, the time that each would have taken alone. */
void control_advise_place(struct pool_study *p, double seconds);
/* Predicts, compares and recommends: everything behind `station` and `measured`. */
int control_advise_judge(const struct advising *a, struct pool_study *p) MUST_CHECK;
void control_advise_text(const struct advising *a);
void control_advise_json(const struct advising *a);

#endif
