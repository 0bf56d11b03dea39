/*
 * Purging; see purge.h.
 */
#include "server/purge.h"

#include "base/mem.h"
#include "cache/cache.h"
#include "config/suggest.h"
#include "guard/cache.h"
#include "server/server.h"

enum { KEYS_MAX = 3, KEY_MORE_BYTES = 16 };

/* One command, and the keys that its words stand for. */
struct sweep {
	struct list seat;
	struct command *command;
	struct vault *vault; /* counted: its site may go meanwhile */
	struct slice key[KEYS_MAX]; /* in memory */
	unsigned keys;
	bool is_prefix; /* of all that begin so */
	bool is_uri; /* of a route: no part's key begins so */
	unsigned count; /* taken out */
	struct writer text; /* over memory */
	char memory[];
};

static void
refuse_name(const struct site *site, struct command *c)
{
	struct suggest near;

	suggest_init(&near, c->name);
	for (const struct cache *k = guard_caches(site->guards); k; k = k->next)
		suggest_offer(&near, k->name);
	command_answer(c, 422, "there is no cache %s%s", conf_quote(c->name).text,
		       suggest_text(&near));
}

/* --- what is meant --------------------------------------------------------------------------- */

/* Behind each there is room for a byte. */
static void
add_key(struct sweep *w, const char *before, struct slice text)
{
	size_t at = w->text.len;

	writer_text(&w->text, before);
	writer_put(&w->text, text);
	w->key[w->keys++] = slice_after(writer_slice(&w->text), at);
	writer_char(&w->text, '\0');
}

static bool
has_scheme(struct slice text)
{
	return slice_has_prefix(text, SLICE("http://")) ||
	       slice_has_prefix(text, SLICE("https://"));
}

/* A URI stands for what is kept of it, one without a scheme for both. What was said comes first:
 * a cache_key may be like it. */
static void
read_keys(struct sweep *w, struct slice text)
{
	struct slice get = SLICE("GET ");

	w->is_prefix = text.len == 0 || text.at[text.len - 1] == '*';
	if (text.len > 0 && w->is_prefix)
		text.len--;
	w->is_uri = has_scheme(text) || slice_has_prefix(text, get);
	add_key(w, "", text);
	if (has_scheme(text)) {
		add_key(w, "GET ", text);
	} else if (w->is_uri && !has_scheme(slice_after(text, get.len))) {
		add_key(w, "GET http://", slice_after(text, get.len));
		add_key(w, "GET https://", slice_after(text, get.len));
	}
}

static struct sweep *
sweep_new(struct command *c, const struct cache *cache)
{
	size_t cap = KEYS_MAX * (c->value.len + KEY_MORE_BYTES);
	struct sweep *w = mem_zalloc(1, sizeof(*w) + cap);

	if (!w)
		return NULL;
	list_init(&w->seat);
	w->command = c;
	w->vault = vault_ref(cache->vault);
	w->text = writer_over(w->memory, cap);
	read_keys(w, c->value);
	return w;
}

static void
answer(struct purge *p, struct sweep *w)
{
	struct command *c = w->command;

	count_add(&p->server->counters, COUNTER_CACHE_PURGED, w->count);
	command_answer(c, 200, "%u taken out of %s", w->count, conf_quote(c->name).text);
}

static void
free_sweep(struct sweep **w)
{
	vault_unref(&(*w)->vault);
	mem_free(w);
}

/* --- one key --------------------------------------------------------------------------------- */

/* The byte behind it is free. */
static struct slice
with_byte(struct slice key, char byte)
{
	char *end = (char *)(uintptr_t)key.at + key.len;

	*end = byte;
	return slice_make(key.at, key.len + 1);
}

/* With what else a trusted proxy said of it. */
static void
remove_exactly(struct sweep *w, struct slice key)
{
	w->count += vault_remove(w->vault, key);
	w->count += vault_remove(w->vault, with_byte(key, CACHE_KEY_MORE));
}

/* Whether that is all. Of parts, behind the key that the operator knows stands what is of it
 * unasked (plan/part_key.c): that has to be looked for. */
static bool
is_found(struct sweep *w)
{
	if (w->is_prefix)
		return false;
	for (unsigned i = 0; i < w->keys; i++)
		remove_exactly(w, w->key[i]);
	if (w->count > 0 || w->is_uri)
		return true;
	w->key[0] = with_byte(w->key[0], '\0');
	return false;
}

/* --- all of them ----------------------------------------------------------------------------- */

static void
run(void *argument)
{
	struct purge *p = argument;
	struct sweep *w = p->sweep;

	for (unsigned i = 0; i < w->keys; i++)
		w->count += vault_remove_prefix(w->vault, w->key[i]);
	mailbox_send(&p->server->loop.mailbox, &p->mail);
}

static void
start_next(struct purge *p)
{
	struct list *seat;

	while (!p->sweep && (seat = list_take(&p->sweeps)) != NULL) {
		struct sweep *w = CONTAINER_OF(seat, struct sweep, seat);

		p->waiting--;
		p->sweep = w;
		p->thread = (struct thread){
			.role = THREAD_BUILDER,
			.name = "purge",
			.run = run,
			.argument = p,
		};
		if (!p->is_stopping && thread_start(&p->thread) == 0)
			return;
		command_answer(w->command, 503, "not now");
		free_sweep(&p->sweep);
	}
}

static void
on_done(struct mail *m, void *receiver)
{
	struct purge *p = CONTAINER_OF(m, struct purge, mail);

	(void)receiver;
	thread_join(&p->thread);
	answer(p, p->sweep);
	free_sweep(&p->sweep);
	start_next(p);
}

void
purge_init(struct purge *p, struct server *s)
{
	*p = (struct purge){ .server = s, .mail = { .deliver = on_done } };
	list_init(&p->sweeps);
}

void
purge_ask(struct purge *p, struct command *c)
{
	const struct site *site = p->server->site;
	const struct cache *cache = guard_find_cache(site->guards, c->name);
	struct sweep *w;

	if (!cache) {
		refuse_name(site, c);
		return;
	}
	w = p->waiting < PURGE_SWEEPS_MAX ? sweep_new(c, cache) : NULL;
	if (!w) {
		command_answer(c, 503, "not now");
		return;
	}
	if (is_found(w)) {
		answer(p, w);
		free_sweep(&w);
		return;
	}
	list_append(&p->sweeps, &w->seat);
	p->waiting++;
	start_next(p);
}

void
purge_stop(struct purge *p)
{
	p->is_stopping = true;
	thread_join(&p->thread);
	if (p->sweep)
		mailbox_drain(&p->server->loop.mailbox, p->server);
}
