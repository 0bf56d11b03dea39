/*
 * Compiling templates; see template.h. Builder thread, while a site is built.
 *
 *   text --braces--> literal, literal   (side by side in one buffer)
 *          '-------> name --resolve--> segment: kind, index or path, form
 *                                        then the whole with "0" for every variable is
 *                                        checked as the coding asks
 */
#include "plan/template.h"

#include "base/assert.h"
#include "base/json.h"
#include "config/suggest.h"
#include "http/byte.h"
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
	{ SLICE_INIT("request.method"), false, TEMPLATE_REQUEST_METHOD },
	{ SLICE_INIT("client.address"), false, TEMPLATE_CLIENT_ADDRESS },
};

/* First words that are never a path parameter or a part. */
static const struct slice reserved[] = {
	SLICE_INIT("query"),   SLICE_INIT("header"), SLICE_INIT("body"),
	SLICE_INIT("request"), SLICE_INIT("client"),
};

/* What can be said about a part, behind its name. */
static const struct row attributes[] = {
	{ SLICE_INIT("status"), false, TEMPLATE_PART_STATUS },
	{ SLICE_INIT("body"), false, TEMPLATE_PART_BODY },
	{ SLICE_INIT("header."), true, TEMPLATE_PART_HEADER },
};

struct compiler {
	struct arena *arena;
	const struct template_names *names;
	struct template_error *error;
	struct template *t;
	struct slice text; /* the arena's copy; variables' names are borrowed from it */
	struct writer literal; /* all literals, one behind the other */
	size_t literal_start; /* of the one that is being written */
	bool is_in_query; /* VALUE_PATH: behind the "?" */
	bool is_in_string, is_escaped; /* VALUE_JSON: where in a string literal */
};

/* --- errors -------------------------------------------------------------------------- */

static int
fail(struct compiler *c, int err, struct slice name, const char *why, struct suggest *near)
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

static int
fail_memory(struct compiler *c)
{
	return fail(c, ERR_MEMORY, slice_make(NULL, 0), "out of memory", NULL);
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

/* What follows the colon. Any letters do behind a part's name, so that a slip is an error. */
static size_t
attribute_length(const struct compiler *c, struct slice word, struct slice s)
{
	size_t n = steps_length(s);

	if (find_row(attributes, COUNT(attributes), slice_make(s.at, n)))
		return n;
	return find_name(c->names->parts, c->names->part_count, word) >= 0 ? word_length(s) : 0;
}

/* s starts behind a brace: the length of the name there, 0 if it is not one with a "}" behind it.
 */
static size_t
name_length(const struct compiler *c, struct slice s)
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
fail_name(struct compiler *c, struct slice name, const char *why)
{
	struct suggest near;

	suggest_init(&near, name);
	offer_all(&near, c->names->params, c->names->param_count);
	offer_rows(&near, rows, COUNT(rows));
	return fail(c, ERR_NOT_FOUND, name, why, &near);
}

static int
fail_part(struct compiler *c, struct slice name, struct slice word)
{
	struct suggest near;

	if (find_name(c->names->params, c->names->param_count, word) >= 0)
		return fail(c, ERR_NOT_FOUND, name, "nothing can follow a path parameter", NULL);
	suggest_init(&near, word);
	offer_all(&near, c->names->parts, c->names->part_count);
	offer_all(&near, reserved, COUNT(reserved));
	return fail(c, ERR_NOT_FOUND, name, "the route has no other part of that name", &near);
}

static int
set_path(struct compiler *c, struct template_segment *seg, struct slice steps)
{
	size_t count = 1;
	struct slice *path;

	for (size_t i = 0; i < steps.len; i++)
		count += steps.at[i] == '.';
	path = arena_zalloc(c->arena, count, sizeof(*path));
	if (!path)
		return fail_memory(c);
	seg->path = path;
	seg->path_count = (unsigned)count;
	for (size_t i = 0; i < count; i++)
		path[i] = slice_cut(&steps, '.');
	return 0;
}

static int
set_name(struct compiler *c, struct template_segment *seg, struct slice name)
{
	seg->name = name;
	if (seg->kind != TEMPLATE_QUERY_VALUE && !field_is_token(name))
		return fail(c, ERR_SYNTAX, seg->text, "that is no name of a header field", NULL);
	return 0;
}

static int
resolve_part(struct compiler *c, struct template_segment *seg, struct slice word)
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
		return fail(c, ERR_NOT_FOUND, seg->text,
			    "of a part there are :status, :body and :header.NAME", NULL);
	seg->kind = row->kind;
	return row->takes_more ? set_name(c, seg, slice_after(rest, row->name.len)) : 0;
}

