/*
 * Lines of HTTP/1.1 to fields of HTTP/2; see h2_lines.h.
 */
#include "wire/h2_lines.h"

enum {
	PSEUDO_FIELDS = 4,
	COOKIE_PIECES = 128, /* of one head, that cost no more than they are good for */
};

static size_t
count(struct slice s, char c)
{
	size_t found = 0;

	for (size_t at = slice_find(s, c); at < s.len; at = slice_find(s, c)) {
		s = slice_after(s, at + 1);
		found++;
	}
	return found;
}

size_t
h2_lines_bound(struct slice lines)
{
	size_t pieces = count(lines, ';');

	return PSEUDO_FIELDS + count(lines, '\n') +
	       (pieces < COOKIE_PIECES ? pieces : COOKIE_PIECES);
}

static int
add(struct fields *to, struct slice name, struct slice value)
{
	if (to->count == to->cap)
		return ERR_TOO_MANY;
	to->at[to->count++] = (struct field){ .name = name, .value = value };
	return 0;
}

/* Whatever a client puts into them, there are not many: where they would be, they stay together. */
static int
add_cookies(struct fields *to, struct slice name, struct slice value, size_t *cuts)
{
	size_t more = count(value, ';');
	int err = 0;

	if (more > *cuts)
		return add(to, name, value);
	*cuts -= more;
	while (!err && value.len > 0) {
		struct slice piece = slice_trim(slice_cut(&value, ';'));

		if (piece.len > 0)
			err = add(to, name, piece);
	}
	return err;
}

static int
add_line(struct fields *to, struct slice line, size_t *cuts)
{
	struct slice name = slice_cut(&line, ':'), value = slice_trim(line);
	enum field_id id = field_id_of(name);

	if (id == FIELD_HOST || (id != FIELD_TE && (field_flags(id) & FIELD_HOP)))
		return 0;
	return id == FIELD_COOKIE ? add_cookies(to, name, value, cuts) : add(to, name, value);
}

/* Without its CR LF; false behind the last. */
static bool
next_line(struct slice *lines, struct slice *line)
{
	if (lines->len == 0)
		return false;
	*line = slice_cut(lines, '\n');
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return line->len > 0;
}

int
h2_lines_fields(struct slice lines, struct fields *to)
{
	size_t cuts = COOKIE_PIECES;
	struct slice line;
	int err = 0;

	while (!err && next_line(&lines, &line))
		err = add_line(to, line, &cuts);
	return err;
}

static struct slice
find_host(struct slice lines)
{
	struct slice line;

	while (next_line(&lines, &line)) {
		if (field_id_of(slice_cut(&line, ':')) == FIELD_HOST)
			return slice_trim(line);
	}
	return SLICE("");
}

int
h2_lines_request(struct slice head, struct slice scheme, struct fields *to)
{
	struct slice line, method, host;
	int err = 0;

	if (!next_line(&head, &line))
		return ERR_SYNTAX;
	method = slice_cut(&line, ' ');
	host = find_host(head);
	if (method.len == 0 || line.len == 0 || host.len == 0)
		return ERR_SYNTAX;
	err = add(to, SLICE(":method"), method);
	err = err ? err : add(to, SLICE(":scheme"), scheme);
	err = err ? err : add(to, SLICE(":authority"), host);
	err = err ? err : add(to, SLICE(":path"), slice_cut(&line, ' '));
	return err ? err : h2_lines_fields(head, to);
}
