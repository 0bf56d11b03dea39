/*
 * Settings; see setting.h. A value goes through the key table of [pool], so it is
 * read and judged as if it stood in the file.
 */
#include "server/setting.h"

#include "base/log.h"
#include "config/suggest.h"
#include "server/command.h"
#include "server/keys.h"
#include "server/server.h"

enum { TEXT_BYTES = 512 };

#define PREFIX "pool."
/* The section that a value is read in; nobody sees it. */
#define SECTION "[pool x]"

static const char *const words[] = { "threads", "max_queue", "max_wait" };

enum { WORDS = sizeof(words) / sizeof(words[0]) };

/* --- what is asked --------------------------------------------------------------------------- */

/* pool.NAME.WORD, where NAME may have dots. */
static int
split(struct slice text, struct slice *pool, struct slice *word)
{
	size_t at = text.len;

	while (at > 0 && text.at[at - 1] != '.')
		at--;
	if (!slice_has_prefix(text, SLICE(PREFIX)) || at < sizeof(PREFIX) + 1)
		return ERR_SYNTAX;
	*pool = slice_make(text.at + sizeof(PREFIX) - 1, at - sizeof(PREFIX));
	*word = slice_after(text, at);
	return 0;
}

static void
refuse_pool(struct command *c, const struct pools *pools, struct slice name)
{
	struct suggest near;

	suggest_init(&near, name);
	for (unsigned i = 0; i < pools->count; i++)
		suggest_offer(&near, slice_of(pool_name(pools->at[i].pool)));
	command_answer(c, 422, "there is no pool %s%s", conf_quote(name).text, suggest_text(&near));
}

static void
refuse_word(struct command *c, struct slice word)
{
	struct suggest near;

	suggest_init(&near, word);
	for (size_t i = 0; i < WORDS; i++)
		suggest_offer(&near, slice_of(words[i]));
	command_answer(c, 422, "%s cannot be set; threads, max_queue and max_wait of a pool can%s",
		       conf_quote(word).text, suggest_text(&near));
}

static bool
is_word(struct slice word)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (slice_eq(word, slice_of(words[i])))
			return true;
	}
	return false;
}

/* As if it were written. What is wrong is in errors. */
static int
read_value(struct slice word, struct slice value, struct pool_conf *conf, struct conf_errors *e)
{
	const struct conf_table table = { pool_keys, conf };
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct conf *tree;
	int err = ERR_SYNTAX;

	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.at[i] < ' ') {
			conf_error(e, "", 0, "a value is one line");
			return ERR_SYNTAX;
		}
	}
	writer_format(&w, SECTION "\n%.*s = %.*s\n", SLICE_PRINT(word), SLICE_PRINT(value));
	if (w.is_full) {
		conf_error(e, "", 0, "the value is too long");
		return ERR_SYNTAX;
	}
	tree = conf_read(writer_slice(&w), "", e);
	if (tree && e->errors == 0)
		err = conf_fill(conf_find(tree, SLICE("pool"), SLICE("x")), &table, 1, e);
	conf_free(&tree);
	return err;
}

/* What read_value found, without the place, which is none of the user's. */
static void
refuse_value(struct command *c, struct slice word, const struct conf_errors *e)
{
	struct slice text = SLICE("out of memory");
	size_t place = sizeof(SECTION " : ") - 1 + word.len;

	if (e->count > 0)
		text = slice_of(e->list[0].text + e->list[0].message);
	if (slice_has_prefix(text, SLICE(SECTION)) && text.len > place)
		text = slice_after(text, place);
	command_answer(c, 422, "%.*s: %.*s", SLICE_PRINT(c->name), SLICE_PRINT(text));
}

/* Its entry is set. Returns it. */
static const struct setting_wish *
wish_for(struct setting_wish *wish, struct slice word, const struct pool_conf *conf,
	 const struct budget_watch *watch)
{
	struct pool_limits *l = &wish->limits;

	*l = pool_limits(wish->entry->pool);
	wish->is_auto = wish->entry->is_auto;
	if (slice_eq(word, SLICE("threads"))) {
		wish->is_auto = conf->threads == 0;
		l->threads = conf->threads ? conf->threads
					   : budget_watch_threads(watch, wish->entry, &l->cpus);
	} else if (slice_eq(word, SLICE("max_queue"))) {
		l->max_queue = conf->max_queue;
	} else {
		l->max_wait_ns = conf->max_wait;
	}
	return wish;
}

/* --- the change --------------------------------------------------------------------------------
 */

static void
run(void *argument)
{
	struct setting *s = argument;

	s->outcome = pool_resize(s->wish.entry->pool, &s->wish.limits);
	mailbox_send(&s->reload->server->loop.mailbox, &s->mail);
}

static void
on_done(struct mail *m, void *receiver)
{
	struct setting *s = CONTAINER_OF(m, struct setting, mail);
	struct command *c = s->command;

	(void)receiver;
	thread_join(&s->thread);
	s->command = NULL;
	if (s->outcome) {
		command_answer(c, 503, "cannot be had: %s", err_text(s->outcome));
	} else {
		s->wish.entry->is_auto = s->wish.is_auto;
		log_notice("set %.*s = %.*s", SLICE_PRINT(c->name), SLICE_PRINT(c->value));
		command_answer(c, 200, "%.*s is %.*s until the next reload", SLICE_PRINT(c->name),
			       SLICE_PRINT(c->value));
	}
	reload_end_turn(s->reload);
}

static void
start(struct setting *s, struct command *c, const struct setting_wish *wish)
{
	int err;

	if (!reload_take_turn(s->reload)) {
		command_answer(c, 409, "another change is under way; try again");
		return;
	}
	s->command = c;
	s->wish = *wish;
	s->mail.deliver = on_done;
	s->thread = (struct thread){
		.role = THREAD_BUILDER,
		.name = "builder",
		.run = run,
		.argument = s,
	};
	err = thread_start(&s->thread);
	if (err) {
		s->outcome = err;
		on_done(&s->mail, NULL);
	}
}

void
setting_init(struct setting *s, struct reload *r)
{
	*s = (struct setting){ .reload = r };
}

void
setting_change(struct setting *s, struct command *c)
{
	const struct site *site = s->reload->server->site;
	struct pool_conf conf = { 0 };
	struct setting_wish wish;
	struct conf_errors errors;
	struct slice pool, word;

	if (split(c->name, &pool, &word) != 0) {
		command_answer(c, 422, "%s cannot be set; what can is called pool.NAME.threads",
			       conf_quote(c->name).text);
		return;
	}
	conf_errors_init(&errors);
	wish.entry = pools_find(&site->pools, pool);
	if (!wish.entry)
		refuse_pool(c, &site->pools, pool);
	else if (!is_word(word))
		refuse_word(c, word);
	else if (read_value(word, c->value, &conf, &errors) != 0)
		refuse_value(c, word, &errors);
	else
		start(s, c, wish_for(&wish, word, &conf, &s->reload->server->budget_watch));
	conf_errors_fini(&errors);
}

void
setting_stop(struct setting *s)
{
	thread_join(&s->thread);
	if (s->reload)
		mailbox_drain(&s->reload->server->loop.mailbox, s->reload->server);
}
