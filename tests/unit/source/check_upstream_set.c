/*
 * Sets of servers, merged with what names are found to be.
 */
#include "base/mem.h"
#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_upstream_set(void);

enum { FOUND = 6 };

static struct upstream_server fixed = { .label = SLICE("fixed"), .weight = 1 };
static const struct upstream_server host = { .lookup = "app", .port = 80, .weight = 3 };
static const struct upstream_server service = { .lookup = "_a._b.app", .kind = RESOLVER_SERVICE };

/* A table of what DNS says: addresses by their last number, "PRIORITY:WEIGHT@N". */
static struct resolver_answer
answer_of(const char *text, struct resolver_found found[FOUND])
{
	struct resolver_answer a = { .at = found };
	unsigned priority, weight, number;
	int used;

	while (sscanf(text, " %u:%u@%u%n", &priority, &weight, &number, &used) == 3) {
		char address[32];
		struct resolver_found *f = &found[a.count++];

		snprintf(address, sizeof(address), "10.0.0.%u:80", number);
		*f = (struct resolver_found){ .priority = priority, .weight = weight };
		ck_assert_int_eq(address_parse(&f->at, slice_of(address)), 0);
		text += used;
	}
	return a;
}

/* As "LABEL*WEIGHT/RANK ...", where LABEL is the last number of an address. */
static const char *
text_of(const struct upstream_set *set)
{
	static char text[512];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < set->count; i++) {
		const struct upstream_server *s = set->at[i].server;
		struct slice label = s->name ? slice_after(s->label, strlen("10.0.0.")) : s->label;

		label = slice_cut(&label, ':');
		len +=
		    (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s*%u/%u", i ? " " : "",
				     SLICE_PRINT(label), set->at[i].weight, set->at[i].rank);
	}
	return text;
}

/* Takes the place of the set. */
static struct upstream_change
merge(struct upstream_set **set, const struct upstream_server *name, const char *text)
{
	struct resolver_found found[FOUND];
	struct resolver_answer a = answer_of(text, found);
	struct upstream_change change;
	struct upstream_set *fresh = upstream_set_merge(*set, name, &a, &change);

	ck_assert_ptr_nonnull(fresh);
	upstream_set_unref(set);
	*set = fresh;
	return change;
}

static struct upstream_set *
begin(void)
{
	struct upstream_set *set = upstream_set_new(1);

	ck_assert_ptr_nonnull(set);
	upstream_set_add(set, (struct upstream_entry){ .server = &fixed, .weight = 1 });
	return set;
}

static const struct step {
	const struct upstream_server *name;
	const char *says, *set;
	unsigned added, removed;
	bool is_any;
} steps[] = {
	{ &host, "0:0@1 0:0@2", "fixed*1/0 1*3/0 2*3/0", 2, 0, true },
	{ &host, "0:0@1 0:0@2", "fixed*1/0 1*3/0 2*3/0", 0, 0, false },
	{ &host, "0:0@2 0:0@1", "fixed*1/0 1*3/0 2*3/0", 0, 0, false },
	{ &host, "0:0@2 0:0@3", "fixed*1/0 2*3/0 3*3/0", 1, 1, true },
	/* Another name's are another's, with the same address too. */
	{ &service, "10:5@3 20:1@4", "fixed*1/0 2*3/0 3*3/0 3*5/0 4*1/1", 2, 0, true },
	{ &service, "10:6@3 20:1@4", "fixed*1/0 2*3/0 3*3/0 3*6/0 4*1/1", 0, 0, true },
	{ &service, "5:0@4 7:65535@3 7:100@5", "fixed*1/0 2*3/0 3*3/0 3*256/1 4*1/0 5*1/1", 1, 0,
	  true },
	{ &host, "", "fixed*1/0 3*256/1 4*1/0 5*1/1", 0, 2, true },
};

START_TEST(a_set_follows_what_names_are_found_to_be)
{
	struct upstream_set *set = begin();

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct upstream_change change = merge(&set, steps[i].name, steps[i].says);

		ck_assert_msg(strcmp(text_of(set), steps[i].set) == 0, "step %u: \"%s\"", i,
			      text_of(set));
		ck_assert_uint_eq(change.added, steps[i].added);
		ck_assert_uint_eq(change.removed, steps[i].removed);
		ck_assert_int_eq(change.is_any, steps[i].is_any);
	}
	upstream_set_unref(&set);
}
END_TEST

START_TEST(a_server_that_stays_is_the_same_one)
{
	struct upstream_set *set = begin(), *old;
	struct upstream_server *server;

	merge(&set, &host, "0:0@1 0:0@2");
	old = upstream_set_ref(set);
	server = set->at[1].server;
	gauge_set(&server->down, 1);
	merge(&set, &host, "0:0@9 0:0@1");
	ck_assert_ptr_eq(set->at[1].server, server);
	ck_assert_uint_eq(gauge_read(&set->at[1].server->down), 1);
	/* The old set is as it was, for who still has it. */
	ck_assert_str_eq(text_of(old), "fixed*1/0 1*3/0 2*3/0");
	upstream_set_unref(&old);
	ck_assert_ptr_eq(set->at[1].server, server);
	upstream_set_unref(&set);
}
END_TEST

START_TEST(without_memory_the_old_set_is_left)
{
	struct upstream_set *set = begin(), *fresh = NULL;
	struct resolver_found found[FOUND];
	struct resolver_answer a = answer_of("0:0@2 0:0@3 0:0@4", found);
	struct upstream_change change;
	unsigned n = 0;

	merge(&set, &host, "0:0@1 0:0@2");
	while (!fresh) {
		mem_fail_at(++n, false);
		fresh = upstream_set_merge(set, &host, &a, &change);
		mem_fail_at(0, false);
		ck_assert_str_eq(text_of(set), "fixed*1/0 1*3/0 2*3/0");
	}
	ck_assert_uint_eq(n, 4);
	upstream_set_unref(&fresh);
	upstream_set_unref(&set);
}
END_TEST

Suite *
suite_source_upstream_set(void)
{
	Suite *s = suite_create("source_upstream_set");
	TCase *t = tcase_create("set");

	tcase_add_test(t, a_set_follows_what_names_are_found_to_be);
	tcase_add_test(t, a_server_that_stays_is_the_same_one);
	tcase_add_test(t, without_memory_the_old_set_is_left);
	suite_add_tcase(s, t);
	return s;
}
