/*
 * Reading files; see file_reading.h. On a worker nothing waits for a disk: what
 * the kernel has in its caches is taken from there, everything else is a job of
 * the pool `blocking`.
 *
 *   answer: open_now --cached, small--> head, body, done
 *              | not cached   | large
 *   start:  job: open      step: sendfile range | read_now | job: read <-.
 *              '--> head, first piece --'   '--- head, piece ---> body ---'
 *
 * One piece per turn, and none while the reader pauses. A file that becomes
 * shorter than its head said ends in an error after the head, never in wrong
 * framing. A reading lives in the exchange's arena; jobs own what they touch.
 */
#include "source/file_reading.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/date.h"
#include "http/media.h"
#include "http/uri.h"
#include "source/file_job.h"
#include "source/file_path.h"

#include <unistd.h>

enum {
	SMALL_BYTES = STORE_BLOCK_BYTES, /* answered at once from one block */
	PIECE_BYTES = 256 << 10, /* by sendfile or by a job */
	COPY_BYTES = 64 << 10, /* copied by the worker itself */
	RETRY_MS = 20, /* between tries while the pool is full and the head is out */
	RETRY_FOR_S = 10,
	ETAG_BYTES = 48,
	FIELDS = 3,
};

struct file_reading {
	struct subrequest *q;
	const struct file_conf *conf;
	struct deferred turn;
	struct timer retry;
	uint64_t retry_until_ns;
	uint64_t expected_ns; /* of the place that is reserved */
	struct file_job *job; /* at the pool */
	struct chunk_file *file; /* counted; NULL before it is opened */
	struct file_facts facts;
	struct slice name; /* a NUL is its last byte */
	uint64_t at; /* next byte to send */
	int failure; /* to be told on the next turn */
	bool is_head_sent;
};

/* --- ends ------------------------------------------------------------------------ */

/* Lets go of everything outside the arena. Idempotent. */
static void
drop(struct file_reading *r)
{
	struct loop *l = &r->q->env->loop;

	loop_forget(l, &r->turn);
	loop_clear_timer(l, &r->retry);
	if (r->job) {
		r->job->reading = NULL;
		job_abandon(&r->job->job);
		r->job = NULL;
	}
	if (r->file)
		chunk_file_unref(r->file);
	r->file = NULL;
}

static void
drop_at_end(void *argument)
{
	drop(argument);
}

static void
finish(struct file_reading *r, int err)
{
	drop(r);
	subrequest_done(r->q, err);
}

/* A failure before the head: a status where there is one for it. */
static void
refuse(struct file_reading *r, int err)
{
	struct subrequest *q = r->q;

	drop(r);
	if (err == ERR_NOT_FOUND)
		subrequest_answer(q, 404, SLICE("text/plain"), SLICE("Not Found"));
	else if (err == ERR_FORBIDDEN)
		subrequest_answer(q, 403, SLICE("text/plain"), SLICE("Forbidden"));
	else
		subrequest_done(q, err);
}

/* --- the head -------------------------------------------------------------------- */

static bool
is_head_only(const struct subrequest *q)
{
	return q->part->passes_through && q->request->method == METHOD_HEAD;
}

static struct slice
make_etag(struct arena *a, const struct file_facts *facts)
{
	char *memory = arena_alloc(a, ETAG_BYTES);
	struct writer w = writer_over(memory, memory ? ETAG_BYTES : 0);

	writer_char(&w, '"');
	writer_hex(&w, (uint64_t)facts->modified_s);
	writer_char(&w, '.');
	writer_hex(&w, facts->modified_ns);
	writer_char(&w, '-');
	writer_hex(&w, facts->size);
	writer_char(&w, '"');
	return writer_slice(&w);
}

static struct slice
make_date(struct arena *a, int64_t second)
{
	char *memory = arena_alloc(a, DATE_BYTES);

	if (!memory)
		return slice_make(NULL, 0);
	date_write(memory, second);
	return slice_make(memory, DATE_BYTES);
}

static struct slice
content_type(const struct file_reading *r)
{
	if (r->conf->type.len > 0)
		return r->conf->type;
	return media_type_of(slice_make(r->name.at, r->name.len - 1));
}

