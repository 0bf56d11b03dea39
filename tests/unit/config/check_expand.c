/*
 * Environment variables in values.
 */
#include "config/expand.h"

#include "base/mem.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_config_expand(void);

static struct store store;
static struct arena arena;
static struct expand_fault fault;

static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
	setenv("FOREBAY_A", "alpha", 1);
	setenv("FOREBAY_EMPTY", "", 1);
	setenv("FOREBAY_LATIN", "\xe4", 1);
	unsetenv("FOREBAY_NONE");
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	arena_fini(&arena);
	store_fini(&store);
}

static const char *
expanded(const char *raw)
{
	struct slice value = SLICE("");

	ck_assert_int_eq(expand(&arena, slice_of(raw), &value, &fault), 0);
	ck_assert_uint_eq(strlen(value.at), value.len);
	return value.at;
}

START_TEST(variable_is_replaced_wherever_it_stands)
{
	ck_assert_str_eq(expanded("${FOREBAY_A}"), "alpha");
	ck_assert_str_eq(expanded("<${FOREBAY_A}|${FOREBAY_A}>"), "<alpha|alpha>");
	ck_assert_str_eq(expanded("[${FOREBAY_EMPTY}]"), "[]");
	ck_assert_str_eq(expanded("$ {x} $x {FOREBAY_A} $"), "$ {x} $x {FOREBAY_A} $");
}
END_TEST

START_TEST(default_stands_in_for_unset_and_empty)
{
	ck_assert_str_eq(expanded("${FOREBAY_NONE:-80 80}"), "80 80");
	ck_assert_str_eq(expanded("${FOREBAY_EMPTY:-x}"), "x");
	ck_assert_str_eq(expanded("${FOREBAY_A:-x}"), "alpha");
	ck_assert_str_eq(expanded("${FOREBAY_NONE:-}"), "");
}
END_TEST

START_TEST(doubled_dollar_is_a_literal)
{
	ck_assert_str_eq(expanded("$${FOREBAY_A}"), "${FOREBAY_A}");
	ck_assert_str_eq(expanded("$$ ${FOREBAY_A}"), "$$ alpha");
}
END_TEST

START_TEST(value_is_not_expanded_again)
{
	setenv("FOREBAY_NESTED", "${FOREBAY_A}", 1);
	ck_assert_str_eq(expanded("${FOREBAY_NESTED}"), "${FOREBAY_A}");
}
END_TEST

START_TEST(faults_say_what_and_where)
{
	static const struct {
		const char *raw, *text, *what;
		int err;
	} cases[] = {
		{ "a ${FOREBAY_NONE} b", "${FOREBAY_NONE}",
		  "this environment variable is not set, and has no default", ERR_MISSING },
		{ "a ${FOREBAY_A", "${FOREBAY_A", "${ has no closing }", ERR_SYNTAX },
		{ "${}", "${}",
		  "this is neither ${NAME} nor ${NAME:-default}; a literal ${ is written $${",
		  ERR_SYNTAX },
		{ "${1A}", "${1A}", NULL, ERR_SYNTAX },
		{ "${A B}", "${A B}", NULL, ERR_SYNTAX },
		{ "${FOREBAY_A:x}", "${FOREBAY_A:x}", NULL, ERR_SYNTAX },
		{ "${FOREBAY_A:-${B}}", "${FOREBAY_A:-${B}", NULL, ERR_SYNTAX },
		{ "${FOREBAY_LATIN}", "${FOREBAY_LATIN}",
		  "the value of this environment variable is not UTF-8", ERR_SYNTAX },
	};
	struct slice value;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(expand(&arena, slice_of(cases[i].raw), &value, &fault),
				 cases[i].err);
		ck_assert(slice_eq(fault.text, slice_of(cases[i].text)));
		if (cases[i].what)
			ck_assert_str_eq(fault.what, cases[i].what);
	}
}
END_TEST

START_TEST(growth_is_bounded)
{
	static char text[EXPAND_BYTES + 1];
	struct slice value;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	setenv("FOREBAY_LONG", text, 1);
	ck_assert_int_eq(expand(&arena, SLICE("${FOREBAY_LONG}"), &value, &fault), 0);
	ck_assert_int_eq(expand(&arena, SLICE("${FOREBAY_LONG}x"), &value, &fault), ERR_TOO_LARGE);
	mem_fail_at(1, true);
	ck_assert_int_eq(expand(&arena, SLICE("${FOREBAY_A}"), &value, &fault), ERR_MEMORY);
}
END_TEST

START_TEST(literal_secrets_are_seen)
{
	ck_assert(!expand_is_literal(SLICE("${PW}")));
	ck_assert(!expand_is_literal(SLICE("${USER}:${PW:-}")));
	ck_assert(expand_is_literal(SLICE("hunter2")));
	ck_assert(expand_is_literal(SLICE("")));
	ck_assert(expand_is_literal(SLICE("${PW:-hunter2}")));
	ck_assert(expand_is_literal(SLICE("$${PW}")));
}
END_TEST

START_TEST(escaped_text_expands_to_itself)
{
	static const char *const texts[] = { "plain", "${FOREBAY_A}", "$${x}", "a${",
					     "$",     "$${$${}}" };
	char memory[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct writer w = writer_over(memory, sizeof(memory) - 1);

		expand_write_escaped(&w, slice_of(texts[i]));
		memory[w.len] = '\0';
		ck_assert_str_eq(expanded(memory), texts[i]);
	}
}
END_TEST

START_TEST(names_of_variables_come_one_at_a_time)
{
	struct slice rest = SLICE("a ${ONE}${TWO:-x} $${NOT} b ${THREE} c"), name;

	ck_assert(expand_next_name(&rest, &name));
	ck_assert(slice_eq(name, SLICE("ONE")));
	ck_assert(expand_next_name(&rest, &name));
	ck_assert(slice_eq(name, SLICE("TWO")));
	ck_assert(expand_next_name(&rest, &name));
	ck_assert(slice_eq(name, SLICE("THREE")));
	ck_assert(!expand_next_name(&rest, &name));
	ck_assert(!expand_next_name(&rest, &name));
	rest = SLICE("${1}${ONE}");
	ck_assert(!expand_next_name(&rest, &name));
}
END_TEST

Suite *
suite_config_expand(void)
{
	Suite *s = suite_create("config_expand");
	TCase *t = tcase_create("expand");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, variable_is_replaced_wherever_it_stands);
	tcase_add_test(t, default_stands_in_for_unset_and_empty);
	tcase_add_test(t, doubled_dollar_is_a_literal);
	tcase_add_test(t, value_is_not_expanded_again);
	tcase_add_test(t, faults_say_what_and_where);
	tcase_add_test(t, growth_is_bounded);
	tcase_add_test(t, literal_secrets_are_seen);
	tcase_add_test(t, escaped_text_expands_to_itself);
	tcase_add_test(t, names_of_variables_come_one_at_a_time);
	suite_add_tcase(s, t);
	return s;
}
