/*
 * Reading credentials; see credentials.h.
 */
#include "auth/credentials.h"

#include "auth/users.h"
#include "base/decode.h"

static const struct {
	struct slice name;
	enum credentials_scheme scheme;
} schemes[] = {
	{ SLICE_INIT("basic"), CREDENTIALS_BASIC },
	{ SLICE_INIT("bearer"), CREDENTIALS_BEARER },
};

void
credentials_read(struct credentials *c, const struct fields *fields)
{
	const struct field *field = fields_find(fields, FIELD_AUTHORIZATION);
	struct slice rest, word;

	*c = (struct credentials){ .scheme = field ? CREDENTIALS_OTHER : CREDENTIALS_NONE };
	if (!field)
		return;
	rest = slice_trim(field->value);
	word = slice_cut(&rest, ' ');
	/* RFC 9110 11.4: 1*SP between scheme and token68. */
	while (rest.len > 0 && rest.at[0] == ' ')
		rest = slice_after(rest, 1);
	for (unsigned i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (slice_eq_nocase(word, schemes[i].name)) {
			c->scheme = schemes[i].scheme;
			c->token = rest;
		}
	}
}

/* RFC 7617 2: no control characters on either side of the colon. */
static bool
is_password(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	}
	return true;
}

int
credentials_pair(struct slice token, struct arena *a, struct credentials_pair *p)
{
	struct slice rest;
	char *memory;

	if (token.len == 0 || token.len > CREDENTIALS_BASIC_BYTES)
		return ERR_SYNTAX;
	memory = arena_alloc(a, decode_base64_bound(token.len) + 1);
	if (!memory)
		return ERR_MEMORY;
	if (decode_base64(token, memory, &p->whole) != 0)
		return ERR_SYNTAX;
	memory[p->whole.len] = '\0';
	rest = p->whole;
	if (slice_find(rest, ':') == rest.len)
		return ERR_SYNTAX;
	p->user = slice_cut(&rest, ':');
	p->password = rest;
	return users_is_name(p->user) && is_password(p->password) ? 0 : ERR_SYNTAX;
}

static void
find_in_field(struct slice list, struct slice name, struct slice *value, unsigned *count)
{
	while (list.len > 0) {
		struct slice pair = slice_trim(slice_cut(&list, ';'));
		struct slice found = slice_cut(&pair, '=');

		if (!slice_eq(found, name))
			continue;
		*value = pair;
		(*count)++;
	}
}

int
credentials_cookie(const struct fields *fields, struct slice name, struct slice *value)
{
	unsigned count = 0;

	/* HTTP/2 may send each pair as a field of its own (RFC 9113 8.2.3). */
	for (unsigned i = 0; i < fields->count; i++) {
		if (fields->at[i].id == FIELD_COOKIE)
			find_in_field(fields->at[i].value, name, value, &count);
	}
	return count == 1 ? 0 : count ? ERR_CONFLICT : ERR_MISSING;
}