/* 0; an error before anything was sent; or ERR_CANCELLED: the run has had enough, r is gone. */
static int
send_head(struct file_reading *r)
{
	struct subrequest *q = r->q;
	struct fields *f = &q->response.fields;
	struct slice etag = make_etag(q->arena, &r->facts);
	struct slice date = make_date(q->arena, r->facts.modified_s);

	*f = (struct fields){ .at = arena_zalloc(q->arena, FIELDS, sizeof(*f->at)), .cap = FIELDS };
	if (!f->at || !etag.len || !date.len)
		return ERR_MEMORY;
	if (fields_add(f, FIELD_CONTENT_TYPE, content_type(r)) != 0 ||
	    fields_add(f, FIELD_ETAG, etag) != 0 || fields_add(f, FIELD_LAST_MODIFIED, date) != 0)
		return ERR_TOO_MANY;
	q->response.status = 200;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = r->facts.size;
	r->is_head_sent = true;
	subrequest_head(q);
	return q->state_now == SUBREQUEST_HEAD ? 0 : ERR_CANCELLED;
}

static void
refuse_method(struct file_reading *r)
{
	struct subrequest *q = r->q;
	struct fields *f = &q->response.fields;

	*f = (struct fields){ .at = arena_zalloc(q->arena, 1, sizeof(*f->at)), .cap = 1 };
	if (!f->at || fields_add(f, FIELD_ALLOW, SLICE("GET, HEAD")) != 0) {
		finish(r, ERR_MEMORY);
		return;
	}
	q->response.status = 405;
	q->response.framing = BODY_LENGTH;
	subrequest_head(q);
	if (q->state_now == SUBREQUEST_HEAD)
		finish(r, 0);
}

/* --- the body -------------------------------------------------------------------- */

/* Sends n bytes; arranges for the next piece. Takes the list. */
static void
deliver(struct file_reading *r, struct chunks *list, size_t n)
{
	struct subrequest *q = r->q;
	int err = 0;

	if (!r->is_head_sent)
		err = send_head(r);
	if (err) {
		chunks_clear(list);
		if (err != ERR_CANCELLED)
			finish(r, err);
		return;
	}
	err = subrequest_body(q, list);
	if (q->state_now != SUBREQUEST_HEAD)
		return;
	r->at += n;
	if (err < 0 || r->at == r->facts.size)
		finish(r, err < 0 ? err : 0);
	else if (err != SUBREQUEST_PAUSE)
		loop_last(&q->env->loop, &r->turn);
}

static void on_home(struct job *job, void *receiver);

/* A response whose head is out comes before all that may still be refused. */
static enum gate_class
class_of(const struct file_reading *r)
{
	return r->is_head_sent ? CLASS_CRITICAL : r->q->priority;
}

/* ERR_SHED, ERR_FULL or 0; the pool decides before anything is made. */
static int
reserve(struct file_reading *r, uint64_t deadline_ns)
{
	struct env *env = r->q->env;
	struct gate_ask ask = { .priority = class_of(r),
				.is_underway = r->is_head_sent,
				.share = r->is_head_sent ? slice_make(NULL, 0) : r->q->share,
				.now_ns = loop_now(&env->loop),
				.deadline_ns = CLOCK_NEVER };

	r->expected_ns = pool_ask_more(r->conf->pool, &ask, NULL, deadline_ns);
	return pool_reserve(r->conf->pool, &ask, random_next(&env->random), &r->q->refusal);
}

/* Hands over a job for which a place is reserved; a NULL job gives the place back. */
static int
submit(struct file_reading *r, struct file_job *j, uint64_t deadline_ns)
{
	if (!j) {
		pool_release(r->conf->pool, class_of(r), 1, r->expected_ns);
		return ERR_MEMORY;
	}
	j->reading = r;
	j->lease = r->q->lease;
	lease_take(j->lease);
	j->job.home = &r->q->env->loop.mailbox;
	j->job.deadline_ns = deadline_ns;
	j->job.priority = class_of(r);
	j->job.expected_ns = r->expected_ns;
	j->job.on_home = on_home;
	r->job = j;
	pool_submit(r->conf->pool, &j->job);
	return 0;
}

static size_t
piece_len(const struct file_reading *r, size_t most)
{
	uint64_t left = r->facts.size - r->at;

	return left < most ? (size_t)left : most;
}

