/*
 * Hashes of passwords: which are taken, and which passwords they are of.
 */
#include "auth/password.h"

#include "bench.h"
#include "config.h"

Suite *suite_auth_password(void);

static const char *const sound[] = {
#ifdef HAVE_CRYPT
	"$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
#endif
#ifdef HAVE_ARGON2
	"$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQx$Ii7tfVGT+OUGWZNnVZ6U2nRbgOSJI+2cFJ0W0d5SyxQ",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$yDEdOUdvd0ak3ibl9pFcUVLdlkLU11hnyU7Ug8HnQ+g",
#endif
	"$end",
};

START_TEST(a_hash_takes_its_password_and_no_other)
{
	struct slice hash = slice_of(sound[_i]);

	ck_assert_msg(!password_check_hash(hash), "%s", password_check_hash(hash));
	ck_assert_int_eq(password_verify(hash, SLICE("secret")), 0);
	ck_assert_int_eq(password_verify(hash, SLICE("Secret")), ERR_FORBIDDEN);
	ck_assert_int_eq(password_verify(hash, SLICE("secret ")), ERR_FORBIDDEN);
	ck_assert_int_eq(password_verify(hash, SLICE("")), ERR_FORBIDDEN);
}
END_TEST

/* What crypt(3) would take for the password "secret". */
START_TEST(a_password_with_a_nul_is_none)
{
	ck_assert_int_eq(password_verify(slice_of(sound[_i]), SLICE("secret\0more")),
			 ERR_FORBIDDEN);
}
END_TEST

START_TEST(a_password_longer_than_all_is_none)
{
	static char text[PASSWORD_BYTES + 2];

	memset(text, 'x', sizeof(text) - 1);
	ck_assert_int_eq(password_verify(slice_of(sound[_i]), slice_of(text)), ERR_FORBIDDEN);
}
END_TEST

static const char *const wrong[] = {
	"",
	"x",
	"plain",
	"$",
	"$2",
	"$2b$",
	"$2b$04$",
	"$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2b$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2b$16$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$2b$4$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrWW",
	"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
	"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrWW",
	"$2b$04$abcdefghijklmnopqrstu:2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"$apr1$abcdefgh$abcdefghijklmnopqrstuv",
	"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"$6$salt$hash",
	"$argon2i$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=16$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=0,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=15,t=1,p=2$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=64,t=65,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=4294967296,t=1,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G",
	"$argon2id$v=19$m=64,t=2,p=1,x=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdA$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G/oebJiUqTH0",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$XB4v",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB-GVcCENw3h6G",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G=",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx$XB4vREUgezK9Y7RmxtmB+GVcCENw3h6G$x",
	"$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHQx",
};

START_TEST(what_is_no_hash_or_too_dear_is_refused)
{
	ck_assert_msg(password_check_hash(slice_of(wrong[_i])) != NULL, "%s", wrong[_i]);
}
END_TEST

Suite *
suite_auth_password(void)
{
	Suite *s = suite_create("auth/password");
	TCase *t = tcase_create("hashes");

	tcase_add_loop_test(t, a_hash_takes_its_password_and_no_other, 0, COUNT(sound) - 1);
	tcase_add_loop_test(t, a_password_with_a_nul_is_none, 0, COUNT(sound) - 1);
	tcase_add_loop_test(t, a_password_longer_than_all_is_none, 0, COUNT(sound) - 1);
	tcase_add_loop_test(t, what_is_no_hash_or_too_dear_is_refused, 0, COUNT(wrong));
	suite_add_tcase(s, t);
	return s;
}
