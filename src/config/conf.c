/*
 * The tree: adding, finding, freeing. See conf.h; files are read by load.c.
 */
#include "config/conf.h"

#include "base/mem.h"
#include "config/conf_priv.h"
#include "config/suggest.h"

struct conf *
conf_new(void)
{
	struct conf *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	store_init(&c->store);
	arena_init(&c->arena, &c->store, CONF_MAX_BYTES);
	c->files_tail = &c->files;
	c->tail = &c->sections;
	return c;
}

void
conf_release(struct conf *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	store_fini(&c->store);
	mem_release(c);
}

static struct slice
copy_text(struct conf *c, const char *text)
{
	return arena_copy(&c->arena, slice_of(text));
}

struct conf_file *
conf_add_file(struct conf *c, const char *name, const char *dir)
{
	struct conf_file *f;

	if (c->file_count >= CONF_MAX_FILES)
		return NULL;
	f = arena_zalloc(&c->arena, 1, sizeof(*f));
	if (!f)
		return NULL;
	f->name = copy_text(c, name).at;
	f->dir = copy_text(c, dir).at;
	if (!f->name || !f->dir)
		return NULL;
	*c->files_tail = f;
	c->files_tail = &f->next;
	c->file_count++;
	return f;
}

/* FNV-1a over kind, a space, and name. */
static size_t
choose_bucket(struct slice kind, struct slice name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < kind.len; i++)
		hash = (hash ^ (unsigned char)kind.at[i]) * 16777619u;
	hash = (hash ^ ' ') * 16777619u;
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
	return hash % CONF_BUCKETS;
}

struct conf_section *
conf_find(const struct conf *c, struct slice kind, struct slice name)
{
	struct conf_section *s = c->buckets[choose_bucket(kind, name)];

	while (s && !(slice_eq(s->kind, kind) && slice_eq(s->name, name)))
		s = s->same_hash;
	return s;
}

struct conf_section *
conf_add_section(struct conf *c, struct slice kind, struct slice name)
{
	struct conf_section *s;
	size_t bucket = choose_bucket(kind, name);

	if (c->section_count >= CONF_MAX_SECTIONS)
		return NULL;
	s = arena_zalloc(&c->arena, 1, sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct conf_section){ .conf = c, .file = c->files, .same_hash = c->buckets[bucket] };
	s->kind = arena_copy(&c->arena, kind);
	s->name = arena_copy(&c->arena, name);
	s->tail = &s->entries;
	if (!s->kind.at || !s->name.at)
		return NULL;
	c->buckets[bucket] = s;
	*c->tail = s;
	c->tail = &s->next;
	c->section_count++;
	return s;
}

struct conf_section *
conf_need(struct conf *c, const char *kind, const char *name)
{
	struct conf_section *s = conf_find(c, slice_of(kind), slice_of(name));

	return s ? s : conf_add_section(c, slice_of(kind), slice_of(name));
}

struct conf_section *
conf_next(const struct conf *c, const char *kind, const struct conf_section *after)
{
	struct conf_section *s = after ? after->next : c->sections;

	while (s && !slice_eq(s->kind, slice_of(kind)))
		s = s->next;
	return s;
}

struct conf_entry *
conf_add_entry(struct conf_section *s, struct slice key, struct slice raw)
{
	struct arena *a = &s->conf->arena;
	struct conf_entry *entry = arena_zalloc(a, 1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->key = arena_copy(a, key);
	entry->raw = arena_copy(a, raw);
	if (!entry->key.at || !entry->raw.at)
		return NULL;
	entry->value = entry->raw;
	*s->tail = entry;
	s->tail = &entry->next;
	s->count++;
	return entry;
}

struct conf_entry *
conf_entry_of(const struct conf_section *s, struct slice key)
{
	struct conf_entry *entry = s->entries;

	while (entry && !slice_eq(entry->key, key))
		entry = entry->next;
	return entry;
}

struct conf_entry *
conf_entry(const struct conf_section *s, const char *key)
{
	return conf_entry_of(s, slice_of(key));
}

bool
conf_is_set(const struct conf_section *s, const char *key)
{
	const struct conf_entry *entry = conf_entry(s, key);

	return entry && entry->value.len > 0;
}

unsigned
conf_line(const struct conf_section *s, const char *key)
{
	const struct conf_entry *entry = key ? conf_entry(s, key) : NULL;

	return entry ? entry->line : s->line;
}

const char *
conf_file_name(const struct conf_section *s, const char *key)
{
	const struct conf_entry *entry = key ? conf_entry(s, key) : NULL;
	const struct conf_file *f = entry ? entry->file : s->file;

	return f ? f->name : "";
}

struct slice
conf_resolve(struct conf *c, const struct conf_file *f, struct slice path)
{
	struct slice dir = slice_of(f->dir);
	struct writer w;
	char *memory;

	if (path.len > 0 && path.at[0] == '/')
		return arena_copy(&c->arena, path);
	memory = arena_alloc(&c->arena, dir.len + path.len + 2);
	if (!memory)
		return slice_make(NULL, 0);
	w = writer_over(memory, dir.len + path.len + 1);
	writer_put(&w, dir);
	if (dir.len == 0 || dir.at[dir.len - 1] != '/')
		writer_char(&w, '/');
	writer_put(&w, path);
	memory[w.len] = '\0';
	return writer_slice(&w);
}

static void
check_kind(const struct conf_section *s, const struct conf_kind *kinds, struct conf_errors *e)
{
	struct suggest near;

	suggest_init(&near, s->kind);
	for (; kinds->name; kinds++) {
		suggest_offer(&near, slice_of(kinds->name));
		if (!slice_eq(s->kind, slice_of(kinds->name)))
			continue;
		if (kinds->is_named && s->name.len == 0)
			conf_error_at(e, s, NULL, "needs a name: [%s NAME]", kinds->name);
		if (!kinds->is_named && s->name.len > 0)
			conf_error_at(e, s, NULL, "takes no name: [%s]", kinds->name);
		return;
	}
	conf_error_at(e, s, NULL, "unknown section%s", suggest_text(&near));
}

void
conf_check_kinds(const struct conf *c, const struct conf_kind *kinds, struct conf_errors *e)
{
	for (const struct conf_section *s = c->sections; s; s = s->next)
		check_kind(s, kinds, e);
}