/* A response that is under way is not cut because the pool is full for a moment. */
static int
retry_later(struct file_reading *r)
{
	struct loop *l = &r->q->env->loop;
	uint64_t now = loop_now(l);

	if (r->retry_until_ns == 0)
		r->retry_until_ns = clock_after(now, RETRY_FOR_S * CLOCK_SEC);
	if (now >= r->retry_until_ns)
		return ERR_SHED;
	return loop_set_timer(l, &r->retry, clock_after(now, RETRY_MS * CLOCK_MS));
}

static int
read_by_job(struct file_reading *r)
{
	/* After the head of a passed-through response its deadline is over; the run keeps idle
	 * times. */
	bool is_free = r->is_head_sent && r->q->part->passes_through;
	uint64_t deadline_ns = is_free ? CLOCK_NEVER : r->q->deadline_ns;
	int err = reserve(r, deadline_ns);

	if (err == ERR_SHED && r->is_head_sent)
		return retry_later(r);
	if (err)
		return err;
	r->retry_until_ns = 0;
	return submit(r, file_job_read(r->file, r->at, piece_len(r, PIECE_BYTES)), deadline_ns);
}

/* A range for sendfile; n is 0 when it is not known to be cached. */
static int
add_range(struct file_reading *r, struct chunks *list, size_t *n)
{
	size_t len = piece_len(r, PIECE_BYTES);

	*n = 0;
	if (!r->q->part->passes_through || !file_is_cached(r->file->fd, r->at, len))
		return 0;
	*n = len;
	r->file->refs++;
	return chunks_add_file(list, r->file, (int64_t)r->at, len);
}

/* What the page cache has, copied. *n is 0 when it has nothing; ERR_CLOSED: the file ended early.
 */
static int
add_copy(struct file_reading *r, struct chunks *list, size_t *n)
{
	size_t len = piece_len(r, COPY_BYTES);
	struct block *b = block_take(list->store, len);
	long got;
	int err;

	*n = 0;
	if (!b)
		return ERR_MEMORY;
	got = file_read_now(r->file->fd, b->at, len, r->at);
	if (got > 0) {
		*n = (size_t)got;
		b->len = (uint32_t)got;
		err = chunks_add_block(list, b, slice_make(b->at, *n));
	} else {
		err = got == ERR_BUSY ? 0 : got < 0 ? (int)got : ERR_FAILED;
	}
	block_unref(b);
	return err;
}

/* One piece, from the cheapest place that has it. */
static void
step(struct deferred *d)
{
	struct file_reading *r = CONTAINER_OF(d, struct file_reading, turn);
	struct chunks list;
	size_t n = 0;
	int err = r->failure;

	chunks_init(&list, &r->q->env->store);
	if (!err && !r->conf->is_cold)
		err = add_range(r, &list, &n);
	if (!err && !r->conf->is_cold && n == 0)
		err = add_copy(r, &list, &n);
	if (!err && n > 0) {
		deliver(r, &list, n);
		return;
	}
	if (!err)
		err = read_by_job(r);
	if (err) {
		chunks_clear(&list);
		finish(r, err);
	}
}

static void
on_retry(struct timer *t)
{
	struct file_reading *r = CONTAINER_OF(t, struct file_reading, retry);

	step(&r->turn);
}

/* --- jobs that come home ----------------------------------------------------------- */

/* Makes the reading's file of an open descriptor, which is closed if that fails. */
static int
adopt(struct file_reading *r, int fd)
{
	r->file = mem_zalloc(1, sizeof(*r->file));
	if (!r->file) {
		close(fd);
		return ERR_MEMORY;
	}
	*r->file = (struct chunk_file){ .fd = fd, .refs = 1 };
	return 0;
}

/* Nothing follows the head: HEAD, or an empty file. */
static void
finish_with_head(struct file_reading *r)
{
	int err = send_head(r);

	if (err != ERR_CANCELLED)
		finish(r, err);
}

static void
deliver_read(struct file_reading *r, struct file_job *j)
{
	struct chunks list;
	size_t n = j->got;
	int err;

	chunks_init(&list, &r->q->env->store);
	err = n > 0 ? chunks_add_heap(&list, j->memory, slice_make(j->memory, n)) : ERR_FAILED;
	if (n > 0)
		j->memory = NULL; /* taken, or freed */
	if (err)
		finish(r, err);
	else
		deliver(r, &list, n);
}

