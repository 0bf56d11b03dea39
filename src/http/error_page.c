/*
 * Error pages, and the filter that puts them in the place of a source's own;
 * see error_page.h.
 */
#include "http/error_page.h"

#include "base/err.h"
#include "base/list.h"
#include "http/accept.h"
#include "http/exchange.h"
#include "http/filter.h"

static const struct slice json_type = SLICE_INIT("application/json");

const struct error_page *
error_pages_find(const struct error_pages *pages, int status)
{
	if (!pages || status < ERROR_PAGE_FIRST || status > ERROR_PAGE_LAST)
		return NULL;
	return pages->by_status[status - ERROR_PAGE_FIRST];
}

void
error_page_choose(const struct error_page *p, const struct request *q, struct slice *type,
		  struct slice *body)
{
	struct slice parameters = p->type, essence = slice_trim(slice_cut(&parameters, ';'));
	bool is_json = p->json.at && accept_prefers(&q->fields, json_type, essence);

	*type = is_json ? json_type : p->type;
	*body = is_json ? p->json : p->body;
}

/* --- instead of a source's own ---------------------------------------------------------- */

struct page_filter {
	struct filter filter; /* the first */
	bool is_replacing;
};

static struct page_filter *
filter_of(struct filter *f)
{
	return CONTAINER_OF(f, struct page_filter, filter);
}

/* Fields that describe the body that goes (RFC 9110 8), and those that say how it may be asked for
 * in parts. */
static bool
is_about_body(enum field_id id)
{
	switch (id) {
	case FIELD_CONTENT_TYPE:
	case FIELD_CONTENT_ENCODING:
	case FIELD_CONTENT_LANGUAGE:
	case FIELD_CONTENT_LENGTH:
	case FIELD_CONTENT_LOCATION:
	case FIELD_CONTENT_RANGE:
	case FIELD_CONTENT_DISPOSITION:
	case FIELD_ETAG:
	case FIELD_LAST_MODIFIED:
	case FIELD_ACCEPT_RANGES:
		return true;
	default:
		return false;
	}
}

enum { FIELDS_ADDED = 2 };

/* The head is the page's; *body is what goes behind it. */
static int
replace(struct exchange *x, const struct error_page *page, struct slice *body)
{
	struct fields *f = &x->response.fields;
	struct slice type;
	unsigned kept = 0;

	error_page_choose(page, &x->request, &type, body);
	if (exchange_own_fields(x, FIELDS_ADDED) != 0)
		return ERR_MEMORY;
	for (unsigned i = 0; i < f->count; i++) {
		if (!is_about_body(f->at[i].id))
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
	x->response.framing = BODY_LENGTH;
	x->response.content_length = body->len;
	if (body->len > 0 && fields_add(f, FIELD_CONTENT_TYPE, type) != 0)
		return ERR_MEMORY;
	if (!page->json.at || fields_has_token(f, FIELD_VARY, SLICE("accept")))
		return 0;
	return fields_add(f, FIELD_VARY, SLICE("Accept"));
}

/* A page is of the site, which the exchange holds until its end as it does its arena. */
static int
send_page(struct filter *f, struct slice body)
{
	struct chunks list;
	int err;

	chunks_init(&list, f->x->store);
	err = chunks_add_arena(&list, body);
	if (!err)
		err = filter_pass_body(f, &list);
	chunks_clear(&list);
	return err < 0 ? err : 0;
}

/* The page goes at once; what the source still says is not heard. */
static int
on_head(struct filter *f)
{
	const struct error_page *page = error_pages_find(f->x->pages, f->x->response.status);
	struct slice body;
	int err;

	if (!page)
		return filter_pass_head(f);
	filter_of(f)->is_replacing = true;
	err = replace(f->x, page, &body);
	if (!err)
		err = filter_pass_head(f);
	return err || body.len == 0 ? err : send_page(f, body);
}

static int
on_body(struct filter *f, struct chunks *list)
{
	if (!filter_of(f)->is_replacing)
		return filter_pass_body(f, list);
	chunks_clear(list);
	return 0;
}

/* Trailers were of the body that is not heard. */
static void
on_end(struct filter *f)
{
	if (filter_of(f)->is_replacing)
		f->x->response.trailers.count = 0;
	filter_pass_end(f);
}

static void
on_whole(struct filter *f, struct slice body)
{
	const struct error_page *page = error_pages_find(f->x->pages, f->x->response.status);

	if (page && replace(f->x, page, &body) != 0)
		filter_pass_abort(f, ERR_MEMORY);
	else
		filter_pass_whole(f, body);
}

/* The page is whole, whatever became of the source. */
static void
on_abort(struct filter *f, int err)
{
	if (filter_of(f)->is_replacing)
		filter_pass_end(f);
	else
		filter_pass_abort(f, err);
}

/* Nobody was told to pause for a page. */
static void
on_resume(struct filter *f)
{
	if (!filter_of(f)->is_replacing)
		filter_pass_resume(f);
}

static const struct filter_ops page_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.whole = on_whole,
	.abort = on_abort,
	.resume = on_resume,
};

int
error_pages_intercept(struct exchange *x)
{
	struct page_filter *f = arena_zalloc(&x->arena, 1, sizeof(*f));

	if (!f)
		return ERR_MEMORY;
	filter_add(x, &f->filter, &page_ops);
	return 0;
}
