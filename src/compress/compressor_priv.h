/*
 * Shared by compressor.c, which decides and stands in the chain of filters, and
 * compressor_run.c, which encodes what has come.
 *
 *   body --> in --(small)--------> encoder --> next filter
 *              '--(piece, job)-->--'
 *
 * c->encoder is NULL while a job has it, after the last byte, and when the
 * response goes as it is. What is called from within the application's or the
 * protocol's calls never fails the exchange at once: compressor_fail() does, from the loop.
 */
#ifndef FOREBAY_COMPRESS_COMPRESSOR_PRIV_H
#define FOREBAY_COMPRESS_COMPRESSOR_PRIV_H

#include "base/clock.h"
#include "compress/compressor.h"
#include "compress/piece.h"
#include "http/filter.h"

struct compressor {
	struct filter filter;
	const struct compress_rules *rules;
	struct shelf *shelf;
	struct lease *lease;
	struct compressor_charge charge;
	struct encoder *encoder; /* owned */
	struct piece *piece; /* owned unless it is away; NULL: no job was needed so far */
	struct chunks in; /* not encoded yet */
	struct timer flush, retry;
	struct deferred failure;
	enum coding coding; /* CODING_IDENTITY: everything passes */
	uint64_t expected, received; /* bytes of the body; expected only if is_counted */
	uint64_t retry_until_ns;
	size_t held; /* bytes that went in since all came out */
	int err;
	bool is_counted, is_away, is_flush_due;
	bool is_refused; /* by the pool: the piece is full and waits */
	bool is_paused; /* the client's side wants no more */
	bool owes_resume; /* the source was told to pause */
	bool has_end; /* the source has ended */
	bool is_done; /* the last byte is out */
	bool is_broken;
};

static inline struct loop *
compressor_loop(const struct compressor *c)
{
	return &c->shelf->env->loop;
}

static inline void
compressor_count(const struct compressor *c, enum counter what, uint64_t n)
{
	count_add(c->shelf->env->counters, what, n);
}

/* --- compressor_run.c ---------------------------------------------------------- */

/* How many bytes went in, and what came of them. */
void compressor_count_bytes(const struct compressor *c, size_t in, size_t out);
/* Lets go of everything outside the arena. Idempotent. */
void compressor_let_go(struct compressor *c);
/* The response cannot be completed by our own fault or the source's: the exchange is failed soon.
 */
void compressor_fail(struct compressor *c, int err);
/* Whether the pool would take a job now. No place is kept: the source may take its time. */
bool compressor_is_pool_open(struct compressor *c) MUST_CHECK;
/* Encodes as far as it goes now. true: this was the end, and c may be gone. */
bool compressor_advance(struct compressor *c);
/* From the loop alone, not from inside a call of the source: and it may go on. */
void compressor_advance_and_settle(struct compressor *c);
void compressor_on_flush(struct timer *t);
void compressor_on_retry(struct timer *t);

#endif