static void
take_home(struct file_reading *r, struct file_job *j)
{
	int err = j->job.outcome;

	if (!r->file && !err) {
		r->facts = j->facts;
		err = adopt(r, j->fd);
		j->fd = -1;
	}
	if (err == ERR_SHED)
		r->q->refusal = j->job.refusal;
	if (err && !r->is_head_sent)
		refuse(r, err);
	else if (err)
		finish(r, err);
	else if (!r->is_head_sent && (r->facts.size == 0 || is_head_only(r->q)))
		finish_with_head(r);
	else
		deliver_read(r, j);
}

static void
on_home(struct job *job, void *receiver)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);
	struct file_reading *r = j->reading;

	(void)receiver;
	if (r) {
		r->job = NULL;
		take_home(r, j);
	}
	file_job_free(&j);
}

/* --- starting ---------------------------------------------------------------------- */

static struct file_reading *
reading_new(struct subrequest *q)
{
	struct file_reading *r = arena_zalloc(q->arena, 1, sizeof(*r));

	if (!r)
		return NULL;
	r->q = q;
	r->conf = q->part->conf;
	r->turn.run = step;
	timer_init(&r->retry, on_retry);
	q->state = r;
	return arena_on_end(q->arena, drop_at_end, r) == 0 ? r : NULL;
}

/* The name below the root, into the arena. */
static int
make_name(struct file_reading *r)
{
	struct subrequest *q = r->q;
	bool is_request_path = r->conf->path_value < 0;
	struct slice path = is_request_path ? q->request->path : q->value[r->conf->path_value];
	size_t cap = path.len + r->conf->index.len + 2;
	struct writer w;
	char *memory;
	int err;

	if (cap > FILE_PATH_BYTES)
		return ERR_NOT_FOUND;
	memory = arena_alloc(q->arena, 2 * cap);
	if (!memory)
		return ERR_MEMORY;
	if (is_request_path)
		path = uri_rest_decode(slice_after(path, 1), memory + cap);
	w = writer_over(memory, cap);
	err = file_path_write(&w, path, r->conf->index);
	r->name = writer_slice(&w);
	return err;
}

/* A small file that is in the page cache as a whole. ERR_BUSY: it is not. */
static int
answer_small(struct file_reading *r)
{
	struct chunks list;
	size_t n = 0;
	int err;

	if (r->facts.size == 0 || is_head_only(r->q)) {
		finish_with_head(r);
		return 0;
	}
	if (r->facts.size > SMALL_BYTES)
		return ERR_BUSY;
	chunks_init(&list, &r->q->env->store);
	err = add_copy(r, &list, &n);
	if (err || n < r->facts.size) {
		chunks_clear(&list);
		return ERR_BUSY;
	}
	deliver(r, &list, n);
	return 0;
}

int
file_answer(struct subrequest *q)
{
	struct file_reading *r = reading_new(q);
	int fd, err;

	if (!r) {
		subrequest_done(q, ERR_MEMORY);
		return 0;
	}
	if (q->part->passes_through && q->request->method != METHOD_GET &&
	    q->request->method != METHOD_HEAD) {
		refuse_method(r);
		return 0;
	}
	err = make_name(r);
	if (!err && r->conf->is_cold)
		return ERR_BUSY;
	fd = err ? err : file_open_now(r->conf->root_fd, r->name.at, &r->facts);
	if (fd == ERR_BUSY)
		return ERR_BUSY;
	err = fd < 0 ? fd : adopt(r, fd);
	if (err) {
		refuse(r, err);
		return 0;
	}
	return answer_small(r);
}

static int
open_by_job(struct file_reading *r)
{
	uint64_t deadline_ns = r->q->deadline_ns;
	size_t first = is_head_only(r->q) ? 0 : PIECE_BYTES;
	int err = reserve(r, deadline_ns);

	return err ? err : submit(r, file_job_open(r->conf->root_fd, r->name, first), deadline_ns);
}

/* After file_answer() has said ERR_BUSY. */
void
file_start(struct subrequest *q)
{
	struct file_reading *r = q->state;

	ASSERT(r);
	if (!r->file)
		r->failure = open_by_job(r);
	if (r->file || r->failure)
		loop_soon(&q->env->loop, &r->turn);
}

void
file_resume(struct subrequest *q)
{
	struct file_reading *r = q->state;

	if (r && r->file && !r->job && !timer_is_set(&r->retry))
		loop_soon(&q->env->loop, &r->turn);
}

void
file_cancel(struct subrequest *q)
{
	if (q->state)
		drop(q->state);
}
