/*
 * What a server is told of the client, and by whose word.
 */
#include "upstream_bed.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_upstream_request_client(void);

/* What follows the fields that are not about the client. */
static const char *
told_of_client(const char *head)
{
	const char *via = strstr(head, "Via: ");

	ck_assert_ptr_nonnull(via);
	return strstr(via, "\r\n") + 2;
}

static struct ask *
say_much_of_clients(struct bed *b)
{
	struct ask *a = bed_prepare(b);

	ask_field(a, "Host", "front.example");
	ask_field(a, "X-Forwarded-For", "203.0.113.9");
	ask_field(a, "X-Forwarded-For", "203.0.113.10");
	ask_field(a, "X-Forwarded-Proto", "https");
	ask_field(a, "X-Forwarded-Host", "other.example");
	ask_field(a, "Forwarded", "for=203.0.113.9");
	ask_field(a, "X-Real-IP", "203.0.113.9");
	return a;
}

START_TEST(what_a_client_says_of_itself_goes_no_further)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	const char *head = bed_head_of(b, say_much_of_clients(b));

	bed_check_head(told_of_client(head),
		       "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7;proto=http\r\n"
		       "X-Forwarded-Proto: http\r\nX-Forwarded-Host: front.example\r\n\r\n");
	ck_assert_ptr_null(strstr(head, "203.0.113.9"));
	bed_close(b);
}
END_TEST

static const struct {
	enum field_id vouched;
	const char *told;
	bool has_real_ip;
} vouched[] = {
	{ FIELD_X_FORWARDED_FOR,
	  "X-Forwarded-For: 203.0.113.9, 203.0.113.10, 192.0.2.7\r\n"
	  "Forwarded: for=192.0.2.7;proto=https\r\n"
	  "X-Forwarded-Proto: https\r\nX-Forwarded-Host: other.example\r\n\r\n",
	  true },
	{ FIELD_FORWARDED,
	  "X-Forwarded-For: 192.0.2.7\r\n"
	  "Forwarded: for=203.0.113.9, for=192.0.2.7;proto=https\r\n"
	  "X-Forwarded-Proto: https\r\nX-Forwarded-Host: front.example\r\n\r\n",
	  false },
};

START_TEST(what_a_trusted_proxy_says_is_kept_and_added_to)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = say_much_of_clients(b);
	struct address client;
	const char *head;

	ck_assert_int_eq(address_parse(&client, SLICE("203.0.113.10:0")), 0);
	a->q.client = &client;
	a->q.scheme = SLICE("https");
	a->q.vouched = vouched[_i].vouched;
	head = bed_head_of(b, a);
	bed_check_head(told_of_client(head), vouched[_i].told);
	ck_assert_int_eq(head_has(head, "X-Real-IP: 203.0.113.9"), vouched[_i].has_real_ip);
	bed_close(b);
}
END_TEST

START_TEST(a_joined_part_forwards_what_a_trusted_proxy_says)
{
	struct bed *b = bed_open("", "forward = forwarded, x-forwarded-for, x-real-ip", BED_JOINED);
	struct ask *a = say_much_of_clients(b);
	bool is_x = vouched[_i].vouched == FIELD_X_FORWARDED_FOR;
	const char *head;

	a->q.vouched = vouched[_i].vouched;
	head = bed_head_of(b, a);
	ck_assert_int_eq(head_has(head, "X-Forwarded-For: 203.0.113.9"), is_x);
	ck_assert_int_eq(head_has(head, "X-Real-IP: 203.0.113.9"), is_x);
	ck_assert_int_eq(head_has(head, "Forwarded: for=203.0.113.9"), !is_x);
	bed_close(b);
}
END_TEST

START_TEST(forwarded_has_its_own_way_with_addresses)
{
	static const char *const rows[][2] = {
		{ "[2001:db8::7]:1", "Forwarded: for=\"[2001:db8::7]\";proto=http\r\n" },
		{ "unix:/x", "Forwarded: for=unknown;proto=http\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bed *b = bed_open("", "", BED_PASSED);
		struct ask *a = bed_prepare(b);

		ask_field(a, "Forwarded", "for=_me");
		ck_assert_int_eq(address_parse(&a->client, slice_of(rows[i][0])), 0);
		ck_assert_ptr_nonnull(strstr(bed_head_of(b, a), rows[i][1]));
		bed_close(b);
	}
}
END_TEST

/* They have one variable for both names, and would take the one for the other. */
START_TEST(a_name_that_is_ours_has_one_spelling)
{
	static const char *const names[] = {
		"Content_Length",    "content_length",      "Content_length",   "Transfer_Encoding",
		"Transfer-Encodinj", "Forebay_Deadline",    "FOREBAY_DEADLINE", "Keep_Alive",
		"Proxy_Connection",  "Proxy_Authorization", "Accept_Encoding",
	};
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = bed_prepare(b);
	const char *head;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ask_field(a, names[i], strchr(names[i], '_') ? "forged" : "kept");
	ask_field(a, "Content_Lengths", "kept");
	head = bed_head_of(b, a);
	ck_assert_msg(strstr(head, "forged") == NULL, "%s", head);
	ck_assert(head_has(head, "Transfer-Encodinj: kept"));
	ck_assert(head_has(head, "Content_Lengths: kept"));
	bed_close(b);
}
END_TEST

/* CGI and its children read X_User and X-User as one variable. */
START_TEST(an_underscore_is_no_way_round)
{
	static const char *const names[] = { "X_User",
					     "x_a-b_c",
					     "X_Own",
					     "X_Forwarded_For",
					     "X-Forwarded_For",
					     "x_forwarded-for",
					     "X_Forwarded_Proto",
					     "X_Forwarded_Host",
					     "X_Real_IP" };
	struct bed *b = bed_open("",
				 "set_request_header.X-User = jo\n"
				 "remove_request_header = X_A_B-C\nheader.X_Own = 1",
				 BED_PASSED);

	for (int trusts = 0; trusts < 2; trusts++) {
		struct ask *a = bed_prepare(b);
		const char *head;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			ask_field(a, names[i], "forged");
		ask_field(a, "X-Own", "forged");
		ask_field(a, "X_Other", "kept");
		ask_field(a, "XUser", "kept, too");
		a->q.vouched = trusts ? FIELD_X_FORWARDED_FOR : FIELD_OTHER;
		head = bed_head_of(b, a);
		ck_assert_msg(strstr(head, "forged") == NULL, "%s", head);
		ck_assert(head_has(head, "X_Other: kept"));
		ck_assert(head_has(head, "XUser: kept, too"));
		ck_assert(head_has(head, "X-Forwarded-For: 192.0.2.7"));
		ask_cancel(a);
	}
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_request_client(void)
{
	Suite *s = suite_create("source_upstream_request_client");
	TCase *t = tcase_create("client");

	tcase_add_test(t, what_a_client_says_of_itself_goes_no_further);
	tcase_add_loop_test(t, what_a_trusted_proxy_says_is_kept_and_added_to, 0, 2);
	tcase_add_loop_test(t, a_joined_part_forwards_what_a_trusted_proxy_says, 0, 2);
	tcase_add_test(t, forwarded_has_its_own_way_with_addresses);
	tcase_add_test(t, an_underscore_is_no_way_round);
	tcase_add_test(t, a_name_that_is_ours_has_one_spelling);
	suite_add_tcase(s, t);
	return s;
}
