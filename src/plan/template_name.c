/*
 * Names in templates: what is one, what it stands for, and what to say when it stands for
 * nothing; see template.h. Builder thread, called by template.c.
 */
#include "config/suggest.h"
#include "plan/template_priv.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { NAME_SHOWN_MAX = 80 };

/* Variables that every route has. `takes_more`: a name follows. */
static const struct row {
	struct slice name;
	bool takes_more;
	enum template_kind kind;
} rows[] = {
	{ SLICE_INIT("query"), false, TEMPLATE_QUERY },
	{ SLICE_INIT("query."), true, TEMPLATE_QUERY_VALUE },
	{ SLICE_INIT("header."), true, TEMPLATE_HEADER },
	{ SLICE_INIT("body"), false, TEMPLATE_BODY },
	{ SLICE_INIT("body."), true, TEMPLATE_BODY_JSON },
	{ SLICE_INIT("request.id"), false, TEMPLATE_REQUEST_ID },
	{ SLICE_INIT("request.trace"), false, TEMPLATE_REQUEST_TRACE },
	{ SLICE_INIT("request.method"), false, TEMPLATE_REQUEST_METHOD },
	{ SLICE_INIT("request.host"), false, TEMPLATE_REQUEST_HOST },
	{ SLICE_INIT("request.scheme"), false, TEMPLATE_REQUEST_SCHEME },
	{ SLICE_INIT("request.path"), false, TEMPLATE_REQUEST_PATH },
	{ SLICE_INIT("request.user"), false, TEMPLATE_REQUEST_USER },
	{ SLICE_INIT("request.claim."), true, TEMPLATE_REQUEST_CLAIM },
	{ SLICE_INIT("client.address"), false, TEMPLATE_CLIENT_ADDRESS },
	{ SLICE_INIT("client.subject"), false, TEMPLATE_CLIENT_SUBJECT },
};

/* First words that are never a path parameter or a part. */
static const struct slice reserved[] = {
	SLICE_INIT("query"),   SLICE_INIT("header"), SLICE_INIT("body"),
	SLICE_INIT("request"), SLICE_INIT("client"),
};

/* Of routes with a flow; elsewhere it may be a part. */
static const struct slice flow_prefix = SLICE_INIT("flow.");

/* What can be said about a part, behind its name. */
static const struct row attributes[] = {
	{ SLICE_INIT("status"), false, TEMPLATE_PART_STATUS },
	{ SLICE_INIT("body"), false, TEMPLATE_PART_BODY },
	{ SLICE_INIT("header."), true, TEMPLATE_PART_HEADER },
};

/* --- errors -------------------------------------------------------------------------- */

int
template_fail(struct template_compiler *c, int err, struct slice name, const char *why,
	      struct suggest *near)
{
	struct template_error *e = c->error;
	struct writer w = writer_over(e->text, sizeof(e->text) - 1);

	e->err = err;
	e->offset = name.len ? (size_t)(name.at - c->text.at) : 0;
	if (name.len) {
		writer_char(&w, '{');
		writer_put(
		    &w, slice_make(name.at, name.len < NAME_SHOWN_MAX ? name.len : NAME_SHOWN_MAX));
		writer_text(&w, name.len > NAME_SHOWN_MAX ? "...: " : "}: ");
	}
	writer_text(&w, why);
	if (near)
		writer_text(&w, suggest_text(near));
	e->text[w.len] = '\0';
	return err;
}

int
template_fail_memory(struct template_compiler *c)
{
	return template_fail(c, ERR_MEMORY, slice_make(NULL, 0), "out of memory", NULL);
}

/* --- names --------------------------------------------------------------------------- */

static size_t
word_length(struct slice s)
{
	size_t n = 0;

	if (s.len == 0 || s.at[0] < 'a' || s.at[0] > 'z')
		return 0;
	while (n < s.len && ((s.at[n] >= 'a' && s.at[n] <= 'z') || ascii_is_digit(s.at[n]) ||
			     s.at[n] == '_' || s.at[n] == '-'))
		n++;
	return n;
}

static bool
is_step_byte(char c)
{
	char lower = ascii_lower(c);

	return (lower >= 'a' && lower <= 'z') || ascii_is_digit(c) || (c & 0x80) ||
	       (c != '\0' && strchr("_-$@[]~", c));
}

