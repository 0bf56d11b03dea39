/*
 * The CPU budget: how many processors' worth of time this process may use,
 * and what follows for `workers = auto` and `threads = auto`. Main or builder
 * thread.
 */
#ifndef FOREBAY_SERVER_BUDGET_H
#define FOREBAY_SERVER_BUDGET_H

#include "base/cpus.h"
#include "base/err.h"

struct budget {
	struct cpus usable; /* processors online that this process may run on; none: not known */
	unsigned online; /* processors */
	unsigned affinity; /* of them, those this process may run on */
	uint64_t quota_milli; /* smallest quota of every control group on the path, in thousandths;
				 0: none */
	uint64_t declared_milli; /* cpu_budget of the configuration; 0: auto */
	uint64_t milli; /* the budget */
	unsigned workers, threads; /* what auto means */
};

/* One pool of those whose jobs compute, among all that have auto threads. */
struct budget_claim {
	unsigned workers; /* that there are, or are to be */
	unsigned pools, place; /* such pools; which of them it is. 0 pools: it is none of them */
};

/*
 * The budget is what was declared, else the smallest of processors online,
 * affinity and quota. Where a quota is what bounds it (it is not above the
 * budget), workers and threads together stay within the budget, because a
 * throttled group stops the workers too. root is "" but in tests: where /proc
 * and /sys are looked for. declared_milli: 0 for auto. What cannot be read does
 * not bound.
 */
void budget_find(struct budget *b, const char *root, uint64_t declared_milli);
/* What auto means for workers, or threads of a pool, that stay on these processors (none: any):
 * not more than there are. Where a quota bounds the budget, pools whose jobs compute share what the
 * workers leave, and have one thread at least; the threads of others mostly wait, and have as many
 * as all those together should. */
unsigned budget_workers(const struct budget *b, const struct cpus *on);
unsigned budget_threads(const struct budget *b, const struct budget_claim *c,
			const struct cpus *on);
/* Whether workers and pools that compute share a quota. */
bool budget_is_shared(const struct budget *b);
/* Whether so many busy threads would be throttled: there are processors for more than the quota. */
bool budget_is_exceeded(const struct budget *b, unsigned threads);
/* Whether nothing that follows from them differs. */
bool budget_is_same(const struct budget *a, const struct budget *b);
/* Where tests of the whole server have put /proc and /sys; "" else. */
const char *budget_root(void);
/* Bytes that this process may use: of all memory and the limits of its control groups the least;
 * 0 if nobody knows. */
uint64_t budget_memory(const char *root);
/* One line for the log: the numbers and why. */
void budget_explain(const struct budget *b, struct writer *w);

#endif
