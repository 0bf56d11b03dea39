/*
 * What a request says about who asks (auth/credentials.h): the input is the value of an
 * Authorization field and of a Cookie field, and a pair of Basic.
 */
#include "auth/credentials.h"
#include "auth/users.h"
#include "base/encode.h"
#include "fuzz.h"

enum { TEXT_BYTES = 4096 };

static void
check_pair(struct slice token, struct arena *a)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct credentials_pair p;

	if (credentials_pair(token, a, &p) != 0)
		return;
	FUZZ_CHECK(users_is_name(p.user) && slice_find(p.user, ':') == p.user.len);
	FUZZ_CHECK(p.user.len + 1 + p.password.len == p.whole.len);
	FUZZ_CHECK(slice_find(p.whole, '\0') == p.whole.len && p.password.at[p.password.len] == 0);
	/* One form for each pair: what is remembered is remembered of its bytes. */
	encode_base64(&w, p.whole);
	FUZZ_CHECK(!w.is_full && slice_eq(writer_slice(&w), token));
}

static void
check_fields(struct slice value, struct arena *a)
{
	struct field list[2] = { { .id = FIELD_AUTHORIZATION, .value = value },
				 { .id = FIELD_COOKIE, .value = value } };
	const struct fields fields = { .at = list, .count = 2, .cap = 2 };
	struct credentials c;
	struct slice cookie;

	credentials_read(&c, &fields);
	FUZZ_CHECK(c.scheme != CREDENTIALS_NONE);
	FUZZ_CHECK(c.token.len == 0 ||
		   (c.token.at > value.at && c.token.at + c.token.len <= value.at + value.len));
	check_pair(c.token, a);
	if (credentials_cookie(&fields, SLICE("t"), &cookie) == 0)
		FUZZ_CHECK(slice_find(cookie, ';') == cookie.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice input = slice_make((const char *)bytes, len < TEXT_BYTES ? len : TEXT_BYTES);
	struct store store;
	struct arena arena;

	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
	check_fields(input, &arena);
	check_pair(input, &arena);
	arena_fini(&arena);
	store_fini(&store);
	return 0;
}
