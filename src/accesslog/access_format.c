/*
 * Compiles formats; see access_format.h.
 */
#include "accesslog/access_format.h"

#include "base/json.h"

#define COMBINED                                                                                   \
	"{client.address} - {user} [{time.clf}] \"{request}\" {status} {bytes_out} \"{referer}\" " \
	"\"{user_agent}\""

static const struct slice json_fields[] = {
	SLICE_INIT("time"),
	SLICE_INIT("client.address"),
	SLICE_INIT("user"),
	SLICE_INIT("request.method"),
	SLICE_INIT("request.target"),
	SLICE_INIT("request.version"),
	SLICE_INIT("status"),
	SLICE_INIT("bytes_in"),
	SLICE_INIT("bytes_out"),
	SLICE_INIT("duration"),
	SLICE_INIT("route"),
	SLICE_INIT("request.id"),
	SLICE_INIT("host"),
	SLICE_INIT("referer"),
	SLICE_INIT("user_agent"),
	SLICE_INIT("parts"),
	SLICE_INIT("cut"),
};

struct compiling {
	struct arena *arena;
	struct access_format *format;
	struct access_item *item; /* of format */
	const char *key; /* which key is read, for errors */
	const struct conf_section *section;
	struct conf_errors *errors;
	bool is_wrong, is_short; /* a mistake; no memory */
};

static void
complain_unknown(struct compiling *c, struct slice name)
{
	struct suggest near;

	suggest_init(&near, name);
	access_field_offer(&near);
	conf_error_at(c->errors, c->section, c->key, "there is no field %s%s",
		      conf_quote(name).text, suggest_text(&near));
	c->is_wrong = true;
}

/* Names are compared in lower case, whatever the case in the configuration. */
static struct access_header
make_header(struct compiling *c, struct slice name)
{
	struct slice copy = arena_copy(c->arena, name);
	char *at = (char *)(uintptr_t)copy.at;

	c->is_short |= !at;
	for (size_t i = 0; at && i < copy.len; i++)
		at[i] = ascii_lower(at[i]);
	return (struct access_header){ copy, field_id_of(copy) };
}

static void
add(struct compiling *c, struct slice before, struct slice name)
{
	struct slice header;
	const struct access_field *field = access_field_find(name, &header);
	struct access_item *item = &c->item[c->format->count];

	if (!field) {
		complain_unknown(c, name);
		return;
	}
	*item = (struct access_item){ .before = before, .field = field };
	if (header.len > 0)
		item->header = make_header(c, header);
	c->format->wants_parts |= slice_eq(name, SLICE("parts"));
	c->format->count++;
}

static int
make_items(struct compiling *c, size_t most)
{
	c->item = arena_zalloc(c->arena, most ? most : 1, sizeof(*c->item));
	c->format->item = c->item;
	return c->item ? 0 : ERR_MEMORY;
}

/* --- templates -------------------------------------------------------------------------- */

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || ascii_is_digit(c) || c == '_' ||
	       c == '-' || c == '.';
}

/* The name in "{name}" at the start of s; empty if that does not stand there. */
static struct slice
name_at(struct slice s)
{
	size_t n = 1;

	if (s.len == 0 || s.at[0] != '{')
		return slice_make(s.at, 0);
	while (n < s.len && is_name_byte(s.at[n]))
		n++;
	return n < s.len && s.at[n] == '}' ? slice_make(s.at + 1, n - 1) : slice_make(s.at, 0);
}

static size_t
count_braces(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.at[i] == '{';
	return n;
}

/* Literal text gathers in `text`, of as many bytes as the template has. */
static void
compile_text(struct compiling *c, struct slice template, struct writer *text)
{
	size_t from = 0;

	while (template.len > 0) {
		struct slice name = name_at(template);

		if (name.len > 0) {
			add(c, slice_make(text->at + from, text->len - from), name);
			from = text->len;
			template = slice_after(template, name.len + 2);
			continue;
		}
		/* {{ is a brace; a line that goes on is one line. */
		if (slice_has_prefix(template, SLICE("{{")))
			template = slice_after(template, 1);
		writer_char(text, template.at[0] == '\n' ? ' ' : template.at[0]);
		template = slice_after(template, 1);
	}
	c->format->tail = slice_make(text->at + from, text->len - from);
}

static int
compile_template(struct compiling *c, struct slice template)
{
	char *memory = arena_alloc(c->arena, template.len + 1);
	struct writer text = writer_over(memory, template.len);

	if (!memory || make_items(c, count_braces(template)) != 0)
		return ERR_MEMORY;
	compile_text(c, template, &text);
	return 0;
}

/* --- JSON --------------------------------------------------------------------------------- */

/* `{"time":`, then `,"client_address":` */
static struct slice
lead_of(struct compiling *c, struct slice name)
{
	size_t cap = name.len + sizeof(",\"\":");
	char *memory = arena_alloc(c->arena, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);

	c->is_short |= !memory;
	writer_char(&w, c->format->count == 0 ? '{' : ',');
	writer_char(&w, '"');
	for (size_t i = 0; i < name.len; i++)
		writer_char(&w, name.at[i] == '.' ? '_' : ascii_lower(name.at[i]));
	writer_put(&w, SLICE("\":"));
	return writer_slice(&w);
}

static int
compile_json(struct compiling *c, const struct conf_list *fields)
{
	const struct slice *at = fields->count ? fields->at : json_fields;
	size_t count = fields->count ? fields->count : sizeof(json_fields) / sizeof(json_fields[0]);

	c->key = "fields";
	c->format->is_json = true;
	c->format->tail = SLICE("}");
	if (make_items(c, count) != 0)
		return ERR_MEMORY;
	for (size_t i = 0; i < count; i++)
		add(c, lead_of(c, at[i]), at[i]);
	return 0;
}

const struct access_format *
access_format_new(struct arena *a, const struct access_conf *conf, const struct conf_section *s,
		  struct conf_errors *e)
{
	struct access_format *f = arena_zalloc(a, 1, sizeof(*f));
	struct compiling c = {
		.arena = a, .format = f, .key = "format", .section = s, .errors = e
	};
	bool is_json = slice_eq(conf->format, SLICE("json"));
	int err = f ? 0 : ERR_MEMORY;

	if (conf->fields.count > 0 && !is_json) {
		conf_error_at(e, s, "fields", "only format = json has fields");
		return NULL;
	}
	if (!err && is_json)
		err = compile_json(&c, &conf->fields);
	else if (!err && slice_eq(conf->format, SLICE("combined")))
		err = compile_template(&c, SLICE(COMBINED));
	else if (!err)
		err = compile_template(&c, conf->format);
	if (err || c.is_short)
		conf_error(e, "", 0, "out of memory");
	else if (!c.is_wrong && f->count == 0)
		conf_error_at(e, s, "format", "%s holds no {field}; it is none of: combined, json",
			      conf_quote(conf->format).text);
	return !err && !c.is_short && !c.is_wrong && f->count > 0 ? f : NULL;
}
