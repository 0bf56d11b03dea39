/*
 * Encoding what has come of a body; see compressor_priv.h.
 */
#include "compress/compressor_priv.h"

enum {
	JOB_LEAST = 16 << 10, /* less than that waits for more, as long as it may */
	IN_LOW = PIECE_BYTES / 2, /* below it the source may go on */
	RETRY_MS = 20, /* between tries while the pool is full and the head is out */
	RETRY_FOR_S = 10,
};

void
compressor_count_bytes(const struct compressor *c, size_t in, size_t out)
{
	static const struct {
		enum counter in, out;
	} rows[CODING_COUNT] = {
		[CODING_GZIP] = { COUNTER_COMPRESS_IN_GZIP, COUNTER_COMPRESS_OUT_GZIP },
		[CODING_BR] = { COUNTER_COMPRESS_IN_BR, COUNTER_COMPRESS_OUT_BR },
		[CODING_ZSTD] = { COUNTER_COMPRESS_IN_ZSTD, COUNTER_COMPRESS_OUT_ZSTD },
	};

	compressor_count(c, rows[c->coding].in, in);
	compressor_count(c, rows[c->coding].out, out);
}

/* --- ends ------------------------------------------------------------------------------- */

void
compressor_let_go(struct compressor *c)
{
	struct loop *l = compressor_loop(c);

	loop_clear_timer(l, &c->flush);
	loop_clear_timer(l, &c->retry);
	loop_forget(l, &c->failure);
	chunks_clear(&c->in);
	shelf_give(c->shelf, &c->encoder);
	if (c->is_away) {
		c->piece->owner = NULL;
		job_abandon(&c->piece->job);
		c->piece = NULL;
		c->is_away = false;
	}
	piece_free(&c->piece);
}

static void
on_failure(struct deferred *d)
{
	struct compressor *c = CONTAINER_OF(d, struct compressor, failure);

	exchange_fail(c->filter.x, c->err); /* which lets go */
}

void
compressor_fail(struct compressor *c, int err)
{
	c->is_broken = true;
	c->err = err;
	chunks_clear(&c->in);
	c->failure.run = on_failure;
	loop_soon(compressor_loop(c), &c->failure);
}

/* --- what comes out ------------------------------------------------------------------------ */

/* Takes what is in the buffer. Errors are the exchange's own: it is failing then. */
static void
pass_on(struct compressor *c, struct buffer *out)
{
	struct chunks list;
	size_t len;
	char *bytes;
	int err;

	if (out->len == 0)
		return; /* its room is for the next time */
	bytes = buffer_take(out, &len);
	chunks_init(&list, c->filter.x->store);
	if (chunks_add_heap(&list, bytes, slice_make(bytes, len)) != 0) {
		compressor_fail(c, ERR_MEMORY);
		return;
	}
	err = filter_pass_body(&c->filter, &list);
	if (err < 0) {
		c->is_broken = true;
		c->err = err;
	} else if (err == EXCHANGE_PAUSE) {
		c->is_paused = true;
	}
}

/* Bytes have been encoded, by whomever. */
static void
account(struct compressor *c, size_t in, enum encoder_mode mode, struct buffer *out)
{
	compressor_count_bytes(c, in, out->len);
	c->held += in;
	if (mode != ENCODER_GO_ON)
		c->held = 0;
	if (mode == ENCODER_FLUSH)
		c->is_flush_due = false;
	if (mode == ENCODER_END) {
		c->is_done = true;
		shelf_give(c->shelf, &c->encoder);
	}
	pass_on(c, out);
}

static bool
is_last(const struct compressor *c)
{
	return c->has_end || (c->is_counted && c->received == c->expected);
}

/* Of all that is there. */
static enum encoder_mode
mode_now(const struct compressor *c)
{
	if (is_last(c))
		return ENCODER_END;
	return c->is_flush_due ? ENCODER_FLUSH : ENCODER_GO_ON;
}

/* --- on the worker ---------------------------------------------------------------------------- */

/* Encodes all that is there, which is in memory. */
static void
encode_here(struct compressor *c, enum encoder_mode mode)
{
	struct encoder *e = c->encoder;
	struct buffer out;
	size_t n = c->in.bytes, left = n;
	int err = 0;

	buffer_init(&out, PIECE_OUT_BYTES);
	do {
		const struct chunk *head = c->in.head;
		size_t len = left == 0 ? 0 : head->len < left ? head->len : left;
		struct slice in = slice_make(len > 0 ? head->at : "", len);

		left -= len;
		err = e->ops->run(e, in, left == 0 ? mode : ENCODER_GO_ON, &out);
		chunks_drop(&c->in, len);
	} while (!err && left > 0);
	if (err)
		compressor_fail(c, err);
	else
		account(c, n, mode, &out);
	buffer_fini(&out);
}

/* --- in a pool ----------------------------------------------------------------------------------
 */

/* A response that is under way is not cut because the pool is full for a moment. */
static void
retry_later(struct compressor *c)
{
	struct loop *l = compressor_loop(c);
	uint64_t now = loop_now(l);

	c->is_refused = true;
	compressor_count(c, COUNTER_COMPRESS_RETRIED, 1);
	if (c->retry_until_ns == 0)
		c->retry_until_ns = clock_after(now, RETRY_FOR_S * CLOCK_SEC);
	if (now >= c->retry_until_ns ||
	    loop_set_timer(l, &c->retry, clock_after(now, RETRY_MS * CLOCK_MS)) != 0)
		compressor_fail(c, ERR_SHED);
}

/* A place for one job, in the line of its route: whoever downloads a lot pays for it with his
 * share. What has begun is counted there, and goes on. */
