/*
 * Places that threads share; see quota.h.
 */
#include "thread/quota.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/ref.h"

#include <pthread.h>

struct quota {
	struct ref ref;
	struct pool_gate gate;
	atomic_uint wanting_count; /* as the list is long; read without the lock */
	atomic_bool is_over;
	pthread_mutex_t lock; /* for all below, and what members say is under it */
	unsigned places, used;
	struct list members; /* of quota_member.link */
	struct list wanting; /* of quota_member.wants, longest first */
};

struct quota_member {
	struct ref ref; /* its owner, and mail on its way */
	struct quota *quota; /* counted */
	struct mailbox *home; /* borrowed, until it parts */
	void *owner; /* of its thread; NULL: it has parted */
	void (*on_look)(void *owner);
	struct mail look;
	atomic_uint idle;
	/* Under the lock. */
	struct list link, wants;
	unsigned held; /* places, `granted` ones and those on their way to it included */
	unsigned granted; /* given to it while it wanted one: quota_take() finds them */
	bool is_looking; /* `look` is on its way */
	bool is_wanting;
};

/* --- the quota ------------------------------------------------------------------- */

static void
set_gate(struct quota *q, const struct quota_limits *limits)
{
	gate_set_threads(&q->gate, limits->places);
	gate_set_queue(&q->gate, limits->queue, limits->max_wait_ns);
}

struct quota *
quota_new(const struct quota_limits *limits, enum gate_order order)
{
	struct quota *q = mem_zalloc(1, sizeof(*q));

	if (!q)
		return NULL;
	ref_init(&q->ref);
	pthread_mutex_init(&q->lock, NULL);
	list_init(&q->members);
	list_init(&q->wanting);
	q->places = limits->places;
	gate_init(&q->gate, order);
	set_gate(q, limits);
	return q;
}

struct quota *
quota_ref(struct quota *q)
{
	ref_take(&q->ref);
	return q;
}

void
quota_unref(struct quota **q)
{
	struct quota *last = *q;

	*q = NULL;
	if (!last || !ref_drop(&last->ref))
		return;
	ASSERT(last->used == 0 && list_is_empty(&last->members));
	pthread_mutex_destroy(&last->lock);
	mem_free(&last);
}

struct pool_gate *
quota_gate(struct quota *q)
{
	return &q->gate;
}

/* --- under the lock -------------------------------------------------------------- */

static void on_look(struct mail *mail, void *receiver);

static void
send_look(struct quota_member *m)
{
	if (m->is_looking)
		return;
	m->is_looking = true;
	ref_take(&m->ref);
	m->look.deliver = on_look;
	mailbox_send(m->home, &m->look);
}

static void
start_wanting(struct quota_member *m)
{
	if (m->is_wanting)
		return;
	m->is_wanting = true;
	list_append(&m->quota->wanting, &m->wants);
	/* Before `idle` is read, as who goes idle sets that before this is read: one of the two
	 * sees the other. */
	atomic_fetch_add(&m->quota->wanting_count, 1);
}

static void
stop_wanting(struct quota_member *m)
{
	if (!m->is_wanting)
		return;
	m->is_wanting = false;
	list_remove(&m->wants);
	atomic_fetch_sub(&m->quota->wanting_count, 1);
}

static void
ask_idle(const struct quota *q, const struct quota_member *asking)
{
	struct list *i;

	for (i = q->members.next; i != &q->members; i = i->next) {
		struct quota_member *m = CONTAINER_OF(i, struct quota_member, link);

		if (m != asking && atomic_load(&m->idle) > 0)
			send_look(m);
	}
}

static void
note_over(struct quota *q)
{
	atomic_store_explicit(&q->is_over, q->used > q->places, memory_order_relaxed);
}

/* To those who want them, longest first. */
static void
grant_free(struct quota *q)
{
	while (q->used < q->places && !list_is_empty(&q->wanting)) {
		struct quota_member *m = CONTAINER_OF(q->wanting.next, struct quota_member, wants);

		stop_wanting(m);
		q->used++;
		m->held++;
		m->granted++;
		send_look(m);
	}
	note_over(q);
}

static void
give_back(struct quota_member *m)
{
	ASSERT(m->held > 0 && m->quota->used > 0);
	m->held--;
	m->quota->used--;
	grant_free(m->quota);
}

void
quota_set(struct quota *q, const struct quota_limits *limits)
{
	pthread_mutex_lock(&q->lock);
	q->places = limits->places;
	set_gate(q, limits);
	grant_free(q);
	if (q->used > q->places)
		ask_idle(q, NULL);
	pthread_mutex_unlock(&q->lock);
}

