/*
 * The error pages of a site, from its [error_page STATUS] sections: files are
 * read while it is built, never for a request. Builder thread.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "server/site_priv.h"
#include "server/text_file.h"

#include <errno.h>

enum { PAGE_BYTES = 256 << 10, CLASS_STATUSES = 100 };

struct page_conf {
	struct slice file, body, type, json;
};

const struct conf_key error_page_keys[] = {
	{ "file", CONF_PATH, CONF_FIELD(struct page_conf, file),
	  .help = "what is shown; read with the configuration, at most 256k" },
	{ "body", CONF_TEXT, CONF_FIELD(struct page_conf, body),
	  .help = "the same, written out here" },
	{ "type", CONF_TEXT, CONF_FIELD(struct page_conf, type), .def = "text/html; charset=utf-8",
	  .help = "its media type" },
	{ "json", CONF_TEXT, CONF_FIELD(struct page_conf, json),
	  .help = "JSON for clients that would rather have that, by their Accept" },
	CONF_KEYS_END
};

struct reading {
	struct site *site;
	struct conf_section *section;
	struct conf_errors *errors;
	struct page_conf conf;
};

/* --- one section ---------------------------------------------------------------------- */

static int
read_file(struct reading *r, struct slice *body)
{
	struct buffer b;
	int err;

	buffer_init(&b, PAGE_BYTES);
	err = text_file_read(&b, "", r->conf.file.at);
	if (err == ERR_TOO_LARGE)
		conf_error_at(r->errors, r->section, "file", "%.*s is larger than 256k",
			      SLICE_PRINT(r->conf.file));
	else if (err && err != ERR_MEMORY)
		conf_error_at(r->errors, r->section, "file", "%.*s cannot be read: %s",
			      SLICE_PRINT(r->conf.file), strerror(errno));
	if (!err)
		*body = arena_copy(&r->site->arena, buffer_slice(&b));
	buffer_fini(&b);
	return !err && !body->at ? ERR_MEMORY : err;
}

static void
check(struct reading *r)
{
	bool has_file = r->conf.file.len > 0, has_body = conf_entry(r->section, "body") != NULL;

	if (has_file && has_body)
		conf_error_at(r->errors, r->section, "body", "there is a file already");
	if (!has_file && !has_body)
		conf_error_at(r->errors, r->section, NULL,
			      "a page is a file or a body; neither is there");
	if (r->conf.type.len == 0 || !field_is_value(r->conf.type))
		conf_error_at(r->errors, r->section, "type", "%s cannot stand in a header field",
			      conf_quote(r->conf.type).text);
	if (conf_is_set(r->section, "json") &&
	    json_validate(r->conf.json, JSON_DEPTH_MAX, NULL) != 0)
		conf_error_at(r->errors, r->section, "json", "%s is not JSON",
			      conf_quote(r->conf.json).text);
}

/* NULL without memory, or when errors say why. */
static struct error_page *
read_page(struct reading *r)
{
	const struct conf_table table = { error_page_keys, &r->conf };
	struct error_page *p = arena_zalloc(&r->site->arena, 1, sizeof(*p));

	if (!p || conf_fill(r->section, &table, 1, r->errors) != 0)
		return NULL;
	check(r);
	p->type = r->conf.type;
	p->body = r->conf.body;
	if (conf_is_set(r->section, "json"))
		p->json = r->conf.json;
	if (r->conf.file.len > 0 && read_file(r, &p->body) != 0)
		return NULL;
	return p;
}

/* --- which statuses it is for -------------------------------------------------------------- */

/* 404, or 4xx for all that begin so. ERR_SYNTAX. */
static int
parse_name(struct slice name, int *first, bool *is_class)
{
	bool has_digits = name.len == 3 && ascii_is_digit(name.at[1]) && ascii_is_digit(name.at[2]);

	*is_class = name.len == 3 && name.at[1] == 'x' && name.at[2] == 'x';
	if (name.len != 3 || (name.at[0] != '4' && name.at[0] != '5') || has_digits == *is_class)
		return ERR_SYNTAX;
	*first = (name.at[0] - '0') * CLASS_STATUSES;
	if (has_digits)
		*first += (name.at[1] - '0') * 10 + name.at[2] - '0';
	return 0;
}

/* A class leaves statuses that have a page of their own. */
static void
place(struct error_pages *pages, const struct error_page *p, int first, bool is_class)
{
	for (int i = 0; i < (is_class ? CLASS_STATUSES : 1); i++) {
		const struct error_page **at = &pages->by_status[first - ERROR_PAGE_FIRST + i];

		if (!*at)
			*at = p;
	}
}

/* Classes, or single statuses. */
static void
read_some(struct site *s, struct error_pages *pages, bool classes, struct conf_errors *e)
{
	struct reading r = { .site = s, .errors = e };

	while ((r.section = conf_next(s->conf, "error_page", r.section)) != NULL) {
		const struct error_page *p;
		bool is_class = false;
		int first = 0;

		if (parse_name(r.section->name, &first, &is_class) != 0 && !classes)
			conf_error_at(e, r.section, NULL,
				      "%s is no status that a page can be for: 404, or 4xx, 5xx",
				      conf_quote(r.section->name).text);
		if (first == 0 || is_class != classes)
			continue;
		p = read_page(&r);
		if (p)
			place(pages, p, first, is_class);
	}
}

void
site_read_pages(struct site *s, struct conf_errors *e)
{
	struct error_pages *pages;

	if (!conf_next(s->conf, "error_page", NULL))
		return;
	pages = arena_zalloc(&s->arena, 1, sizeof(*pages));
	if (!pages)
		return; /* site_is_short tells */
	read_some(s, pages, false, e);
	read_some(s, pages, true, e);
	s->pages = pages;
}
