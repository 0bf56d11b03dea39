/*
 * The budget of an HTTP/2 connection: what costs, what comes back, who is cut.
 */
#include "wire/h2_budget.h"

#include "base/clock.h"

#include <check.h>

Suite *suite_wire_h2_budget(void);

static const uint64_t start = 1000 * CLOCK_SEC;

static struct h2_budget budget;

static void
setup(void)
{
	h2_budget_init(&budget, start);
}

/* How many of them are let pass, all in the same moment. */
static unsigned
let_pass(uint8_t type, uint8_t flags, uint32_t length)
{
	struct h2_frame_head head = { .type = type, .flags = flags, .length = length };
	unsigned count = 0;

	while (count < 10000 && h2_budget_charge_frame(&budget, &head, start))
		count++;
	return count;
}

static const struct flood {
	uint8_t type, flags;
	uint32_t length;
	enum h2_waste reason;
} floods[] = {
	{ H2_FRAME_RST_STREAM, 0, 4, H2_WASTE_RESET },
	{ H2_FRAME_PING, 0, 8, H2_WASTE_PING },
	{ H2_FRAME_PING, H2_FLAG_ACK, 8, H2_WASTE_PING },
	{ H2_FRAME_SETTINGS, 0, 6, H2_WASTE_SETTINGS },
	{ H2_FRAME_PRIORITY, 0, 5, H2_WASTE_PRIORITY },
	{ H2_FRAME_PRIORITY_UPDATE, 0, 5, H2_WASTE_PRIORITY },
	{ H2_FRAME_WINDOW_UPDATE, 0, 4, H2_WASTE_WINDOW },
	{ H2_FRAME_CONTINUATION, 0, 0, H2_WASTE_EMPTY },
	{ H2_FRAME_DATA, 0, 0, H2_WASTE_EMPTY },
	{ H2_FRAME_GOAWAY, 0, 8, H2_WASTE_UNKNOWN },
	{ 10, 0, 100, H2_WASTE_UNKNOWN }, /* between those that are known */
	{ 0xfa, 0, 100, H2_WASTE_UNKNOWN },
};

/* A page of two hundred pictures, as Chromium loads it: some are seen at once, some later. */
START_TEST(requests_may_be_followed_by_changes_of_priority)
{
	struct h2_frame_head headers = { .type = H2_FRAME_HEADERS, .length = 40 };
	struct h2_frame_head priority = { .type = H2_FRAME_PRIORITY_UPDATE, .length = 8 };

	for (unsigned i = 0; i < 1000; i++) {
		ck_assert(h2_budget_charge_frame(&budget, &headers, start));
		for (unsigned k = 0; k < H2_BUDGET_PRIORITIES; k++)
			ck_assert(h2_budget_charge_frame(&budget, &priority, start));
	}
	ck_assert_uint_eq(budget.tokens, H2_BUDGET_TOKENS);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(h2_budget_charge_frame(&budget, &headers, start));
	ck_assert_uint_eq(let_pass(H2_FRAME_PRIORITY, 0, 5),
			  H2_BUDGET_PRIORITIES_EARNED + H2_BUDGET_TOKENS);
}
END_TEST

START_TEST(what_leads_to_nothing_has_an_end_and_a_reason)
{
	const struct flood *f = &floods[_i];

	ck_assert_uint_le(let_pass(f->type, f->flags, f->length),
			  H2_BUDGET_TOKENS + H2_BUDGET_UPDATES);
	ck_assert_int_eq(h2_budget_reason(&budget), f->reason);
}
END_TEST

START_TEST(what_brings_something_is_free)
{
	ck_assert_uint_eq(let_pass(H2_FRAME_HEADERS, H2_FLAG_END_HEADERS, 20), 10000);
	ck_assert_uint_eq(let_pass(H2_FRAME_DATA, 0, 1), 10000);
	ck_assert_uint_eq(let_pass(H2_FRAME_DATA, H2_FLAG_END_STREAM, 0), 10000);
}
END_TEST

START_TEST(settings_cost_more)
{
	ck_assert_uint_eq(let_pass(H2_FRAME_SETTINGS, 0, 6), H2_BUDGET_TOKENS / 4);
}
END_TEST