/* step *("." step); 0 if that does not stand here. */
static size_t
steps_length(struct slice s)
{
	size_t n = 0;

	for (;;) {
		size_t start = n;

		while (n < s.len && is_step_byte(s.at[n]))
			n++;
		if (n == start)
			return 0;
		if (n == s.len || s.at[n] != '.')
			return n;
		n++;
	}
}

static int
find_name(const struct slice *names, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq(names[i], name))
			return (int)i;
	}
	return -1;
}

static bool
is_row(const struct row *row, struct slice name)
{
	return row->takes_more ? name.len > row->name.len && slice_has_prefix(name, row->name)
			       : slice_eq(name, row->name);
}

static const struct row *
find_row(const struct row *list, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++) {
		if (is_row(&list[i], name))
			return &list[i];
	}
	return NULL;
}

bool
template_is_alone(const struct template_compiler *c, struct slice name)
{
	return name.len + 2 == c->text.len;
}

/* What follows the colon. Any letters do behind a part's name, so that a slip is an error. */
static size_t
attribute_length(const struct template_compiler *c, struct slice word, struct slice s)
{
	size_t n = steps_length(s);

	if (find_row(attributes, COUNT(attributes), slice_make(s.at, n)))
		return n;
	return find_name(c->names->parts, c->names->part_count, word) >= 0 ? word_length(s) : 0;
}

size_t
template_name_length(const struct template_compiler *c, struct slice s)
{
	size_t n = word_length(s);
	size_t more = 0;

	if (n == 0 || n == s.len)
		return 0;
	if (s.at[n] == '.' || s.at[n] == ':') {
		struct slice tail = slice_after(s, n + 1);

		more = s.at[n] == '.' ? steps_length(tail)
				      : attribute_length(c, slice_make(s.at, n), tail);
		if (more == 0)
			return 0;
		n += 1 + more;
	}
	return n < s.len && s.at[n] == '}' ? n : 0;
}

/* --- what a name stands for ---------------------------------------------------------- */

static void
offer_all(struct suggest *near, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		suggest_offer(near, names[i]);
}

static void
offer_rows(struct suggest *near, const struct row *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		suggest_offer(near, list[i].name);
}

static int
fail_name(struct template_compiler *c, struct slice name, const char *why)
{
	struct suggest near;

	suggest_init(&near, name);
	offer_all(&near, c->names->params, c->names->param_count);
	offer_rows(&near, rows, COUNT(rows));
	return template_fail(c, ERR_NOT_FOUND, name, why, &near);
}

static int
fail_part(struct template_compiler *c, struct slice name, struct slice word)
{
	struct suggest near;

	if (find_name(c->names->params, c->names->param_count, word) >= 0)
		return template_fail(c, ERR_NOT_FOUND, name, "nothing can follow a path parameter",
				     NULL);
	if (slice_eq(word, SLICE("item")))
		return template_fail(c, ERR_NOT_FOUND, name,
				     "only a part with foreach has an element", NULL);
	suggest_init(&near, word);
	offer_all(&near, c->names->parts, c->names->part_count);
	offer_all(&near, reserved, COUNT(reserved));
	return template_fail(c, ERR_NOT_FOUND, name, "the route has no other part of that name",
			     &near);
}

static int
set_path(struct template_compiler *c, struct template_segment *seg, struct slice steps)
{
	size_t count = 1;
	struct slice *path;

	for (size_t i = 0; i < steps.len; i++)
		count += steps.at[i] == '.';
	path = arena_zalloc(c->arena, count, sizeof(*path));
	if (!path)
		return template_fail_memory(c);
	seg->path = path;
	seg->path_count = (unsigned)count;
	for (size_t i = 0; i < count; i++)
		path[i] = slice_cut(&steps, '.');
	return 0;
}

static int
set_name(struct template_compiler *c, struct template_segment *seg, struct slice name)
{
	seg->name = name;
	if (seg->kind != TEMPLATE_QUERY_VALUE && !field_is_token(name))
		return template_fail(c, ERR_SYNTAX, seg->text, "that is no name of a header field",
				     NULL);
	return 0;
}

