/*
 * Users and their hashes; see users.h.
 */
#include "auth/users.h"

#include "auth/password.h"
#include "auth/secret.h"
#include "base/utf8.h"

#include <stdlib.h>

/* What is worked with while a file is read. */
struct reading {
	struct users *users;
	const char *path;
	struct conf_errors *errors;
	bool is_wrong;
};

bool
users_is_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f || name.at[i] == ':')
			return false;
	}
	return name.len > 0 && name.len <= USERS_NAME_BYTES && utf8_is_valid(name);
}

static void
refuse(struct reading *r, unsigned line, const char *why)
{
	conf_error(r->errors, r->path, line, "%s", why);
	r->is_wrong = true;
}

/* `line` ends where a byte may be overwritten. */
static void
read_line(struct reading *r, struct slice line, unsigned number)
{
	struct users *u = r->users;
	struct slice name;
	const char *why;

	line = slice_trim(line);
	if (line.len == 0 || line.at[0] == '#')
		return;
	if (slice_find(line, ':') == line.len) {
		refuse(r, number, "a line is NAME:HASH");
		return;
	}
	name = slice_cut(&line, ':');
	((char *)(uintptr_t)line.at)[line.len] = '\0';
	why = users_is_name(name) ? password_check_hash(line)
				  : "a name is text of 1 to 255 bytes without control characters";
	if (why)
		refuse(r, number, why);
	u->at[u->count++] = (struct users_entry){ name, line, number };
}

static struct slice
take_line(struct slice *rest)
{
	struct slice line = slice_cut(rest, '\n');

	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* One more than there may be, at most. */
static unsigned
count_lines(struct slice text)
{
	unsigned count = 1;

	for (size_t i = 0; i < text.len && count <= USERS_MAX; i++)
		count += text.at[i] == '\n';
	return count;
}

static int
compare(const void *a, const void *b)
{
	const struct users_entry *one = a, *other = b;
	int order = slice_compare(one->name, other->name);

	return order ? order : one->line < other->line ? -1 : 1;
}

static void
find_repeated(struct reading *r)
{
	const struct users *u = r->users;

	for (unsigned i = 1; i < u->count; i++) {
		if (slice_eq(u->at[i].name, u->at[i - 1].name))
			refuse(r, u->at[i].line, "that user has a line above");
	}
}

int
users_read(struct users *u, const char *path, struct arena *a, struct conf_errors *e,
	   const char **why)
{
	struct reading r = { .users = u, .path = path, .errors = e };
	struct slice text;
	unsigned lines, number = 0;
	int err = secret_read(path, USERS_FILE_BYTES, a, &text, why);

	*u = (struct users){ 0 };
	if (err)
		return err;
	lines = count_lines(text);
	u->at = arena_zalloc(a, lines, sizeof(*u->at));
	if (!u->at)
		return ERR_MEMORY;
	while (text.len > 0 && u->count < lines)
		read_line(&r, take_line(&text), ++number);
	if (u->count > USERS_MAX)
		refuse(&r, number, "more than 65536 users");
	qsort(u->at, u->count, sizeof(*u->at), compare);
	find_repeated(&r);
	return r.is_wrong ? ERR_SYNTAX : 0;
}

const struct users_entry *
users_find(const struct users *u, struct slice name)
{
	unsigned low = 0, high = u->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = slice_compare(u->at[middle].name, name);

		if (order == 0)
			return &u->at[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct users_entry *
users_stand_in(const struct users *u, struct slice name)
{
	uint64_t mixed = UINT64_C(0xcbf29ce484222325); /* FNV-1a; need not be secret */

	for (size_t i = 0; i < name.len; i++)
		mixed = (mixed ^ (unsigned char)name.at[i]) * UINT64_C(0x100000001b3);
	return u->count ? &u->at[(mixed >> 32) % u->count] : NULL;
}
