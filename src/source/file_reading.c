/*
 * Reading files; see file_reading.h. On a worker nothing waits for a disk: what
 * the worker's cache or the kernel's have is taken from there, everything else is
 * a job of the pool `blocking`.
 *
 *   answer: choose --in memory, or all of it for sendfile--> head, body, done
 *              | not known    | large, or not cached
 *   start:  job: open      step: sendfile range | read_now | job: read <-.
 *              '--> chosen -----'   '--- head, piece ---> body ----------'
 *
 * One piece per turn, and none while the reader pauses. A file that becomes
 * shorter than its head said ends in an error after the head, never in wrong
 * framing. A reading lives in the exchange's arena; jobs own what they touch.
 */
#include "source/file_reading.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/conditional.h"
#include "http/status.h"
#include "source/file_body.h"
#include "source/file_choice.h"
#include "source/file_directory.h"
#include "source/file_job.h"
#include "source/file_missing.h"

enum {
	RETRY_MS = 20, /* between tries while the pool is full and the head is out */
	RETRY_FOR_S = 10,
};

struct file_reading {
	struct subrequest *q;
	const struct file_conf *conf;
	struct file_cache *cache; /* borrowed: of the lease */
	struct deferred turn;
	struct timer retry;
	uint64_t retry_until_ns;
	uint64_t expected_ns; /* of the place that is reserved */
	struct file_job *job; /* at the pool */
	struct file_choice choice; /* its entry is held until the arena ends: chunks may borrow */
	bool is_chosen, is_listing;
	struct file_body body; /* once it is chosen */
	int failure; /* to be told on the next turn */
	bool is_head_sent;
};

/* --- ends ------------------------------------------------------------------------ */

/* Lets go of everything outside the arena but what is being sent. Idempotent. */
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
}

static void
drop_at_end(void *argument)
{
	struct file_reading *r = argument;

	drop(r);
	if (r->choice.entry)
		file_entry_unref(r->choice.entry);
	r->choice.entry = NULL;
}

static void
finish(struct file_reading *r, int err)
{
	drop(r);
	/* It is shorter than it was, say: the next one looks anew. */
	if (err == ERR_FAILED && r->choice.entry)
		file_cache_drop(r->choice.entry);
	subrequest_done(r->q, err);
}

/* --- answers without a read -------------------------------------------------------- */

static bool
is_head_only(const struct subrequest *q)
{
	return q->part->passes_through && q->request->method == METHOD_HEAD;
}

