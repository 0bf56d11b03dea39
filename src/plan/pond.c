/*
 * What a slow client does not take yet; see pond.h.
 *
 * settle() alone moves bytes and decides what comes next. It is called from
 * inside the application's and the protocol's calls and from the loop, so that it never
 * resumes the source and never fails the exchange: settle_and_resume() does, from the loop or the
 * protocol, and on_failure().
 */
#include "plan/pond.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/filter.h"
#include "net/env.h"
#include "plan/spool_file.h"

enum {
	PIECE_MOST = 64 << 10, /* bytes of one job, and given to the protocol at once */
	PIECES = 4, /* at least, of the memory: the front's, a job's, and one that fills */
	RETRY_MS = 20, /* between tries while the pool is full */
	RETRY_FOR_S = 10, /* for reads: nothing else brings the response on */
	TOLD_S = 60, /* between lines of the log, of one worker */
};

struct pond {
	struct filter filter;
	const struct pond_conf *conf;
	struct env *env;
	struct lease *lease;
	size_t piece;
	/* In this order: */
	struct chunks front; /* next for the client */
	uint64_t taken, written; /* of the file: between them are bytes that were not read yet */
	struct chunks back; /* whole pieces behind the file's, and behind what a job writes */
	struct buffer tail; /* a piece that fills */
	size_t held; /* bytes of all that in memory, with those that a job writes */
	struct spool_file file;
	struct timer retry;
	uint64_t retry_until_ns; /* 0: no read was refused */
	struct deferred failure;
	int err; /* of the cut, or why it is broken */
	bool is_paused; /* the client's side wants no more */
	bool owes_resume; /* the source was told to pause */
	bool has_end; /* the source has ended */
	bool is_cut; /* by an error */
	bool is_broken; /* cancel follows */
	bool is_reading; /* what the job does */
	bool is_kept, is_spooled; /* something was, in memory, in a file: counted */
	bool is_file_over; /* it cannot be written to */
};

static uint64_t
in_file(const struct pond *p)
{
	return p->written - p->taken;
}

static void
count(const struct pond *p, enum counter c, uint64_t n)
{
	count_add(p->env->counters, c, n);
}

/* --- ends ------------------------------------------------------------------------------- */

/* Everything outside the arena. Idempotent. */
static void
let_go(struct pond *p)
{
	struct loop *l = &p->env->loop;

	loop_clear_timer(l, &p->retry);
	loop_forget(l, &p->failure);
	count(p, COUNTER_POND_LEFT, p->held + in_file(p));
	count(p, COUNTER_POND_FILE_LEFT, in_file(p));
	p->held = 0;
	p->taken = p->written;
	chunks_clear(&p->front);
	chunks_clear(&p->back);
	buffer_fini(&p->tail);
	spool_file_close(&p->file);
}

static void
on_failure(struct deferred *d)
{
	struct pond *p = CONTAINER_OF(d, struct pond, failure);

	exchange_fail(p->filter.x, p->err); /* which lets go */
}

static void
fail(struct pond *p, int err)
{
	p->is_broken = true;
	p->err = err;
	loop_soon(&p->env->loop, &p->failure);
}

/* The client has, or is about to have, all that there is. p may be gone. */
static void
finish(struct pond *p)
{
	let_go(p);
	if (p->is_cut)
		filter_pass_abort(&p->filter, p->err);
	else
		filter_pass_end(&p->filter);
}

/* --- what comes in ------------------------------------------------------------------------- */

/* The piece that fills goes where it belongs; `list` is of what is in front of it. */
static int
seal(struct pond *p, struct chunks *list)
{
	size_t len;
	char *memory = buffer_take(&p->tail, &len);

	return chunks_add_heap(list, memory, slice_make(memory, len));
}

static int
keep_slice(struct pond *p, struct slice s)
{
	while (s.len > 0) {
		size_t room = p->piece - p->tail.len, n = s.len < room ? s.len : room;

		buffer_put(&p->tail, slice_make(s.at, n));
		if (p->tail.err)
			return ERR_MEMORY;
		p->held += n;
		count(p, COUNTER_POND_KEPT, n);
		if (p->tail.len == p->piece && seal(p, &p->back) != 0)
			return ERR_MEMORY;
		s = slice_after(s, n);
	}
	return 0;
}

