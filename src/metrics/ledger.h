/*
 * A ledger: what is counted of one route or part, over all workers and over all
 * sites in which it exists. Every worker writes on a page of its own. Pages stay
 * when a worker ends and when a site is replaced, so that no number that was
 * shown ever goes back.
 *
 *   site ---counted---> ledger --> page of worker 2 --> page of worker 0
 *   next site --------'
 */
#ifndef FOREBAY_METRICS_LEDGER_H
#define FOREBAY_METRICS_LEDGER_H

#include <stddef.h>
#include <stdint.h>

struct ledger_page {
	struct ledger_page *next; /* written once */
	unsigned worker;
	_Alignas(max_align_t) unsigned char series[]; /* zeroed at first; its worker writes it */
};

struct ledger;

/* A page holds so many bytes. NULL without memory. */
struct ledger *ledger_new(size_t series_bytes) __attribute__((warn_unused_result));
/* Any thread. */
struct ledger *ledger_ref(struct ledger *l);
void ledger_unref(struct ledger **l);

/* The series of a worker, by its number, made at first use. On that worker's thread, or before it
 * starts. NULL without memory. */
void *ledger_series(struct ledger *l, unsigned worker) __attribute__((warn_unused_result));
/* All pages there are, for whoever adds them up; any thread. */
const struct ledger_page *ledger_first(const struct ledger *l);

#endif
