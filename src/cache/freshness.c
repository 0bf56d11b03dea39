/*
 * What RFC 9111 makes of a response; see freshness.h.
 */
#include "cache/freshness.h"

#include "cache/control.h"
#include "http/date.h"

/* RFC 9110 15.1: those that may be kept without being told for how long; and two more, if they say
 * for how long. 206 and 304 are parts of others. */
static bool
is_known_status(int status, bool is_told)
{
	switch (status) {
	case 200:
	case 203:
	case 204:
	case 300:
	case 301:
	case 308:
	case 404:
	case 405:
	case 410:
	case 414:
	case 501:
		return true;
	case 302:
	case 307:
		return is_told;
	default:
		return false;
	}
}

static bool
read_date(const struct fields *f, enum field_id id, int64_t *second)
{
	const struct field *field = fields_find(f, id);

	return field && date_parse(field->value, second);
}

/* RFC 9111 4.2.3. */
static int64_t
age_of(const struct freshness_question *q)
{
	const struct field *field = fields_find(&q->response->fields, FIELD_AGE);
	uint64_t said = 0;
	int64_t date = 0, apparent = 0, corrected = q->delay_s;

	if (read_date(&q->response->fields, FIELD_DATE, &date) && date < q->now_s)
		apparent = q->now_s - date;
	if (field && slice_to_u64(field->value, &said) == 0 && said < INT32_MAX)
		corrected += (int64_t)said;
	return apparent > corrected ? apparent : corrected;
}

/* RFC 9111 4.2.1; CACHE_UNSAID: it does not say. */
static int64_t
lifetime_of(const struct freshness_question *q, const struct cache_control *c)
{
	const struct fields *f = &q->response->fields;
	int64_t expires, date = q->now_s;

	if (c->s_maxage != CACHE_UNSAID)
		return c->s_maxage;
	if (c->max_age != CACHE_UNSAID)
		return c->max_age;
	if (!fields_find(f, FIELD_EXPIRES))
		return CACHE_UNSAID;
	read_date(f, FIELD_DATE, &date);
	/* 5.3: what is no date has passed. */
	if (!read_date(f, FIELD_EXPIRES, &expires) || expires < date)
		return 0;
	return expires - date;
}

static bool
is_personal(const struct freshness_question *q)
{
	return q->is_authorized || fields_find(&q->request->fields, FIELD_COOKIE) != NULL;
}

/* RFC 9111 3 and 3.5; and what sets a cookie is for one client. */
static bool
may_store(const struct freshness_question *q, const struct cache_control *c, bool is_told)
{
	const struct fields *f = &q->response->fields;
	struct cache_control asked;

	cache_control_read(&q->request->fields, &asked);
	if (q->request->method != METHOD_GET || c->no_store || c->is_private || asked.no_store)
		return false;
	if (!is_known_status(q->response->status, is_told))
		return false;
	if (q->is_authorized && !c->is_public && !c->must_revalidate && c->s_maxage == CACHE_UNSAID)
		return false;
	return !fields_find(f, FIELD_SET_COOKIE) && !fields_has_token(f, FIELD_VARY, SLICE("*"));
}

/* RFC 5861; must-revalidate forbids both (RFC 9111 4.2.4). */
static void
read_grace(const struct freshness_question *q, const struct cache_control *c, struct freshness *f)
{
	/* s-maxage means proxy-revalidate, unless something else is said beside it. */
	bool is_bound = c->must_revalidate || c->proxy_revalidate || c->no_cache;

	if (is_bound)
		return;
	if (c->stale_while_revalidate != CACHE_UNSAID)
		f->stale_while_revalidate_s = c->stale_while_revalidate;
	else if (c->s_maxage == CACHE_UNSAID)
		f->stale_while_revalidate_s = q->stale_while_revalidate_s;
	if (c->stale_if_error != CACHE_UNSAID)
		f->stale_if_error_s = c->stale_if_error;
	else if (c->s_maxage == CACHE_UNSAID)
		f->stale_if_error_s = q->stale_if_error_s;
}

void
freshness_read(const struct freshness_question *q, struct freshness *f)
{
	const struct fields *fields = &q->response->fields;
	bool has_validator =
	    fields_find(fields, FIELD_ETAG) || fields_find(fields, FIELD_LAST_MODIFIED);
	struct cache_control c;
	bool is_told;

	*f = (struct freshness){ .age_s = age_of(q) };
	cache_control_read(fields, &c);
	f->lifetime_s = lifetime_of(q, &c);
	is_told = f->lifetime_s != CACHE_UNSAID || c.no_cache;
	f->is_always_asked = c.no_cache;
	if (f->lifetime_s == CACHE_UNSAID)
		f->lifetime_s = is_personal(q) || c.no_cache ? 0 : q->unsaid_s;
	if (c.no_cache)
		f->lifetime_s = 0;
	read_grace(q, &c, f);
	/* What says nothing and is nobody's to keep is not kept for errors either. */
	f->may_store = (is_told || f->lifetime_s > 0) && may_store(q, &c, is_told);
	/* Of no use: neither fresh, nor to be asked about. */
	if (f->lifetime_s <= f->age_s && f->stale_if_error_s + f->stale_while_revalidate_s == 0 &&
	    (!is_told || !has_validator))
		f->may_store = false;
}
