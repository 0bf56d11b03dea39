/*
 * Places that threads share.
 */
#include "thread/quota.h"

#include "base/list.h"
#include "base/mem.h"
#include "home.h"

#include <pthread.h>
#include <sched.h>

Suite *suite_thread_quota(void);

enum { THREADS = 5, PLACES = 2, TURNS = 400 };

/* --- one thread, step by step -------------------------------------------------------- */

/* A member, and the tokens that it has. */
struct side {
	struct home *home;
	struct quota_member *member;
	unsigned looks;
	unsigned tokens;
};

struct thing {
	struct quota_token token;
	unsigned lost;
};

static void
on_look(void *owner)
{
	((struct side *)owner)->looks++;
}

static void
on_arrival(struct quota_token *t, void *owner)
{
	struct side *s = owner;

	if (s) {
		s->tokens++;
		return;
	}
	CONTAINER_OF(t, struct thing, token)->lost++;
	quota_give(t->to);
}

struct pair {
	struct home home;
	struct quota *quota;
	struct side a, b;
	struct thing thing;
};

static void
set_up(struct pair *p, unsigned places, unsigned queue)
{
	const struct quota_limits limits = { places, queue, 0 };

	*p = (struct pair){ .thing.token.on_arrival = on_arrival };
	home_open(&p->home, NULL);
	p->quota = quota_new(&limits, ORDER_ADAPTIVE);
	ck_assert_ptr_nonnull(p->quota);
	p->a.member = quota_join(p->quota, &p->home.mailbox, &p->a, on_look);
	p->b.member = quota_join(p->quota, &p->home.mailbox, &p->b, on_look);
	ck_assert(p->a.member && p->b.member);
}

static void
drain(struct pair *p)
{
	while (mailbox_drain(&p->home.mailbox, NULL) > 0)
		;
}

static void
tear_down(struct pair *p)
{
	quota_part(&p->a.member);
	quota_part(&p->b.member);
	drain(p);
	quota_unref(&p->quota);
	home_close(&p->home);
}

/* Of the one place. */
static bool
is_in_use(struct pair *p)
{
	bool was_free = quota_take(p->a.member);

	if (was_free)
		quota_give(p->a.member);
	else
		quota_calm(p->a.member);
	return !was_free;
}

/* So much work at once, of which nothing is expected. */
static bool
is_let_in(struct pair *p, unsigned n)
{
	const struct gate_ask ask = { .jobs = n, .deadline_ns = UINT64_MAX };

	return gate_reserve(quota_gate(p->quota), &ask, false) == GATE_OPEN;
}

static void
leave(struct pair *p, unsigned n)
{
	gate_release(quota_gate(p->quota), CLASS_CRITICAL, n, 0);
}

START_TEST(work_is_let_in_up_to_places_and_queue)
{
	struct pair p;

	set_up(&p, 2, 3);
	ck_assert(is_let_in(&p, 4));
	ck_assert(!is_let_in(&p, 2));
	ck_assert(is_let_in(&p, 1));
	ck_assert(!is_let_in(&p, 1));
	leave(&p, 2);
	ck_assert(is_let_in(&p, 2));
	quota_set(p.quota, &(struct quota_limits){ 1, 1, 0 });
	leave(&p, 3);
	ck_assert(!is_let_in(&p, 1));
	leave(&p, 1);
	ck_assert(is_let_in(&p, 1));
	tear_down(&p);
}
END_TEST

START_TEST(a_free_place_goes_to_who_wanted_one)
{
	struct pair p;

	set_up(&p, 1, 0);
	ck_assert(quota_take(p.a.member));
	ck_assert(!quota_take(p.b.member));
	drain(&p);
	ck_assert_uint_eq(p.b.looks, 0);
	quota_give(p.a.member);
	/* It is b's, even before b has looked. */
	ck_assert(!quota_take(p.a.member));
	drain(&p);
	ck_assert_uint_eq(p.b.looks, 1);
	ck_assert(quota_take(p.b.member));
	quota_give(p.b.member);
	drain(&p);
	ck_assert(quota_take(p.a.member));
	ck_assert(is_in_use(&p));
	quota_give(p.a.member);
	tear_down(&p);
}
END_TEST

