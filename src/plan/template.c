/*
 * Compiling templates; see template.h. Builder thread, while a site is built.
 *
 *   text --braces--> literal, literal   (side by side in one buffer)
 *          '-------> name --template_name.c--> segment: kind, index or path; its form
 *                                        then the whole with "0" for every variable is
 *                                        checked as the coding asks
 */
#include "base/assert.h"
#include "base/json.h"
#include "http/byte.h"
#include "plan/template_priv.h"

/* --- segments ------------------------------------------------------------------------ */

/* Variables that hold more than text. */
static bool
has_type(enum template_kind kind)
{
	return kind == TEMPLATE_BODY_JSON || kind == TEMPLATE_REQUEST_CLAIM ||
	       kind == TEMPLATE_PART_WHOLE || kind == TEMPLATE_PART_JSON ||
	       kind == TEMPLATE_PART_STATUS || kind == TEMPLATE_ITEM;
}

static enum template_form
form_of(const struct template_compiler *c, const struct template_segment *seg)
{
	switch (c->t->coding) {
	case VALUE_RAW:
		return FORM_AS_IS;
	case VALUE_PATH:
		if (seg->kind == TEMPLATE_QUERY && c->is_in_query)
			return FORM_RAW_QUERY;
		if (seg->kind == TEMPLATE_REQUEST_HOST && !c->is_in_query)
			return FORM_RAW_HOST;
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
	case VALUE_TYPED:
		return has_type(seg->kind) && template_is_alone(c, seg->text) ? FORM_TYPED
									      : FORM_AS_IS;
	}
	return FORM_AS_IS;
}

/* Where the end of this literal is, as forms need to know it. */
static void
follow_literal(struct template_compiler *c, struct slice literal)
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
end_literal(struct template_compiler *c)
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
add_variable(struct template_compiler *c, struct slice name)
{
	struct template_segment seg = { .text = name, .variable = c->t->variable_count };
	int error;

	end_literal(c);
	error = template_resolve(c, &seg);
	if (error)
		return error;
	seg.form = form_of(c, &seg);
	c->t->variable_count++;
	c->t->segments[c->t->segment_count++] = seg;
	return 0;
}

/* A run of braces and what they mean; *at stands at the first and is moved behind. */
static int
add_braces(struct template_compiler *c, size_t *at)
{
	struct slice rest = slice_after(c->text, *at);
	size_t run = 0, len;

	while (run < rest.len && rest.at[run] == '{')
		run++;
	len = template_name_length(c, slice_after(rest, run));
	*at += run;
	writer_put(&c->literal, slice_make(rest.at, len ? run / 2 : run));
	if (len == 0 || run % 2 == 0)
		return 0;
	*at += len + 1;
	return add_variable(c, slice_make(rest.at + run, len));
}

static int
compile_text(struct template_compiler *c)
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
	case VALUE_TYPED:
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
check_text(struct template_compiler *c)
{
	char *memory = arena_alloc(c->arena, c->text.len + 1);
	struct writer w = writer_over(memory, memory ? c->text.len : 0);
	const char *fault;

	if (!memory)
		return template_fail_memory(c);
	for (unsigned i = 0; i < c->t->segment_count; i++) {
		const struct template_segment *seg = &c->t->segments[i];

		writer_put(&w, seg->kind == TEMPLATE_LITERAL ? seg->text : SLICE("0"));
	}
	fault = find_fault(writer_slice(&w), c->t->coding);
	return fault ? template_fail(c, ERR_SYNTAX, slice_make(NULL, 0), fault, NULL) : 0;
}

/* --- public -------------------------------------------------------------------------- */

/* Memory for the most that the text can come to: a literal before each brace and one behind. */
static int
compiler_init(struct template_compiler *c, struct slice text)
{
	size_t braces = 0;
	char *memory;

	for (size_t i = 0; i < text.len; i++)
		braces += text.at[i] == '{';
	c->t = arena_zalloc(c->arena, 1, sizeof(*c->t));
	c->text = arena_copy(c->arena, text);
	memory = arena_alloc(c->arena, text.len + 1);
	if (!c->t || !c->text.at || !memory)
		return template_fail_memory(c);
	c->literal = writer_over(memory, text.len);
	c->t->segments = arena_zalloc(c->arena, 2 * braces + 1, sizeof(*c->t->segments));
	return c->t->segments ? 0 : template_fail_memory(c);
}

struct template *
template_compile(struct arena *a, struct slice text, enum value_coding coding,
		 const struct template_names *names, struct template_error *e)
{
	struct template_compiler c = { .arena = a, .names = names, .error = e };

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

bool
template_is_typed(const struct template *t)
{
	return t->segment_count == 1 && t->segments[0].form == FORM_TYPED;
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