static int
resolve_param(struct compiler *c, struct template_segment *seg)
{
	int param = find_name(c->names->params, c->names->param_count, seg->text);

	if (param >= 0) {
		seg->kind = TEMPLATE_PARAM;
		seg->index = (unsigned)param;
		return 0;
	}
	if (find_name(c->names->parts, c->names->part_count, seg->text) >= 0)
		return fail(c, ERR_NOT_FOUND, seg->text,
			    "that is a part: say which of it, as in {part.field} or {part:body}",
			    NULL);
	return fail_name(c, seg->text,
			 "the route has no such path parameter (a brace as text is {{)");
}

static int
resolve(struct compiler *c, struct template_segment *seg)
{
	struct slice word = slice_make(seg->text.at, word_length(seg->text));
	const struct row *row = find_row(rows, COUNT(rows), seg->text);
	struct slice rest;

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
	return row->takes_more ? set_name(c, seg, rest) : 0;
}

/* --- segments ------------------------------------------------------------------------ */

static enum template_form
form_of(const struct compiler *c, const struct template_segment *seg)
{
	switch (c->t->coding) {
	case VALUE_RAW:
		return FORM_AS_IS;
	case VALUE_PATH:
		if (seg->kind == TEMPLATE_QUERY && c->is_in_query)
			return FORM_RAW_QUERY;
		return seg->kind == TEMPLATE_PARAM && !c->is_in_query &&
			       (int)seg->index == c->names->rest
			   ? FORM_REST
			   : FORM_ENCODED;
	case VALUE_QUERY:
		return FORM_ENCODED;
	case VALUE_FIELD:
		return FORM_FIELD;
	case VALUE_JSON:
		return c->is_in_string ? FORM_JSON_STRING : FORM_JSON_VALUE;
	}
	return FORM_AS_IS;
}

/* Where the end of this literal is, as forms need to know it. */
static void
follow_literal(struct compiler *c, struct slice literal)
{
	for (size_t i = 0; i < literal.len; i++) {
		char byte = literal.at[i];

		if (byte == '?')
			c->is_in_query = true;
		if (c->is_escaped)
			c->is_escaped = false;
		else if (byte == '"')
			c->is_in_string = !c->is_in_string;
		else if (byte == '\\')
			c->is_escaped = c->is_in_string;
	}
}

static void
end_literal(struct compiler *c)
{
	struct slice literal = slice_after(writer_slice(&c->literal), c->literal_start);

	if (literal.len == 0)
		return;
	follow_literal(c, literal);
	c->literal_start = c->literal.len;
	c->t->segments[c->t->segment_count++] =
	    (struct template_segment){ .kind = TEMPLATE_LITERAL, .text = literal };
}

static int
add_variable(struct compiler *c, struct slice name)
{
	struct template_segment seg = { .text = name, .variable = c->t->variable_count };
	int error;

	end_literal(c);
	error = resolve(c, &seg);
	if (error)
		return error;
	seg.form = form_of(c, &seg);
	c->t->variable_count++;
	c->t->segments[c->t->segment_count++] = seg;
	return 0;
}

/* A run of braces and what they mean; *at stands at the first and is moved behind. */
static int
add_braces(struct compiler *c, size_t *at)
{
	struct slice rest = slice_after(c->text, *at);
	size_t run = 0, len;

	while (run < rest.len && rest.at[run] == '{')
		run++;
	len = name_length(c, slice_after(rest, run));
	*at += run;
	writer_put(&c->literal, slice_make(rest.at, len ? run / 2 : run));
	if (len == 0 || run % 2 == 0)
		return 0;
	*at += len + 1;
	return add_variable(c, slice_make(rest.at + run, len));
}

static int
compile_text(struct compiler *c)
{
	size_t at = 0;

	while (at < c->text.len) {
		struct slice rest = slice_after(c->text, at);
		size_t plain = slice_find(rest, '{');
		int error = 0;

		writer_put(&c->literal, slice_make(rest.at, plain));
		at += plain;
		if (at < c->text.len)
			error = add_braces(c, &at);
		if (error)
			return error;
	}
	end_literal(c);
	ASSERT(!c->literal.is_full);
	return 0;
}

/* --- the text around the variables --------------------------------------------------- */

/* A unit of a path as whoever decodes it may read it; moves *s behind it. */
static char
take_read(struct slice *s)
{
	char c = s->at[0];

	if (c == '%' && s->len >= 3 && ascii_hex(s->at[1]) >= 0 && ascii_hex(s->at[2]) >= 0) {
		c = (char)(ascii_hex(s->at[1]) * 16 + ascii_hex(s->at[2]));
		*s = slice_after(*s, 3);
	} else {
		*s = slice_after(*s, 1);
	}
	return c == '\\' ? '/' : c;
}