START_TEST(who_has_become_calm_passes_a_granted_place_on)
{
	struct pair p;

	set_up(&p, 1, 0);
	ck_assert(quota_take(p.a.member));
	ck_assert(!quota_take(p.b.member));
	quota_give(p.a.member);
	ck_assert(!quota_take(p.a.member));
	quota_calm(p.b.member);
	drain(&p);
	ck_assert_uint_eq(p.a.looks, 1);
	ck_assert(quota_take(p.a.member));
	quota_give(p.a.member);
	ck_assert(!is_in_use(&p));
	tear_down(&p);
}
END_TEST

START_TEST(an_idle_token_is_asked_for_and_passed)
{
	struct pair p;

	set_up(&p, 1, 0);
	ck_assert(quota_take(p.a.member));
	quota_set_idle(p.a.member, 1);
	ck_assert(!quota_pass(p.a.member, &p.thing.token, false));
	ck_assert(!quota_take(p.b.member));
	drain(&p);
	ck_assert_uint_eq(p.a.looks, 1);
	ck_assert(quota_pass(p.a.member, &p.thing.token, false));
	quota_set_idle(p.a.member, 0);
	drain(&p);
	ck_assert_uint_eq(p.b.tokens, 1);
	ck_assert(is_in_use(&p));
	ck_assert(!quota_is_wanted(p.a.member));
	quota_give(p.b.member);
	tear_down(&p);
}
END_TEST

START_TEST(a_token_that_is_needed_goes_to_who_has_none_and_not_to_and_fro)
{
	struct pair p;

	set_up(&p, 3, 0);
	ck_assert(quota_take(p.a.member));
	ck_assert(quota_take(p.a.member));
	ck_assert(quota_take(p.a.member));
	ck_assert(!quota_take(p.b.member));
	ck_assert(quota_pass(p.a.member, &p.thing.token, true));
	drain(&p);
	/* Two and one: no reason to move any. */
	ck_assert(!quota_take(p.b.member));
	ck_assert(!quota_pass(p.a.member, &p.thing.token, true));
	ck_assert(quota_pass(p.a.member, &p.thing.token, false));
	drain(&p);
	quota_give(p.a.member);
	quota_give(p.b.member);
	quota_give(p.b.member);
	tear_down(&p);
}
END_TEST

START_TEST(a_token_on_its_way_to_who_has_left_gives_its_place_back)
{
	struct pair p;

	set_up(&p, 1, 0);
	ck_assert(quota_take(p.a.member));
	ck_assert(!quota_take(p.b.member));
	ck_assert(quota_pass(p.a.member, &p.thing.token, true));
	quota_part(&p.b.member);
	drain(&p);
	ck_assert_uint_eq(p.thing.lost, 1);
	ck_assert(!is_in_use(&p));
	tear_down(&p);
}
END_TEST

START_TEST(fewer_places_are_heeded_as_tokens_end)
{
	struct pair p;

	set_up(&p, 2, 0);
	ck_assert(quota_take(p.a.member));
	ck_assert(quota_take(p.a.member));
	quota_set_idle(p.a.member, 2);
	quota_set(p.quota, &(struct quota_limits){ 1, 0, 0 });
	drain(&p);
	ck_assert_uint_eq(p.a.looks, 1);
	ck_assert(!quota_take(p.b.member));
	ck_assert(quota_is_over(p.a.member));
	quota_give(p.a.member);
	ck_assert(!quota_is_over(p.a.member));
	drain(&p);
	ck_assert_uint_eq(p.b.looks, 0);
	quota_set(p.quota, &(struct quota_limits){ 2, 0, 0 });
	drain(&p);
	ck_assert_uint_eq(p.b.looks, 1);
	ck_assert(quota_take(p.b.member));
	quota_give(p.a.member);
	quota_give(p.b.member);
	tear_down(&p);
}
END_TEST

/* --- many threads ---------------------------------------------------------------------- */

/* A thread that always has work, each piece of which takes a token for a while. */
struct busy {
	struct home home;
	struct quota *quota;
	struct quota_member *member;
	struct list idle; /* of spare.link */
	unsigned done, progress;
	atomic_uint *tokens, *most, *left;
};

struct spare {
	struct quota_token token;
	struct list link;
};

static void
on_busy_look(void *owner)
{
	struct busy *b = owner;

	b->progress++;
}