static int
resolve_part(struct template_compiler *c, struct template_segment *seg, struct slice word)
{
	struct slice rest = slice_after(seg->text, word.len + 1);
	int part = find_name(c->names->parts, c->names->part_count, word);
	const struct row *row;

	if (part < 0)
		return fail_part(c, seg->text, word);
	seg->index = (unsigned)part;
	c->t->needs.parts |= UINT64_C(1) << part;
	if (seg->text.at[word.len] == '.') {
		seg->kind = TEMPLATE_PART_JSON;
		return set_path(c, seg, rest);
	}
	row = find_row(attributes, COUNT(attributes), rest);
	if (!row)
		return template_fail(c, ERR_NOT_FOUND, seg->text,
				     "of a part there are :status, :body and :header.NAME", NULL);
	seg->kind = row->kind;
	return row->takes_more ? set_name(c, seg, slice_after(rest, row->name.len)) : 0;
}

static int
resolve_param(struct template_compiler *c, struct template_segment *seg)
{
	int param = find_name(c->names->params, c->names->param_count, seg->text), part;

	if (param >= 0) {
		seg->kind = TEMPLATE_PARAM;
		seg->index = (unsigned)param;
		return 0;
	}
	part = find_name(c->names->parts, c->names->part_count, seg->text);
	if (part >= 0 && (c->t->coding == VALUE_JSON ||
			  (c->t->coding == VALUE_TYPED && template_is_alone(c, seg->text)))) {
		seg->kind = TEMPLATE_PART_WHOLE;
		seg->index = (unsigned)part;
		c->t->needs.parts |= UINT64_C(1) << part;
		return 0;
	}
	if (part >= 0)
		return template_fail(
		    c, ERR_NOT_FOUND, seg->text,
		    "that is a part: say which of it, as in {part.field} or {part:body}", NULL);
	return fail_name(c, seg->text,
			 "the route has no such path parameter (a brace as text is {{)");
}

static int
resolve_item(struct template_compiler *c, struct template_segment *seg)
{
	struct slice rest = slice_after(seg->text, SLICE("item").len);

	if (slice_has_prefix(rest, SLICE(":")))
		return template_fail(c, ERR_NOT_FOUND, seg->text,
				     "of an element there are {item} and {item.field}", NULL);
	seg->kind = TEMPLATE_ITEM;
	return rest.len ? set_path(c, seg, slice_after(rest, 1)) : 0;
}

/* What no text has used before gets a place. */
static int
resolve_flow(struct template_compiler *c, struct template_segment *seg, struct slice name)
{
	struct template_flow *flow = c->names->flow;
	int place = find_name(flow->name, flow->count, name);

	if (place < 0 && flow->count == TEMPLATE_FLOW_MAX)
		return template_fail(c, ERR_TOO_MANY, seg->text,
				     "there are 32 values of the flow already", NULL);
	if (place < 0) {
		place = (int)flow->count++;
		flow->name[place] = name;
	}
	seg->kind = TEMPLATE_FLOW;
	seg->index = (unsigned)place;
	return 0;
}

int
template_resolve(struct template_compiler *c, struct template_segment *seg)
{
	struct slice word = slice_make(seg->text.at, word_length(seg->text));
	const struct row *row = find_row(rows, COUNT(rows), seg->text);
	struct slice rest;

	if (c->names->flow && seg->text.len > flow_prefix.len &&
	    slice_has_prefix(seg->text, flow_prefix))
		return resolve_flow(c, seg, slice_after(seg->text, flow_prefix.len));
	if (slice_eq(word, SLICE("item")) && c->names->has_item)
		return resolve_item(c, seg);
	if (!row) {
		if (find_name(reserved, COUNT(reserved), word) >= 0)
			return fail_name(c, seg->text, "there is no such variable");
		return word.len < seg->text.len ? resolve_part(c, seg, word)
						: resolve_param(c, seg);
	}
	seg->kind = row->kind;
	rest = slice_after(seg->text, row->name.len);
	if (row->kind == TEMPLATE_BODY || row->kind == TEMPLATE_BODY_JSON)
		c->t->needs.has_body = true;
	if (row->kind == TEMPLATE_BODY_JSON) {
		c->t->needs.has_body_json = true;
		return set_path(c, seg, rest);
	}
	if (c->names->lacks_user &&
	    (row->kind == TEMPLATE_REQUEST_USER || row->kind == TEMPLATE_REQUEST_CLAIM))
		return template_fail(c, ERR_NOT_FOUND, seg->text,
				     "nobody is known here: the route has no auth", NULL);
	if (row->kind == TEMPLATE_REQUEST_CLAIM)
		return set_path(c, seg, rest);
	return row->takes_more ? set_name(c, seg, rest) : 0;
}
