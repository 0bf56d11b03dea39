/*
 * Ledgers: pages that outlive who wrote on them.
 */
#include "base/mem.h"
#include "metrics/ledger.h"
#include "metrics/series.h"

#include <check.h>
#include <pthread.h>

Suite *suite_metrics_ledger(void);

static unsigned
count_pages(const struct ledger *l)
{
	unsigned pages = 0;

	for (const struct ledger_page *p = ledger_first(l); p; p = p->next)
		pages++;
	return pages;
}

START_TEST(a_worker_has_one_page_for_good)
{
	struct ledger *l = ledger_new(sizeof(struct part_series));
	struct part_series *first = ledger_series(l, 3), *other = ledger_series(l, 0);

	count_word(&first->by_outcome[0], 7);
	ck_assert_ptr_ne(first, other);
	ck_assert_ptr_eq(ledger_series(l, 3), first);
	ck_assert_uint_eq(count_read_word(&first->by_outcome[0]), 7);
	ck_assert_uint_eq(count_read_word(&other->by_outcome[0]), 0);
	ck_assert_uint_eq(count_pages(l), 2);
	ledger_unref(&l);
	ck_assert_ptr_null(l);
}
END_TEST

START_TEST(pages_stay_until_the_last_site_has_gone)
{
	struct ledger *of_site = ledger_new(64), *of_next = ledger_ref(of_site);
	uint64_t *series = ledger_series(of_site, 0);

	*series = 5;
	ledger_unref(&of_site);
	ck_assert_ptr_eq(ledger_series(of_next, 0), series);
	ck_assert_uint_eq(*series, 5);
	ledger_unref(&of_next);
}
END_TEST

START_TEST(without_memory_there_is_no_page_and_nothing_is_lost)
{
	struct ledger *l = ledger_new(64);

	ck_assert_ptr_nonnull(ledger_series(l, 1));
	mem_fail_at(1, true);
	ck_assert_ptr_null(ledger_series(l, 2));
	ck_assert_ptr_nonnull(ledger_series(l, 1));
	ck_assert_ptr_null(ledger_new(64));
	mem_fail_at(0, false);
	ck_assert_uint_eq(count_pages(l), 1);
	ledger_unref(&l);
}
END_TEST

enum { WRITERS = 4, PAGES = 200 };

struct writer_thread {
	pthread_t id;
	struct ledger *ledger;
	unsigned first;
};

static void *
open_pages(void *argument)
{
	struct writer_thread *w = argument;

	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t *series = ledger_series(w->ledger, w->first + i * WRITERS);

		*series = w->first + i * WRITERS;
	}
	return NULL;
}

/* Workers attach to a new site at the same time. */
START_TEST(workers_open_their_pages_at_once)
{
	struct writer_thread w[WRITERS];
	struct ledger *l = ledger_new(64);

	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer_thread){ .ledger = l, .first = i };
		ck_assert_int_eq(pthread_create(&w[i].id, NULL, open_pages, &w[i]), 0);
	}
	while (count_pages(l) < WRITERS * PAGES)
		;
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(w[i].id, NULL);
	for (unsigned i = 0; i < WRITERS * PAGES; i++)
		ck_assert_uint_eq(*(uint64_t *)ledger_series(l, i), i);
	ck_assert_uint_eq(count_pages(l), WRITERS * PAGES);
	ledger_unref(&l);
}
END_TEST

Suite *
suite_metrics_ledger(void)
{
	Suite *s = suite_create("metrics/ledger");
	TCase *t = tcase_create("ledger");

	tcase_add_test(t, a_worker_has_one_page_for_good);
	tcase_add_test(t, pages_stay_until_the_last_site_has_gone);
	tcase_add_test(t, without_memory_there_is_no_page_and_nothing_is_lost);
	tcase_add_test(t, workers_open_their_pages_at_once);
	suite_add_tcase(s, t);
	return s;
}
