/*
 * The stash of a part: where its answers are kept (`cache`, `stale_in`), in the memory of a
 * [cache NAME] that it shares with routes and other parts, and with all workers.
 *
 *   part --> fresh on the stash? --yes--> head, body, done, as of its source, which is not asked
 *                 | no, or stale: then its validators go to the source, too
 *                 '--> source --> good answer, as it came, or of the stash by 304 --> stash
 *                         '-----> failure --> not too old on the stash? --> the result, degraded
 *
 * A failure is no answer, a broken one, or 500, 502, 503, 504 or 429; 401 or 404 is an answer.
 *
 * Keys are those of plan/part_key.h: what may be one client's own is of every key, whatever the
 * operator has written. What an answer says for itself counts (RFC 9111): no-store, private and
 * Set-Cookie keep it out; must-revalidate, no-cache and s-maxage keep it from standing in for long.
 *
 * Built by the builder; the rest on the worker that has the run. What is found is the exchange's
 * until that ends.
 */
#ifndef FOREBAY_PLAN_STASH_H
#define FOREBAY_PLAN_STASH_H

#include "plan/plan.h"

struct cache_entry;
struct intake;
struct run_part;
struct subrequest;
struct template;

struct stash {
	const struct cache *cache; /* borrowed: of the site */
	const struct template *key; /* NULL: all that the part asks */
	uint32_t values; /* that belong to the key beside it */
	uint64_t
	    print; /* of what the sections of part and source say: who changes that finds nothing */
	int64_t unsaid_s; /* how long an answer is fresh that does not say it */
	uint64_t stale_ns; /* how old one may be that stands in for a failure; 0: none does */
	bool answers; /* fresh ones are used in place of the source */
	bool asks; /* and the source is asked whether stale ones hold */
};

/* --- compile_stash.c: while a site is built --------------------------------------------- */

/* Fills pp->fallback and pp->stale_ns: what is written, and how old an answer may be where `stale
 * TIME` stands before it, which is told by true. Adds errors. */
bool stash_read_fallback(struct plan_part *pp, bool is_text, struct conf_errors *e);
/* Makes pp->stash, where the part's keys ask for one; its values are known. `key`: cache_key,
 * compiled; NULL: none. ERR_MEMORY, or 0 with errors added. */
int stash_compile(struct plan_part *pp, const struct template *key,
		  struct plan_build *b) MUST_CHECK;

/* --- stash.c: on a worker --------------------------------------------------------------- */

/* Makes p's key, when its values are known. Without what the key is made of there is none, and
 * nothing is kept. ERR_MEMORY. */
int stash_name(struct run_part *p) MUST_CHECK;
/* A fresh answer is there: q, which is started, has got head, body and done from inside. */
bool stash_answer(struct run_part *p);
/* The subrequest asked about e, and the answer was 304: in its head, makes it the answer that e is,
 * its body included. ERR_MEMORY, ERR_TOO_LARGE. */
int stash_confirm(struct subrequest *q, const struct cache_entry *e,
		  struct intake *body) MUST_CHECK;
/* result_take_head(), of what holds by a 304, too. */
int stash_take_head(struct run_part *p) MUST_CHECK;
/* result_take(), which it is for parts without a stash; of others what came is kept if it is good.
 * In done, of a head that was expected. */
int stash_take(struct run_part *p) MUST_CHECK;
/* p has ended with this outcome, which is set: if it has failed, an answer that is not too old
 * becomes its result. */
bool stash_stand_in(struct run_part *p);

#endif