/* Copies: what comes may be a little of a large block, or of the source's. Takes the list. */
static void
keep(struct pond *p, struct chunks *list)
{
	int err = 0;

	if (!p->is_kept)
		count(p, COUNTER_POND, 1);
	p->is_kept = true;
	for (const struct chunk *c = list->head; c && !err; c = c->next)
		err = keep_slice(p, slice_make(c->at, c->len));
	chunks_clear(list);
	if (err)
		fail(p, err);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static size_t
most_held(const struct pond *p)
{
	struct bytes *b = &p->env->bytes;

	/* With memory short it is the file's turn. */
	return bytes_level(b) >= BYTES_TIGHT && !b->is_shadow ? PIECES / 2 * p->piece
							      : p->conf->memory;
}

static bool
may_write(const struct pond *p)
{
	return p->back.head && !p->is_file_over &&
	       p->written + p->back.head->len <= p->conf->file &&
	       p->held + PIECES / 2 * p->piece > most_held(p);
}

static void
try_later(struct pond *p)
{
	struct loop *l = &p->env->loop;

	if (!timer_is_set(&p->retry) &&
	    loop_set_timer(l, &p->retry, clock_after(loop_now(l), RETRY_MS * CLOCK_MS)) != 0)
		fail(p, ERR_MEMORY);
}

/* Nobody but the file has these bytes. */
static void
read_later(struct pond *p, int err)
{
	uint64_t now = loop_now(&p->env->loop);

	if (p->retry_until_ns == 0)
		p->retry_until_ns = clock_after(now, RETRY_FOR_S * CLOCK_SEC);
	if (err != ERR_SHED || now >= p->retry_until_ns)
		fail(p, err);
	else
		try_later(p);
}

static void
start_reading(struct pond *p)
{
	size_t len = in_file(p) < p->piece ? (size_t)in_file(p) : p->piece;
	int err;

	p->is_reading = true;
	err = spool_file_read(&p->file, len, p->taken);
	if (err != ERR_BUSY)
		read_later(p, err);
}

static void
tell(const struct pond *p)
{
	uint64_t now = loop_now(&p->env->loop);

	if (p->lease->spool_told_ns && now < p->lease->spool_told_ns + TOLD_S * CLOCK_SEC)
		return;
	p->lease->spool_told_ns = now;
	log_warning("responses are not kept in %s, slow clients hold up their sources: %s",
		    p->conf->spool->dir, strerror(p->file.failure));
}

/* The memory takes care of itself; or, if that is refused too, the source waits. */
static void
write_failed(struct pond *p, int err)
{
	if (err == ERR_SHED || err == ERR_MEMORY) {
		count(p, COUNTER_POND_FILE_REFUSED, 1);
		try_later(p);
		return;
	}
	p->is_file_over = true;
	if (err == ERR_SHUTDOWN)
		return;
	count(p, err == ERR_FULL ? COUNTER_POND_FILE_FULL : COUNTER_POND_FILE_FAILED, 1);
	tell(p);
}

/* Back where it was, in front of what has come since. Takes the memory. */
static void
put_back(struct pond *p, char *memory, size_t len)
{
	struct chunks list;

	chunks_init(&list, p->back.store);
	if (chunks_add_heap(&list, memory, slice_make(memory, len)) != 0) {
		p->held -= len;
		count(p, COUNTER_POND_LEFT, len);
		fail(p, ERR_MEMORY);
		return;
	}
	chunks_move(&list, &p->back);
	chunks_move(&p->back, &list);
}

/* The memory of the first whole piece, which is taken from its list. */
static char *
take_first(struct chunks *list, size_t *len)
{
	struct chunk *c = list->head;
	char *memory = c->of.heap;

	*len = c->len;
	c->of.heap = NULL;
	chunks_drop(list, c->len);
	return memory;
}

static void
start_writing(struct pond *p)
{
	size_t len;
	char *memory = take_first(&p->back, &len);
	int err;

	p->is_reading = false;
	err = spool_file_write(&p->file, memory, len, p->written);
	if (err == ERR_BUSY)
		return;
	put_back(p, memory, len);
	write_failed(p, err);
}

static bool
is_hungry(const struct pond *p)
{
	return !p->is_paused && !p->front.head;
}

/* One at a time: for a client that waits first. */
static void
start_job(struct pond *p)
{
	if (p->file.job || timer_is_set(&p->retry))
		return;
	if (in_file(p) > 0 && is_hungry(p))
		start_reading(p);
	else if (may_write(p))
		start_writing(p);
	else if (in_file(p) > 0 && p->front.bytes < p->piece)
		start_reading(p);
}

/* --- what goes on ---------------------------------------------------------------------------- */

/* With nothing in the file, what is in memory is all there is. */
static void
gather(struct pond *p)
{
	int err = 0;

	if (p->file.job || in_file(p) > 0)
		return;
	p->written = p->taken = 0;
	while (p->back.head && p->front.bytes < most_held(p) / 2 && !err)
		err = chunks_move_some(&p->front, &p->back, p->back.head->len);
	if (!err && !p->back.head && p->tail.len > 0 && is_hungry(p))
		err = seal(p, &p->front);
	if (err)
		fail(p, err);
}

static void
pass(struct pond *p)
{
	while (p->front.head && !p->is_paused && !p->is_broken) {
		size_t len = p->front.head->len;
		struct chunks list;
		int err;

		chunks_init(&list, p->front.store);
		if (chunks_move_some(&list, &p->front, len) != 0)
			ASSERT(0); /* of a whole chunk it cannot fail */
		err = filter_pass_body(&p->filter, &list);
		p->held -= len;
		count(p, COUNTER_POND_LEFT, len);
		p->is_paused = err == EXCHANGE_PAUSE;
		p->is_broken |= err < 0;
		p->err = err < 0 ? err : p->err;
	}
}

static bool
is_empty(const struct pond *p)
{
	return p->held == 0 && in_file(p) == 0 && !p->file.job;
}

/* Moves what can be moved. True: that was the end, and p may be gone. */
static bool
settle(struct pond *p)
{
	do {
		gather(p);
		pass(p);
	} while (!p->is_broken && is_hungry(p) && p->held > 0 && !p->file.job && in_file(p) == 0);
	if (p->is_broken)
		return false;
	if (p->has_end && is_empty(p)) {
		finish(p);
		return true;
	}
	start_job(p);
	return false;
}

/* From the loop or the protocol. p may be gone after it. */
static void
settle_and_resume(struct pond *p)
{
	if (p->is_broken || settle(p) || p->is_broken)
		return;
	if (!p->owes_resume || p->has_end || p->held >= most_held(p))
		return;
	p->owes_resume = false;
	filter_pass_resume(&p->filter);
}

static void
on_retry(struct timer *t)
{
	settle_and_resume(CONTAINER_OF(t, struct pond, retry));
}

/* --- jobs that come home --------------------------------------------------------------------- */

/* A piece for the front. Takes the memory. */
static void
take_read(struct pond *p, int err, char *memory, size_t len)
{
	if (err) {
		read_later(p, err);
		return;
	}
	p->retry_until_ns = 0;
	p->taken += len;
	p->held += len;
	count(p, COUNTER_POND_FILE_LEFT, len);
	if (chunks_add_heap(&p->front, memory, slice_make(memory, len)) != 0)
		fail(p, ERR_MEMORY);
}

static void
take_written(struct pond *p, int err, char *memory, size_t len)
{
	if (err) {
		put_back(p, memory, len);
		write_failed(p, err);
		return;
	}
	if (in_file(p) == 0 && is_hungry(p)) { /* it is still here */
		put_back(p, memory, len);
		return;
	}
	if (!p->is_spooled)
		count(p, COUNTER_POND_FILE, 1);
	p->is_spooled = true;
	mem_free(&memory);
	p->written += len;
	p->held -= len;
	count(p, COUNTER_POND_FILE_KEPT, len);
}

static void
on_job_done(struct spool_file *f, int err, char *memory, size_t len)
{
	struct pond *p = CONTAINER_OF(f, struct pond, file);

	if (p->is_reading)
		take_read(p, err, memory, len);
	else
		take_written(p, err, memory, len);
	settle_and_resume(p);
}

/* --- what the chain calls --------------------------------------------------------------------- */

static struct pond *
pond_of(struct filter *f)
{
	return CONTAINER_OF(f, struct pond, filter);
}

/* The client keeps up so far. */
static int
pass_through(struct pond *p, struct chunks *list)
{
	int err = filter_pass_body(&p->filter, list);

	p->is_paused = err == EXCHANGE_PAUSE;
	if (err >= 0)
		return 0;
	p->is_broken = true;
	p->err = err;
	return err;
}

static int
on_body(struct filter *f, struct chunks *list)
{
	struct pond *p = pond_of(f);

	if (p->is_broken) {
		chunks_clear(list);
		return p->err;
	}
	if (!p->is_paused && is_empty(p))
		return pass_through(p, list);
	keep(p, list);
	if (!p->is_broken)
		settle(p);
	if (p->is_broken)
		return p->err;
	p->owes_resume = p->held >= most_held(p);
	return p->owes_resume ? EXCHANGE_PAUSE : 0;
}

static void
end(struct pond *p)
{
	p->has_end = true;
	if (!p->is_broken) /* else who is told so already */
		settle(p);
}

static void
on_end(struct filter *f)
{
	end(pond_of(f));
}

static void
on_abort(struct filter *f, int err)
{
	struct pond *p = pond_of(f);

	p->is_cut = true;
	if (!p->is_broken)
		p->err = err;
	end(p);
}

static void
on_resume(struct filter *f)
{
	struct pond *p = pond_of(f);

	p->is_paused = false;
	settle_and_resume(p);
}

static void
on_cancel(struct filter *f)
{
	let_go(pond_of(f));
}

static const struct filter_ops pond_ops = {
	.body = on_body,
	.end = on_end,
	.abort = on_abort,
	.resume = on_resume,
	.cancel = on_cancel,
};

void
pond_add(struct exchange *x, struct lease *lease, const struct pond_conf *conf)
{
	struct pond *p = arena_zalloc(&x->arena, 1, sizeof(*p));

	if (!p)
		return;
	p->conf = conf;
	p->env = lease->env;
	p->lease = lease;
	p->piece = conf->memory / PIECES < PIECE_MOST ? conf->memory / PIECES : PIECE_MOST;
	chunks_init(&p->front, x->store);
	chunks_init(&p->back, x->store);
	buffer_init(&p->tail, p->piece);
	p->file = (struct spool_file){
		.conf = conf->spool,
		.env = p->env,
		.lease = lease,
		.priority = conf->priority,
		.done = on_job_done,
	};
	spool_file_open(&p->file);
	timer_init(&p->retry, on_retry);
	p->failure.run = on_failure;
	filter_add(x, &p->filter, &pond_ops);
}