static void
answer_head(struct subrequest *q)
{
	subrequest_head(q);
	if (q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
}

static void
answer_refusal(struct subrequest *q)
{
	struct slice text = status_reason(q->response.status);

	q->response.framing = BODY_LENGTH;
	q->response.content_length = text.len;
	subrequest_whole(q, text);
}

/* Answers where no byte of the disk is needed; false: one is. The arena holds the entry. */
static bool
answer_known(struct subrequest *q, const struct file_entry *e, const struct file_reply *reply)
{
	const struct file_span *s = reply->span;

	if (reply->is_refusal) {
		answer_refusal(q);
		return true;
	}
	if (reply->spans == 0 || is_head_only(q)) {
		answer_head(q);
		return true;
	}
	if (!e->content || s != &reply->only)
		return false;
	subrequest_whole(q, slice_make(e->content + s->from, (size_t)(s->end - s->from)));
	return true;
}

/* --- the body -------------------------------------------------------------------- */

static int
send_head(struct file_reading *r)
{
	r->is_head_sent = true;
	subrequest_head(r->q);
	return r->q->state_now == SUBREQUEST_HEAD ? 0 : ERR_CANCELLED;
}

/* Sends what is on the list; arranges for the next piece. Takes the list. */
static void
deliver(struct file_reading *r, struct chunks *list)
{
	struct subrequest *q = r->q;
	int err = 0;

	if (!r->is_head_sent)
		err = send_head(r);
	if (err) { /* the run has had enough */
		chunks_clear(list);
		return;
	}
	err = subrequest_body(q, list);
	if (q->state_now != SUBREQUEST_HEAD)
		return;
	if (err < 0 || file_body_is_done(&r->body))
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

	r->expected_ns = pool_ask_more(r->conf->pool, &ask, NULL, 0, deadline_ns);
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
	return submit(r,
		      file_job_read(r->choice.entry->file, file_body_at(&r->body),
				    file_body_left(&r->body, FILE_PIECE_BYTES)),
		      deadline_ns);
}

static void
step(struct deferred *d)
{
	struct file_reading *r = CONTAINER_OF(d, struct file_reading, turn);
	struct chunks list;
	size_t n = 0;
	int err = r->failure;

	chunks_init(&list, &r->q->env->store);
	if (!err)
		err = file_body_add_piece(&r->body, &list, loop_now(&r->q->env->loop), &n);
	if (!err && list.head) {
		deliver(r, &list);
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

/* All of it at once, when it is little and sendfile will not wait. False: step by step. */
static bool
answer_warm(struct file_reading *r)
{
	struct chunks list;
	int err;

	if (r->q->response.content_length > FILE_PIECE_BYTES)
		return false;
	chunks_init(&list, &r->q->env->store);
	err = file_body_add_all(&r->body, &list, loop_now(&r->q->env->loop));
	if (err)
		chunks_clear(&list);
	if (err == ERR_BUSY)
		return false;
	if (err)
		finish(r, err);
	else
		deliver(r, &list);
	return true;
}

/* --- choosing -------------------------------------------------------------------- */

static struct slice
name_of(const struct file_reading *r)
{
	return slice_make(r->choice.name, r->choice.name_len);
}

/* The answer is chosen; what is left is to send it. */
static int
settle(struct file_reading *r)
{
	struct file_entry *e = r->choice.entry;

	r->is_chosen = true;
	file_entry_renew(e, r->conf);
	return file_body_open(&r->body, r->q, e);
}

/* --- listings -------------------------------------------------------------------- */

static int
list_by_job(struct file_reading *r)
{
	const struct file_conf *conf = r->conf;
	struct slice directory = slice_make(r->choice.name, r->choice.name_len - conf->index.len);
	int err = reserve(r, r->q->deadline_ns);
	struct file_job *j;

	if (err)
		return err;
	r->is_listing = true;
	j = file_job_list(&conf->beneath, directory, r->q->request->path);
	if (j) {
		j->has_hidden = conf->has_hidden;
		j->is_json = fields_has_token(&r->q->request->fields, FIELD_ACCEPT,
					      SLICE("application/json"));
	}
	return submit(r, j, r->q->deadline_ns);
}

static void
take_listed(struct file_reading *r, struct file_job *j)
{
	drop(r);
	file_directory_answer(r->q, j);
}

/* --- answers after a job ----------------------------------------------------------- */

/* The answer, when everything about it is known: later than answer(). */
static void
respond(struct file_reading *r)
{
	struct file_entry *e = r->choice.entry;
	int err;

	if (file_directory_is_due(r->q, &r->choice)) {
		err = list_by_job(r);
		if (err)
			finish(r, err);
		return;
	}
	if (e->state != FILE_THERE) {
		drop(r);
		file_answer_missing(r->q, e->state, name_of(r));
		return;
	}
	err = settle(r);
	if (err)
		finish(r, err);
	else if (!answer_known(r->q, e, &r->body.reply))
		step(&r->turn);
}

static int
open_by_job(struct file_reading *r)
{
	uint64_t deadline_ns = r->q->deadline_ns;
	enum coding coding;
	struct slice name;
	int err = reserve(r, deadline_ns);

	if (err)
		return err;
	name = file_choice_wanted(&r->choice, &coding);
	return submit(r, file_job_open(&r->conf->beneath, name, coding), deadline_ns);
}

/* Goes on choosing, and answers when it is chosen. */
static void
choose(struct file_reading *r)
{
	int err = file_choice_go(&r->choice, r->cache);

	if (err == ERR_BUSY)
		err = open_by_job(r);
	else if (!err)
		respond(r);
	if (err)
		finish(r, err);
}

/* --- jobs that come home ----------------------------------------------------------- */

static void
take_opened(struct file_reading *r, struct file_job *j)
{
	int err = j->job.outcome;
	struct file_entry *e;

	if (err == ERR_NOT_FOUND || err == ERR_FORBIDDEN)
		err = 0; /* that is known now, too */
	if (err == ERR_FULL && file_cache_give_way(r->cache)) {
		choose(r);
		return;
	}
	if (err) {
		finish(r, err);
		return;
	}
	e = file_cache_take(r->cache, slice_make(j->name, j->name_len), j->coding, &j->found);
	if (!e) {
		finish(r, ERR_MEMORY);
		return;
	}
	file_choice_take(&r->choice, e);
	choose(r);
}

static void
take_read(struct file_reading *r, struct file_job *j)
{
	struct chunks list;
	size_t n = j->found.got;
	int err = j->job.outcome;

	chunks_init(&list, &r->q->env->store);
	if (!err && n == 0)
		err = ERR_FAILED; /* the file has become shorter */
	if (!err)
		err = file_body_add_texts(&r->body, &list);
	if (!err) {
		err = chunks_add_heap(&list, j->found.content, slice_make(j->found.content, n));
		j->found.content = NULL; /* taken, or freed */
	}
	if (!err)
		err = file_body_pass(&r->body, &list, n);
	if (err) {
		chunks_clear(&list);
		finish(r, err);
	} else {
		deliver(r, &list);
	}
}

static void
on_home(struct job *job, void *receiver)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);
	struct file_reading *r = j->reading;

	(void)receiver;
	if (r) {
		r->job = NULL;
		if (job->outcome == ERR_SHED)
			r->q->refusal = job->refusal;
		if (r->is_listing)
			take_listed(r, j);
		else if (r->is_chosen)
			take_read(r, j);
		else
			take_opened(r, j);
	}
	file_job_free(&j);
}

/* --- starting ---------------------------------------------------------------------- */

/* A reading that goes on where a choice on the stack is; takes its entry in any case. */
static struct file_reading *
reading_new(struct subrequest *q, struct file_cache *cache, struct file_choice *choice)
{
	struct file_reading *r = arena_zalloc(q->arena, 1, sizeof(*r));
	char *name = arena_alloc(q->arena, choice->name_len + FILE_NAME_ROOM);

	if (!r || !name) {
		if (choice->entry)
			file_entry_unref(choice->entry);
		return NULL;
	}
	r->q = q;
	r->conf = q->part->conf;
	r->cache = cache;
	r->turn.run = step;
	timer_init(&r->retry, on_retry);
	r->choice = *choice;
	r->choice.name = name;
	memcpy(name, choice->name, choice->name_len);
	q->state = r;
	if (arena_on_end(q->arena, drop_at_end, r) == 0)
		return r;
	drop_at_end(r);
	q->state = NULL;
	return NULL;
}

static void
unref_at_end(void *argument)
{
	file_entry_unref(argument);
}

/* A file in memory: no reading is made for it. Takes the reference. */
static void
answer_in_memory(struct subrequest *q, struct file_entry *e)
{
	struct file_reply reply;
	int err = arena_on_end(q->arena, unref_at_end, e);

	if (err)
		file_entry_unref(e);
	else
		err = file_reply_make(&reply, q, e);
	if (err)
		subrequest_done(q, err);
	else
		(void)answer_known(q, e, &reply);
}

/* Everything is known but, it may be, the bytes. 0, or ERR_BUSY: start() goes on. */
static int
answer_found(struct subrequest *q, struct file_cache *cache, struct file_choice *choice)
{
	struct file_entry *e = choice->entry;
	struct file_reading *r;
	int err;

	if ((e->content || e->facts.size == 0) && !condition_is_asked(q->request)) {
		file_entry_renew(e, q->part->conf);
		answer_in_memory(q, e);
		return 0;
	}
	r = reading_new(q, cache, choice);
	err = r ? settle(r) : ERR_MEMORY;
	if (err) {
		subrequest_done(q, err);
		return 0;
	}
	return answer_known(q, e, &r->body.reply) || answer_warm(r) ? 0 : ERR_BUSY;
}

/* A job must look, or list. */
static int
begin_later(struct subrequest *q, struct file_cache *cache, struct file_choice *choice)
{
	if (reading_new(q, cache, choice))
		return ERR_BUSY;
	subrequest_done(q, ERR_MEMORY);
	return 0;
}

/* After the name is known. */
static int
answer_name(struct subrequest *q, char *name, size_t len)
{
	struct file_cache *cache = file_cache_of(q->lease, q->part->source->index, q->part->conf);
	struct file_choice choice;
	int err = ERR_MEMORY;

	file_choice_init(&choice, q, name, len);
	if (cache)
		err = file_choice_go(&choice, cache);
	if (!err && choice.entry->state == FILE_THERE)
		return answer_found(q, cache, &choice);
	if (!err && file_directory_is_due(q, &choice))
		err = ERR_BUSY;
	if (err == ERR_BUSY)
		return begin_later(q, cache, &choice);
	if (!err) {
		enum file_state state = choice.entry->state;

		file_entry_unref(choice.entry);
		file_answer_missing(q, state, slice_make(name, len));
		return 0;
	}
	if (choice.entry)
		file_entry_unref(choice.entry);
	subrequest_done(q, err);
	return 0;
}

int
file_answer(struct subrequest *q)
{
	char name[FILE_PATH_BYTES + FILE_NAME_ROOM];
	size_t len;
	int err;

	if (q->part->passes_through && q->request->method != METHOD_GET &&
	    q->request->method != METHOD_HEAD) {
		file_answer_method(q);
		return 0;
	}
	err = file_choice_name(q, name, &len);
	if (!err)
		return answer_name(q, name, len);
	if (err == ERR_NOT_FOUND)
		file_answer_missing(q, FILE_ABSENT, SLICE(""));
	else
		subrequest_done(q, err);
	return 0;
}

/* After file_answer() has said ERR_BUSY. */
void
file_start(struct subrequest *q)
{
	struct file_reading *r = q->state;

	ASSERT(r);
	if (!r->is_chosen)
		r->failure = r->choice.next < r->choice.count ? open_by_job(r) : list_by_job(r);
	if (r->is_chosen || r->failure)
		loop_soon(&q->env->loop, &r->turn);
}

void
file_resume(struct subrequest *q)
{
	struct file_reading *r = q->state;

	if (r && r->is_chosen && !r->job && !timer_is_set(&r->retry))
		loop_soon(&q->env->loop, &r->turn);
}

void
file_cancel(struct subrequest *q)
{
	if (q->state)
		drop(q->state);
}
