/*
 * What a cache keeps; see entry.h.
 */
#include "cache/entry.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/mem_kept.h"
#include "http/date.h"

static void
unref_body(struct cache_body *b)
{
	if (!b || !ref_drop(&b->ref))
		return;
	mem_take_back(b->memory);
	mem_free(&b->memory);
	mem_free(&b);
}

static void
release(struct vault_item *item)
{
	struct cache_entry *e = CONTAINER_OF(item, struct cache_entry, item);

	unref_body(e->body);
	mem_free(&e);
}

static char *
put(char *at, struct slice s, struct slice *copy)
{
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	*copy = slice_make(at, s.len);
	return at + s.len;
}

/* With room for so many bytes behind the key, which *more points at. */
static struct cache_entry *
entry_new(struct slice key, size_t bytes, char **more)
{
	size_t all = sizeof(struct cache_entry) + bytes + key.len;
	struct cache_entry *e = mem_alloc(all);

	if (!e)
		return NULL;
	*e = (struct cache_entry){ .item = { .bytes = all, .release = release } };
	ref_init(&e->item.ref);
	list_init(&e->item.seat);
	*more = (char *)(e + 1);
	put(*more + bytes, key, &e->item.key);
	return e;
}

struct cache_entry *
cache_marker_new(struct slice key, struct slice names, uint64_t tag)
{
	char *at;
	struct cache_entry *e = entry_new(key, names.len, &at);

	if (!e)
		return NULL;
	put(at, names, &e->names);
	e->tag = tag;
	e->is_marker = true;
	return e;
}

/* What is about one message, and what is said anew each time. */
static bool
is_kept(const struct field *f)
{
	return !(field_flags(f->id) & FIELD_HOP) && f->id != FIELD_CONTENT_LENGTH &&
	       f->id != FIELD_AGE && f->id != FIELD_SET_COOKIE;
}

static void
read_validators(struct cache_entry *e)
{
	const struct field *etag = fields_find(&e->fields, FIELD_ETAG);
	const struct field *modified = fields_find(&e->fields, FIELD_LAST_MODIFIED);
	int64_t date = 0;
	const struct field *made = fields_find(&e->fields, FIELD_DATE);

	if (etag)
		e->validators.etag = etag->value;
	e->validators.has_modified =
	    modified && date_parse(modified->value, &e->validators.modified_s);
	/* RFC 9110 8.8.2.2: it was not changed again within the second of Last-Modified. */
	e->validators.is_modified_strong = e->validators.has_modified && made &&
					   date_parse(made->value, &date) &&
					   date > e->validators.modified_s;
}

struct cache_entry *
cache_entry_new(struct slice key, const struct response *r, const struct freshness *f,
		int64_t now_s, uint64_t now_ns)
{
	size_t bytes = (r->fields.count + 1u) * sizeof(struct field) + DATE_BYTES;
	struct cache_entry *e;
	struct field *field;
	char *at;

	for (unsigned i = 0; i < r->fields.count; i++)
		bytes += r->fields.at[i].name.len + r->fields.at[i].value.len;
	e = entry_new(key, bytes, &at);
	if (!e)
		return NULL;
	e->status = r->status;
	e->freshness = *f;
	e->stored_ns = now_ns;
	e->fields = (struct fields){ .at = (struct field *)(void *)at, .cap = r->fields.count + 1 };
	at += e->fields.cap * sizeof(struct field);
	for (unsigned i = 0; i < r->fields.count; i++) {
		if (!is_kept(&r->fields.at[i]))
			continue;
		field = &e->fields.at[e->fields.count++];
		field->id = r->fields.at[i].id;
		at = put(at, r->fields.at[i].name, &field->name);
		at = put(at, r->fields.at[i].value, &field->value);
	}
	/* RFC 9110 6.6.1: who receives a message without a Date may say when that was. */
	if (!fields_find(&e->fields, FIELD_DATE)) {
		date_write(at, now_s);
		if (fields_add(&e->fields, FIELD_DATE, slice_make(at, DATE_BYTES)) != 0)
			e->fields.count = e->fields.cap; /* there is room */
	}
	read_validators(e);
	return e;
}

int
cache_entry_complete(struct cache_entry *e, char *memory, size_t bytes)
{
	struct cache_body *b = mem_alloc(sizeof(*b));

	if (!b) {
		mem_free(&memory);
		return ERR_MEMORY;
	}
	ref_init(&b->ref);
	mem_set_aside(memory); /* the vault bounds it */
	b->memory = memory;
	b->text = slice_make(memory ? memory : "", bytes);
	e->body = b;
	e->item.bytes += sizeof(*b) + bytes;
	return 0;
}

void
cache_entry_share(struct cache_entry *e, const struct cache_entry *other)
{
	ref_take(&other->body->ref);
	e->body = other->body;
	e->item.bytes += sizeof(*e->body) + e->body->text.len;
}

int
cache_entry_ask(const struct cache_entry *e, struct fields *to)
{
	const struct field *modified = fields_find(&e->fields, FIELD_LAST_MODIFIED);
	int err = 0;

	if (e->validators.etag.len > 0)
		err = fields_add(to, FIELD_IF_NONE_MATCH, e->validators.etag);
	if (!err && modified && e->validators.has_modified)
		err = fields_add(to, FIELD_IF_MODIFIED_SINCE, modified->value);
	return err;
}

static bool
describes_body(enum field_id id)
{
	return id == FIELD_CONTENT_LENGTH || id == FIELD_CONTENT_ENCODING ||
	       id == FIELD_CONTENT_TYPE || id == FIELD_CONTENT_RANGE;
}

/* When it was made is said anew, or not known: then it is now. */
int
cache_entry_update(const struct cache_entry *e, const struct fields *from, struct arena *a,
		   struct response *r)
{
	const struct fields *old = &e->fields;
	struct fields *f = &r->fields;

	*r = (struct response){ .status = e->status };
	f->cap = old->count + from->count;
	f->at = arena_zalloc(a, f->cap + 1u, sizeof(*f->at));
	if (!f->at)
		return ERR_MEMORY;
	for (unsigned i = 0; i < from->count; i++) {
		if (!describes_body(from->at[i].id))
			f->at[f->count++] = from->at[i];
	}
	for (unsigned i = 0, told = f->count; i < old->count; i++) {
		const struct fields sent = { .at = f->at, .count = told, .cap = told };

		if (old->at[i].id != FIELD_DATE && !fields_find_name(&sent, old->at[i].name))
			f->at[f->count++] = old->at[i];
	}
	return 0;
}

void
cache_entry_unref(struct cache_entry **e)
{
	if (*e)
		vault_item_unref(&(*e)->item);
	*e = NULL;
}

int64_t
cache_entry_age(const struct cache_entry *e, uint64_t now_ns)
{
	/* Workers read the clock at different times. */
	uint64_t resident = now_ns > e->stored_ns ? now_ns - e->stored_ns : 0;

	return e->freshness.age_s + (int64_t)(resident / CLOCK_SEC);
}

int64_t
cache_entry_ttl(const struct cache_entry *e, uint64_t now_ns)
{
	return e->freshness.lifetime_s - cache_entry_age(e, now_ns);
}

bool
cache_entry_is_fresh(const struct cache_entry *e, uint64_t now_ns)
{
	return !e->freshness.is_always_asked && cache_entry_ttl(e, now_ns) > 0;
}