static int
reserve(struct compressor *c, bool is_underway, uint64_t *expected_ns)
{
	struct pool *pool = c->rules->pool;
	struct env *env = c->shelf->env;
	struct gate_ask ask = { .priority = c->charge.priority,
				.is_underway = is_underway,
				.share = c->charge.share,
				.now_ns = loop_now(&env->loop),
				.deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*expected_ns = pool_ask_more(pool, &ask, c->rules->cost, 0, CLOCK_NEVER);
	return pool_reserve(pool, &ask, random_next(&env->random), &refusal);
}

bool
compressor_is_pool_open(struct compressor *c)
{
	uint64_t expected_ns;

	if (reserve(c, false, &expected_ns) != 0)
		return false;
	pool_release(c->rules->pool, c->charge.priority, 1, expected_ns);
	return true;
}

static void on_home(struct job *j, void *receiver);

/* Twice the time of a request that comes now: those that come while it waits go before it, but not
 * all that ever come. */
static uint64_t
piece_deadline(const struct compressor *c)
{
	uint64_t now = loop_now(compressor_loop(c));

	return clock_after(clock_after(now, c->charge.patience_ns), c->charge.patience_ns);
}

static void
send_piece(struct compressor *c, uint64_t expected_ns)
{
	struct piece *p = c->piece;

	p->owner = c;
	p->encoder = c->encoder;
	c->encoder = NULL;
	p->lease = c->lease;
	lease_take(p->lease);
	p->job.home = &compressor_loop(c)->mailbox;
	p->job.on_home = on_home;
	p->job.deadline_ns = piece_deadline(c);
	p->job.priority = c->charge.priority;
	p->job.expected_ns = expected_ns;
	p->job.cost = c->rules->cost;
	c->is_away = true;
	pool_submit(c->rules->pool, &p->job);
}

/* The piece goes to the pool as it is, now or later. */
static void
submit(struct compressor *c)
{
	uint64_t expected_ns;

	c->is_refused = reserve(c, true, &expected_ns) != 0;
	if (c->is_refused)
		retry_later(c);
	else
		send_piece(c, expected_ns);
}

/* The next piece, or what is to be flushed or ended. */
static void
encode_there(struct compressor *c)
{
	struct piece *p = c->piece ? c->piece : piece_new(c->shelf);

	c->piece = p;
	if (!p) {
		compressor_fail(c, ERR_MEMORY);
		return;
	}
	piece_fill(p, &c->in);
	p->mode = c->in.bytes > 0 ? ENCODER_GO_ON : mode_now(c);
	submit(c);
}

/* --- what comes next
 * ------------------------------------------------------------------------------ */

static bool
is_for_worker(struct compressor *c)
{
	size_t bytes = c->held + c->in.bytes;

	return bytes <= c->rules->conf.inline_bytes &&
	       piece_in_memory(&c->in, c->in.bytes) == c->in.bytes &&
	       shelf_may_spend(c->shelf, bytes);
}

/* Bytes wait for others, but not for long. */
static void
wait_for_more(struct compressor *c)
{
	struct loop *l = compressor_loop(c);
	uint64_t at = clock_after(loop_now(l), c->rules->conf.flush_after);

	if (c->held + c->in.bytes > 0 && !timer_is_set(&c->flush) &&
	    loop_set_timer(l, &c->flush, at) != 0)
		compressor_fail(c, ERR_MEMORY);
}

static bool
is_free(const struct compressor *c)
{
	return c->encoder && !c->is_broken && !c->is_paused && !timer_is_set(&c->retry);
}

/* Encodes some more. false: something else has to happen first. */
static bool
step(struct compressor *c)
{
	bool is_last_now = is_last(c), is_due = is_last_now || c->is_flush_due;

	if (!is_free(c))
		return false;
	if (c->is_refused) {
		submit(c);
		return false;
	}
	if (c->in.bytes + c->held == 0 && !is_last_now)
		return false;
	if ((c->in.bytes > 0 || is_due) && is_for_worker(c)) {
		encode_here(c, mode_now(c));
		return true;
	}
	if (!is_due && c->in.bytes < JOB_LEAST)
		return false;
	encode_there(c);
	return true;
}

bool
compressor_advance(struct compressor *c)
{
	while (step(c))
		;
	if (is_free(c) && !is_last(c))
		wait_for_more(c);
	if (!c->is_done || !c->has_end || c->is_broken)
		return false;
	compressor_let_go(c);
	filter_pass_end(&c->filter);
	return true;
}

void
compressor_advance_and_settle(struct compressor *c)
{
	if (compressor_advance(c) || !c->owes_resume || c->is_broken || c->in.bytes > IN_LOW)
		return;
	c->owes_resume = false;
	filter_pass_resume(&c->filter);
}

void
compressor_on_retry(struct timer *t)
{
	compressor_advance_and_settle(CONTAINER_OF(t, struct compressor, retry));
}

void
compressor_on_flush(struct timer *t)
{
	struct compressor *c = CONTAINER_OF(t, struct compressor, flush);

	c->is_flush_due = c->held + c->in.bytes > 0;
	compressor_advance_and_settle(c);
}

static void
on_home(struct job *j, void *receiver)
{
	struct piece *p = CONTAINER_OF(j, struct piece, job);
	struct compressor *c = p->owner;

	(void)receiver;
	if (!c) {
		piece_free(&p);
		return;
	}
	c->is_away = false;
	c->encoder = p->encoder;
	p->encoder = NULL;
	lease_give(p->lease);
	p->lease = NULL;
	if (j->outcome == 0) {
		c->retry_until_ns = 0;
		account(c, p->len, p->mode, &p->out);
	} else if (j->outcome == ERR_SHED || j->outcome == ERR_DEADLINE) {
		retry_later(c);
	} else {
		compressor_fail(c, j->outcome);
	}
	compressor_advance_and_settle(c);
}
