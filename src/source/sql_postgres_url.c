/*
 * Secrets in the url of a database: they come from the environment or from a
 * file, never from the configuration itself, which is read, shown and kept by
 * many. Looked for in the url as it is written, where ${...} still stands.
 *
 *   postgresql://user:PASSWORD@host/db?password=PASSWORD&sslpassword=PASSWORD
 */
#include "source/sql_postgres_priv.h"

/* Behind the ${...} that begins at `at`; at + 1 if none does. */
static size_t
step(struct slice s, size_t at)
{
	if (at + 1 >= s.len || s.at[at] != '$' || s.at[at + 1] != '{')
		return at + 1;
	while (at < s.len && s.at[at] != '}')
		at++;
	return at < s.len ? at + 1 : s.len;
}

/* Where one of `bytes` stands outside of any ${...}; s.len if none does. */
static size_t
find_outside(struct slice s, size_t at, const char *bytes)
{
	while (at < s.len && !strchr(bytes, s.at[at]))
		at = step(s, at);
	return at < s.len ? at : s.len;
}

/* Something in it is not of a variable, or is the default of one. */
static bool
has_text(struct slice s)
{
	for (size_t at = 0; at < s.len;) {
		size_t end = step(s, at);
		struct slice variable = slice_make(s.at + at, end - at);

		if (end == at + 1)
			return true;
		/* ${NAME:-} has none. */
		if (slice_find(variable, ':') + 3 < variable.len)
			return true;
		at = end;
	}
	return false;
}

/* user:PASSWORD@ */
static bool
has_secret_user(struct slice authority)
{
	size_t at = find_outside(authority, 0, "@");
	struct slice user = slice_make(authority.at, at);
	size_t colon = find_outside(user, 0, ":");

	return at < authority.len && colon < user.len && has_text(slice_after(user, colon + 1));
}

static bool
is_secret_name(struct slice name)
{
	return slice_eq(name, SLICE("password")) || slice_eq(name, SLICE("sslpassword"));
}

static bool
has_secret_option(struct slice query)
{
	while (query.len > 0) {
		size_t end = find_outside(query, 0, "&");
		struct slice value = slice_make(query.at, end), name = slice_cut(&value, '=');

		if (is_secret_name(name) && has_text(value))
			return true;
		query = slice_after(query, end + 1);
	}
	return false;
}

bool
postgres_url_has_secret(struct slice raw)
{
	size_t begin = find_outside(raw, 0, "/"), end, query;
	struct slice authority;

	while (begin < raw.len && raw.at[begin] == '/')
		begin++;
	end = find_outside(raw, begin, "/?");
	authority = slice_make(raw.at + begin, end - begin);
	query = find_outside(raw, end, "?");
	return has_secret_user(authority) || has_secret_option(slice_after(raw, query + 1));
}