bool
template_path_is_safe(struct slice path)
{
	struct slice rest = slice_make(path.at, slice_find(path, '?'));
	unsigned dots = 0, others = 0;

	while (rest.len) {
		char c = take_read(&rest);

		if (c != '/') {
			dots += c == '.';
			others += c != '.';
			continue;
		}
		if (others == 0 && (dots == 1 || dots == 2))
			return false;
		dots = others = 0;
	}
	return others > 0 || dots == 0 || dots > 2;
}

static bool
has_only(struct slice s, enum byte_class wanted)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], wanted))
			return false;
	}
	return true;
}

/* Says what is wrong with a text as it will be sent; NULL: nothing. */
static const char *
find_fault(struct slice s, enum value_coding coding)
{
	size_t path_len = slice_find(s, '?');

	switch (coding) {
	case VALUE_RAW:
		return NULL;
	case VALUE_PATH:
		if (!has_only(slice_make(s.at, path_len), BYTE_PATH) ||
		    !has_only(slice_after(s, path_len), BYTE_QUERY))
			return "a byte that no path may hold; write it as %XX";
		return template_path_is_safe(s) ? NULL : "a path with dot segments";
	case VALUE_QUERY:
		return has_only(s, BYTE_QUERY) ? NULL
					       : "a byte that no query may hold; write it as %XX";
	case VALUE_FIELD:
		return field_is_value(s) ? NULL
					 : "a line break or control that no header field may hold";
	case VALUE_JSON:
		return json_validate(s, JSON_DEPTH_MAX, NULL) ? "not JSON" : NULL;
	}
	return NULL;
}

static int
check_text(struct compiler *c)
{
	char *memory = arena_alloc(c->arena, c->text.len + 1);
	struct writer w = writer_over(memory, memory ? c->text.len : 0);
	const char *fault;

	if (!memory)
		return fail_memory(c);
	for (unsigned i = 0; i < c->t->segment_count; i++) {
		const struct template_segment *seg = &c->t->segments[i];

		writer_put(&w, seg->kind == TEMPLATE_LITERAL ? seg->text : SLICE("0"));
	}
	fault = find_fault(writer_slice(&w), c->t->coding);
	return fault ? fail(c, ERR_SYNTAX, slice_make(NULL, 0), fault, NULL) : 0;
}

/* --- public -------------------------------------------------------------------------- */

/* Memory for the most that the text can come to: a literal before each brace and one behind. */
static int
compiler_init(struct compiler *c, struct slice text)
{
	size_t braces = 0;
	char *memory;

	for (size_t i = 0; i < text.len; i++)
		braces += text.at[i] == '{';
	c->t = arena_zalloc(c->arena, 1, sizeof(*c->t));
	c->text = arena_copy(c->arena, text);
	memory = arena_alloc(c->arena, text.len + 1);
	if (!c->t || !c->text.at || !memory)
		return fail_memory(c);
	c->literal = writer_over(memory, text.len);
	c->t->segments = arena_zalloc(c->arena, 2 * braces + 1, sizeof(*c->t->segments));
	return c->t->segments ? 0 : fail_memory(c);
}

struct template *
template_compile(struct arena *a, struct slice text, enum value_coding coding,
		 const struct template_names *names, struct template_error *e)
{
	struct compiler c = { .arena = a, .names = names, .error = e };

	ASSERT(names->part_count <= TEMPLATE_PARTS_MAX);
	*e = (struct template_error){ .err = 0 };
	if (compiler_init(&c, text))
		return NULL;
	c.t->coding = coding;
	if (compile_text(&c) || check_text(&c))
		return NULL;
	return c.t;
}

struct template_needs
template_needs(const struct template *t)
{
	return t->needs;
}

bool
template_is_constant(const struct template *t, struct slice *text)
{
	if (t->variable_count)
		return false;
	*text = t->segment_count ? t->segments[0].text : SLICE("");
	return true;
}

unsigned
template_variable_count(const struct template *t)
{
	return t->variable_count;
}

static const struct template_segment *
find_variable(const struct template *t, unsigned i)
{
	for (unsigned k = 0; k < t->segment_count; k++) {
		const struct template_segment *seg = &t->segments[k];

		if (seg->kind != TEMPLATE_LITERAL && seg->variable == i)
			return seg;
	}
	return NULL;
}

struct slice
template_variable_name(const struct template *t, unsigned i)
{
	const struct template_segment *seg = find_variable(t, i);

	return seg ? seg->text : SLICE("");
}

bool
template_part_header(const struct template *t, unsigned i, unsigned *part, struct slice *name)
{
	const struct template_segment *seg = find_variable(t, i);

	if (!seg || seg->kind != TEMPLATE_PART_HEADER)
		return false;
	*part = seg->index;
	*name = seg->name;
	return true;
}