START_TEST(tokens_come_back_with_time)
{
	let_pass(H2_FRAME_PING, 0, 8);
	ck_assert(!h2_budget_charge(&budget, H2_WASTE_PING, 1, start + 10 * CLOCK_MS));
	for (unsigned i = 0; i < H2_BUDGET_PER_SECOND; i++)
		ck_assert(h2_budget_charge(&budget, H2_WASTE_PING, 1, start + CLOCK_SEC));
	ck_assert(!h2_budget_charge(&budget, H2_WASTE_PING, 1, start + CLOCK_SEC));
	/* And never more than there were. */
	ck_assert(!h2_budget_charge(&budget, H2_WASTE_PING, H2_BUDGET_TOKENS + 1,
				    start + 1000000 * CLOCK_SEC));
	ck_assert(h2_budget_charge(&budget, H2_WASTE_PING, H2_BUDGET_TOKENS,
				   start + 1000000 * CLOCK_SEC));
}
END_TEST

START_TEST(a_request_that_was_answered_pays_for_one_that_was_not)
{
	let_pass(H2_FRAME_RST_STREAM, 0, 4);
	for (unsigned i = 0; i < 1000; i++) {
		h2_budget_earn(&budget);
		ck_assert_uint_eq(let_pass(H2_FRAME_RST_STREAM, 0, 4), 1);
	}
}
END_TEST

START_TEST(window_updates_are_earned_by_data)
{
	ck_assert_uint_eq(let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4),
			  H2_BUDGET_UPDATES + H2_BUDGET_TOKENS);
	for (unsigned i = 0; i < 1000; i++) {
		h2_budget_earn_updates(&budget, 1, 0);
		ck_assert_uint_eq(let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4),
				  H2_BUDGET_UPDATES_PER_DATA);
	}
	for (unsigned i = 0; i < H2_BUDGET_EARNED; i++)
		h2_budget_earn_updates(&budget, 1, 0);
	ck_assert_uint_eq(let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4), H2_BUDGET_EARNED);
}
END_TEST

START_TEST(data_let_out_byte_by_byte_pays_for_nothing)
{
	let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4);
	h2_budget_earn_updates(&budget, 255, 1);
	ck_assert_uint_eq(let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4), 0);
	h2_budget_earn_updates(&budget, 256, 1);
	ck_assert_uint_eq(let_pass(H2_FRAME_WINDOW_UPDATE, 0, 4), H2_BUDGET_UPDATES_PER_DATA);
}
END_TEST

/* An upload of 16 MiB to a server that reads 4 KiB at a time and gives back as much. */
START_TEST(a_reader_of_small_pieces_is_no_waster)
{
	struct h2_frame_head update = { .type = H2_FRAME_WINDOW_UPDATE, .length = 4 };

	for (unsigned i = 0; i < 1024; i++) {
		h2_budget_earn_updates(&budget, 1, 0);
		for (unsigned k = 0; k < 2 * 16 / 4; k++)
			ck_assert(h2_budget_charge_frame(&budget, &update, start));
	}
}
END_TEST

/* As gRPC does, which looks for the product of bandwidth and delay. */
START_TEST(data_may_be_answered_with_pings)
{
	struct h2_frame_head ping = { .type = H2_FRAME_PING, .length = 8 };

	for (unsigned i = 0; i < 1000; i++) {
		h2_budget_earn_updates(&budget, 1, 0);
		ck_assert(h2_budget_charge_frame(&budget, &ping, start));
	}
	ck_assert_uint_eq(budget.tokens, H2_BUDGET_TOKENS);
	/* Nobody has asked for these. */
	let_pass(H2_FRAME_PING, H2_FLAG_ACK, 8);
	ck_assert_int_eq(h2_budget_reason(&budget), H2_WASTE_PING);
}
END_TEST

Suite *
suite_wire_h2_budget(void)
{
	Suite *s = suite_create("wire/h2_budget");
	TCase *t = tcase_create("h2_budget");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, what_leads_to_nothing_has_an_end_and_a_reason, 0,
			    sizeof(floods) / sizeof(floods[0]));
	tcase_add_test(t, requests_may_be_followed_by_changes_of_priority);
	tcase_add_test(t, what_brings_something_is_free);
	tcase_add_test(t, settings_cost_more);
	tcase_add_test(t, tokens_come_back_with_time);
	tcase_add_test(t, a_request_that_was_answered_pays_for_one_that_was_not);
	tcase_add_test(t, window_updates_are_earned_by_data);
	tcase_add_test(t, data_let_out_byte_by_byte_pays_for_nothing);
	tcase_add_test(t, a_reader_of_small_pieces_is_no_waster);
	tcase_add_test(t, data_may_be_answered_with_pings);
	return s;
}
