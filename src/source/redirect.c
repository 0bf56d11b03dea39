/*
 * The source `redirect`: sends the client elsewhere. It answers at once.
 *
 *   [route old]
 *   match = GET /old/{path...}
 *   source = redirect
 *   to = /new/{path}?{query}
 *
 * Where it leads to is the configuration's matter, never the client's: a
 * target is a path of this host or begins with scheme and host, and no value
 * but {request.host} can stand in the host. A path that begins with two
 * slashes would be a host to a browser; one is left of them.
 */
#include "http/status.h"
#include "http/uri.h"
#include "source/subrequest.h"

struct redirect {
	struct slice to;
	unsigned status; /* the place in statuses[] */
};

static const char *const status_words[] = { "301", "302", "303", "307", "308", NULL };
static const int statuses[] = { 301, 302, 303, 307, 308 };

static const struct conf_key part_keys[] = {
	{ "to", CONF_TEMPLATE, CONF_FIELD(struct redirect, to), .flags = CONF_REQUIRED,
	  .help = "where to: /path, or http:// or https:// with a host; ?{query} takes the query "
		  "along" },
	{ "status", CONF_WORD, CONF_FIELD(struct redirect, status), .def = "308",
	  .words = status_words, .help = "of the answer; 307 and 308 keep the method" },
	CONF_KEYS_END
};

/* --- loading ------------------------------------------------------------------------ */

/* What stands between "//" and the path: no variable but {request.host}, and that first. */
static bool
is_authority(struct slice s)
{
	struct slice variable = SLICE("{request.host}");

	if (slice_has_prefix(s, variable)) {
		s = slice_after(s, variable.len);
		return s.len == 0 || (s.at[0] == ':' && uri_is_host(s));
	}
	return s.len > 0 && uri_is_host(s);
}

static struct slice
authority_of(struct slice s)
{
	size_t slash = slice_find(s, '/'), query = slice_find(s, '?');

	return slice_make(s.at, slash < query ? slash : query);
}

/* What is wrong with a target, whatever its values; NULL: nothing. */
static const char *
find_fault(struct slice to)
{
	struct slice schemes[] = { SLICE("http://"), SLICE("https://") };

	if (slice_has_prefix(to, SLICE("/")))
		return slice_has_prefix(to, SLICE("//")) ? "a path begins with one slash" : NULL;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!slice_has_prefix(to, schemes[i]))
			continue;
		to = authority_of(slice_after(to, schemes[i].len));
		return is_authority(to) ? NULL
					: "the host is written out, or it is {request.host}, with "
					  "or without a port; then comes a slash";
	}
	return "it begins with a slash, http:// or https://";
}

static int
load_part(struct part *p, struct source_build *b)
{
	const struct redirect *r = p->conf;
	const char *fault = r->to.len > 0 ? find_fault(r->to) : NULL;
	int index;

	if (!p->passes_through) {
		conf_error_at(b->errors, p->section, "source",
			      "a redirect is a route's answer, and nothing that could be joined");
		return ERR_SYNTAX;
	}
	if (fault) {
		conf_error_at(b->errors, p->section, "to", "%s: %s", conf_quote(r->to).text, fault);
		return ERR_SYNTAX;
	}
	index = part_want(p, r->to, VALUE_PATH, "to");
	return index < 0 ? index : 0;
}

/* --- answering ---------------------------------------------------------------------- */

/* Without slashes that would make a host of it, and without a "?" that nothing follows. */
static struct slice
tidy(struct slice to)
{
	if (to.len > 0 && to.at[to.len - 1] == '?')
		to.len--;
	while (to.len > 1 && to.at[0] == '/' && to.at[1] == '/')
		to = slice_after(to, 1);
	return to;
}

static int
answer(struct subrequest *q)
{
	const struct redirect *r = q->part->conf;
	int status = statuses[r->status];
	struct slice text = status_reason(status);
	struct fields *f = &q->response.fields;

	f->count = 0;
	f->cap = 2;
	f->at = arena_zalloc(q->arena, f->cap, sizeof(*f->at));
	if (!f->at || fields_add(f, FIELD_LOCATION, tidy(q->value[0])) != 0 ||
	    fields_add(f, FIELD_CONTENT_TYPE, SLICE("text/plain")) != 0) {
		subrequest_done(q, ERR_MEMORY);
		return 0;
	}
	q->response.status = status;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = text.len;
	subrequest_whole(q, text);
	return 0;
}

static void
cancel(struct subrequest *q)
{
	(void)q;
}

const struct source_ops source_redirect = {
	.name = "redirect",
	.part_keys = part_keys,
	.part_size = sizeof(struct redirect),
	.load_part = load_part,
	.answer = answer,
	.cancel = cancel,
};