/* --- members --------------------------------------------------------------------- */

static void
unref_member(struct quota_member *m)
{
	struct quota *q = m->quota;

	if (!ref_drop(&m->ref))
		return;
	ASSERT(m->held == 0);
	mem_free(&m);
	quota_unref(&q);
}

static void
on_look(struct mail *mail, void *receiver)
{
	struct quota_member *m = CONTAINER_OF(mail, struct quota_member, look);

	(void)receiver;
	pthread_mutex_lock(&m->quota->lock);
	m->is_looking = false;
	pthread_mutex_unlock(&m->quota->lock);
	if (m->owner)
		m->on_look(m->owner);
	unref_member(m);
}

struct quota_member *
quota_join(struct quota *q, struct mailbox *home, void *owner, void (*look)(void *owner))
{
	struct quota_member *m = mem_zalloc(1, sizeof(*m));

	if (!m)
		return NULL;
	ref_init(&m->ref);
	m->quota = quota_ref(q);
	m->home = home;
	m->owner = owner;
	m->on_look = look;
	list_init(&m->wants);
	pthread_mutex_lock(&q->lock);
	list_append(&q->members, &m->link);
	pthread_mutex_unlock(&q->lock);
	return m;
}

void
quota_part(struct quota_member **member)
{
	struct quota_member *m = *member;

	*member = NULL;
	if (!m)
		return;
	quota_calm(m);
	m->owner = NULL;
	pthread_mutex_lock(&m->quota->lock);
	list_remove(&m->link);
	atomic_store(&m->idle, 0);
	pthread_mutex_unlock(&m->quota->lock);
	unref_member(m);
}

bool
quota_take(struct quota_member *m)
{
	struct quota *q = m->quota;
	bool has_place = true;

	pthread_mutex_lock(&q->lock);
	if (m->granted > 0) {
		m->granted--;
	} else if (q->used < q->places) {
		q->used++;
		m->held++;
	} else {
		has_place = false;
		start_wanting(m);
		ask_idle(q, m);
	}
	if (has_place)
		stop_wanting(m);
	pthread_mutex_unlock(&q->lock);
	return has_place;
}

void
quota_calm(struct quota_member *m)
{
	pthread_mutex_lock(&m->quota->lock);
	stop_wanting(m);
	for (; m->granted > 0; m->granted--)
		give_back(m);
	pthread_mutex_unlock(&m->quota->lock);
}

void
quota_give(struct quota_member *m)
{
	pthread_mutex_lock(&m->quota->lock);
	give_back(m);
	pthread_mutex_unlock(&m->quota->lock);
}

void
quota_set_idle(struct quota_member *m, unsigned idle)
{
	atomic_store(&m->idle, idle);
}

bool
quota_is_wanted(const struct quota_member *m)
{
	return atomic_load(&m->quota->wanting_count) > 0;
}

bool
quota_is_over(const struct quota_member *m)
{
	return atomic_load_explicit(&m->quota->is_over, memory_order_relaxed);
}

/* --- tokens ---------------------------------------------------------------------- */

static void
on_token(struct mail *mail, void *receiver)
{
	struct quota_token *t = CONTAINER_OF(mail, struct quota_token, mail);
	struct quota_member *m = t->to;

	(void)receiver;
	t->on_arrival(t, m->owner);
	unref_member(m);
}

/* Who has wanted one for longest, and has fewer than m if m needs its own. One more than the
 * other is no reason: it would go to and fro. */
static struct quota_member *
next_of(const struct quota_member *m, bool is_needed)
{
	struct quota *q = m->quota;
	struct list *i;

	for (i = q->wanting.next; i != &q->wanting; i = i->next) {
		struct quota_member *other = CONTAINER_OF(i, struct quota_member, wants);

		if (other != m && (!is_needed || other->held == 0 || other->held + 1 < m->held))
			return other;
	}
	return NULL;
}

bool
quota_pass(struct quota_member *m, struct quota_token *t, bool is_needed)
{
	struct quota_member *to;

	if (!quota_is_wanted(m))
		return false;
	pthread_mutex_lock(&m->quota->lock);
	to = next_of(m, is_needed);
	if (to) {
		stop_wanting(to);
		m->held--;
		to->held++;
		ref_take(&to->ref);
		t->to = to;
		t->mail.deliver = on_token;
		/* Under the lock: it parts before this, or has the mail. */
		mailbox_send(to->home, &t->mail);
	}
	pthread_mutex_unlock(&m->quota->lock);
	return to != NULL;
}