static void
on_busy_arrival(struct quota_token *t, void *owner)
{
	struct busy *b = owner;

	ck_assert_ptr_nonnull(b);
	list_append(&b->idle, &CONTAINER_OF(t, struct spare, token)->link);
	b->progress++;
}

static struct spare *
make_token(struct busy *b)
{
	struct spare *s = mem_zalloc(1, sizeof(*s));
	unsigned now = atomic_fetch_add(b->tokens, 1) + 1, most = atomic_load(b->most);

	ck_assert_ptr_nonnull(s);
	while (now > most && !atomic_compare_exchange_weak(b->most, &most, now))
		;
	s->token.on_arrival = on_busy_arrival;
	list_init(&s->link);
	return s;
}

static void
drop_token(struct busy *b, struct spare *s)
{
	atomic_fetch_sub(b->tokens, 1);
	mem_free(&s);
	quota_give(b->member);
}

/* One piece of work; false: there is no token for it. */
static bool
work(struct busy *b)
{
	struct list *link = list_take(&b->idle);
	struct spare *s = link ? CONTAINER_OF(link, struct spare, link) : NULL;

	if (!s && quota_take(b->member))
		s = make_token(b);
	if (!s)
		return false;
	quota_set_idle(b->member, 0);
	b->done++;
	if (b->done % 37 == 0) {
		drop_token(b, s);
	} else if (!quota_pass(b->member, &s->token, b->done < TURNS)) {
		list_append(&b->idle, &s->link);
		quota_set_idle(b->member, 1);
	}
	return true;
}

static void
pass_idle(struct busy *b)
{
	struct list *link;

	while ((link = list_take(&b->idle)) != NULL) {
		struct spare *s = CONTAINER_OF(link, struct spare, link);

		if (!quota_pass(b->member, &s->token, false))
			drop_token(b, s);
	}
	quota_set_idle(b->member, 0);
}

static void *
be_busy(void *argument)
{
	struct busy *b = argument;

	while (b->done < TURNS) {
		unsigned before = b->progress;

		if (!work(b))
			home_await(&b->home, &b->progress, before + 1);
		else
			mailbox_drain(&b->home.mailbox, NULL);
	}
	quota_calm(b->member);
	pass_idle(b);
	quota_part(&b->member);
	atomic_fetch_sub(b->left, 1);
	while (atomic_load(b->left) > 0)
		sched_yield();
	return NULL;
}

START_TEST(more_threads_than_places_all_get_their_turns_and_never_more_at_a_time)
{
	const struct quota_limits limits = { PLACES, 0, 0 };
	struct quota *quota = quota_new(&limits, ORDER_ADAPTIVE);
	atomic_uint tokens = 0, most = 0, left = THREADS;
	struct busy busy[THREADS];
	pthread_t thread[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		busy[i] = (struct busy){
			.quota = quota, .tokens = &tokens, .most = &most, .left = &left
		};
		list_init(&busy[i].idle);
		home_open(&busy[i].home, NULL);
		busy[i].member = quota_join(quota, &busy[i].home.mailbox, &busy[i], on_busy_look);
	}
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, be_busy, &busy[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		while (mailbox_drain(&busy[i].home.mailbox, NULL) > 0)
			;
		ck_assert_uint_eq(busy[i].done, TURNS);
		home_close(&busy[i].home);
	}
	ck_assert_uint_eq(atomic_load(&tokens), 0);
	ck_assert_uint_le(atomic_load(&most), PLACES);
	quota_unref(&quota);
}
END_TEST

Suite *
suite_thread_quota(void)
{
	Suite *s = suite_create("thread_quota");
	TCase *t = tcase_create("quota");

	tcase_add_test(t, work_is_let_in_up_to_places_and_queue);
	tcase_add_test(t, a_free_place_goes_to_who_wanted_one);
	tcase_add_test(t, who_has_become_calm_passes_a_granted_place_on);
	tcase_add_test(t, an_idle_token_is_asked_for_and_passed);
	tcase_add_test(t, a_token_that_is_needed_goes_to_who_has_none_and_not_to_and_fro);
	tcase_add_test(t, a_token_on_its_way_to_who_has_left_gives_its_place_back);
	tcase_add_test(t, fewer_places_are_heeded_as_tokens_end);
	tcase_add_test(t, more_threads_than_places_all_get_their_turns_and_never_more_at_a_time);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return s;
}
