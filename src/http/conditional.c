/*
 * Conditional requests; see conditional.h.
 */
#include "http/conditional.h"

#include "http/date.h"

/* --- entity tags ----------------------------------------------------------------- */

struct etag {
	struct slice opaque; /* with its quotes */
	bool is_weak;
};

/* RFC 9110 8.8.3: etagc = %x21 / %x23-7E / obs-text. */
static bool
is_etagc(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Cuts an entity tag off the front; W is case-sensitive. False: there is none. */
static bool
cut_etag(struct slice *rest, struct etag *e)
{
	size_t end = 1;

	e->is_weak = slice_has_prefix(*rest, SLICE("W/"));
	if (e->is_weak)
		*rest = slice_after(*rest, 2);
	if (rest->len == 0 || rest->at[0] != '"')
		return false;
	while (end < rest->len && is_etagc(rest->at[end]))
		end++;
	if (end == rest->len || rest->at[end] != '"')
		return false;
	e->opaque = slice_make(rest->at, end + 1);
	*rest = slice_after(*rest, end + 1);
	return true;
}

static bool
is_same(const struct etag *a, const struct etag *b, bool is_strong)
{
	if (is_strong && (a->is_weak || b->is_weak))
		return false;
	return slice_eq(a->opaque, b->opaque);
}

/* Spaces, tabs and commas between elements, empty ones included. */
static void
skip_separators(struct slice *rest)
{
	while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t' || rest->at[0] == ','))
		*rest = slice_after(*rest, 1);
}

bool
etag_list_has(struct slice list, struct slice etag, bool is_strong)
{
	struct etag ours, theirs;
	bool is_found = false;

	if (slice_eq(slice_trim(list), SLICE("*")))
		return true;
	if (!cut_etag(&etag, &ours) || etag.len > 0)
		return false;
	for (skip_separators(&list); list.len > 0; skip_separators(&list)) {
		if (!cut_etag(&list, &theirs))
			return false;
		list = slice_trim(list);
		if (list.len > 0 && list.at[0] != ',')
			return false;
		is_found |= is_same(&ours, &theirs, is_strong);
	}
	return is_found;
}

/* --- fields ---------------------------------------------------------------------- */

bool
condition_is_field(enum field_id id)
{
	switch (id) {
	case FIELD_RANGE:
	case FIELD_IF_MATCH:
	case FIELD_IF_RANGE:
	case FIELD_IF_NONE_MATCH:
	case FIELD_IF_MODIFIED_SINCE:
	case FIELD_IF_UNMODIFIED_SINCE:
		return true;
	default:
		return false;
	}
}

bool
condition_is_asked(const struct request *r)
{
	for (unsigned i = 0; i < r->fields.count; i++) {
		if (condition_is_field(r->fields.at[i].id))
			return true;
	}
	return false;
}

/* A list may be spread over several lines (RFC 9110 5.3). */
static bool
lists_have(const struct fields *f, enum field_id id, struct slice etag, bool is_strong)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == id && etag_list_has(f->at[i].value, etag, is_strong))
			return true;
	}
	return false;
}

/* A field with a date that can be read. */
static bool
has_date(const struct fields *f, enum field_id id, int64_t *second)
{
	const struct field *field = fields_find(f, id);

	return field && date_parse(field->value, second);
}

/* Steps 1 and 2: is it still what the client means to act on? */
static bool
is_expected(const struct request *r, const struct validators *v)
{
	int64_t since;

	if (fields_find(&r->fields, FIELD_IF_MATCH))
		return lists_have(&r->fields, FIELD_IF_MATCH, v->etag, true);
	if (v->has_modified && has_date(&r->fields, FIELD_IF_UNMODIFIED_SINCE, &since))
		return v->modified_s <= since;
	return true;
}

/* Steps 3 and 4: does the client have it already? */
static bool
is_known(const struct request *r, const struct validators *v, bool is_read)
{
	int64_t since;

	if (fields_find(&r->fields, FIELD_IF_NONE_MATCH))
		return lists_have(&r->fields, FIELD_IF_NONE_MATCH, v->etag, false);
	return is_read && v->has_modified &&
	       has_date(&r->fields, FIELD_IF_MODIFIED_SINCE, &since) && v->modified_s <= since;
}

enum condition
condition_check(const struct request *r, const struct validators *v)
{
	bool is_read = r->method == METHOD_GET || r->method == METHOD_HEAD;

	if (!is_expected(r, v))
		return CONDITION_FAILED;
	if (is_known(r, v, is_read))
		return is_read ? CONDITION_NOT_MODIFIED : CONDITION_FAILED;
	return CONDITION_PASSED;
}

bool
condition_range_counts(const struct request *r, const struct validators *v)
{
	const struct field *f = fields_find(&r->fields, FIELD_IF_RANGE);
	struct etag ours, theirs;
	struct slice etag = v->etag, value;
	int64_t second;

	if (!f)
		return true;
	value = slice_trim(f->value);
	/* RFC 9110 13.1.5: an entity tag by strong comparison, a date by its exact value. */
	if (cut_etag(&value, &theirs))
		return value.len == 0 && cut_etag(&etag, &ours) && is_same(&ours, &theirs, true);
	return v->has_modified && v->is_modified_strong && date_parse(f->value, &second) &&
	       second == v->modified_s;
}
