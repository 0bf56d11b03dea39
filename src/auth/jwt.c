/*
 * Taking tokens apart; see jwt.h.
 */
#include "auth/jwt.h"

#include "auth/members.h"
#include "base/decode.h"

const char *const jwt_algorithms[] = {
	[JWT_HS256] = "HS256", [JWT_RS256] = "RS256",   [JWT_ES256] = "ES256",
	[JWT_EDDSA] = "EdDSA", [JWT_ALGORITHMS] = NULL,
};

/* ERR_SYNTAX is the token's fault. */
static int
decode(struct slice text, struct arena *a, struct slice *bytes)
{
	char *memory = arena_alloc(a, decode_base64_bound(text.len));

	return memory ? decode_base64url(text, memory, bytes) : ERR_MEMORY;
}

static int
find_algorithm(struct slice word, enum jwt_algorithm *algorithm)
{
	for (unsigned i = 0; i < JWT_ALGORITHMS; i++) {
		if (slice_eq(word, slice_of(jwt_algorithms[i]))) {
			*algorithm = (enum jwt_algorithm)i;
			return 0;
		}
	}
	return FAULT_ALGORITHM;
}

static int
read_header(struct slice json, struct arena *a, struct jwt *t)
{
	struct members m;
	struct slice word, extension;
	int err = members_read(&m, json, a);

	if (err)
		return err;
	/* RFC 7515 4.1.11: whoever does not understand one of these must refuse all; "b64" of RFC
	 * 7797 is one of these. */
	if (members_find(&m, SLICE("crit"), &extension))
		return ERR_SYNTAX;
	err = members_text(&m, SLICE("kid"), a, &t->kid);
	t->has_kid = err == 0;
	if (err && err != ERR_MISSING)
		return err;
	err = members_text(&m, SLICE("alg"), a, &word);
	return err ? err : find_algorithm(word, &t->algorithm);
}

static int
read_parts(struct slice token, struct arena *a, struct jwt *t)
{
	struct slice rest = token, header = slice_cut(&rest, '.'), claims = slice_cut(&rest, '.');
	struct slice json;
	int err;

	/* Two points and no more: five parts are an encrypted token (RFC 7516). */
	if (header.len + 1 + claims.len + 1 + rest.len != token.len ||
	    slice_find(rest, '.') < rest.len || token.len > JWT_BYTES)
		return ERR_SYNTAX;
	t->signed_part = slice_make(token.at, header.len + 1 + claims.len);
	err = decode(header, a, &json);
	if (!err)
		err = read_header(json, a, t);
	if (!err)
		err = decode(claims, a, &t->claims);
	return err ? err : decode(rest, a, &t->signature);
}

int
jwt_read(struct slice token, struct arena *a, struct jwt *t)
{
	int err;

	*t = (struct jwt){ 0 };
	err = read_parts(token, a, t);
	return err < 0 && err != ERR_MEMORY ? FAULT_TOKEN : err;
}
