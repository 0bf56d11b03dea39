/*
 * How a reload went, and who is told: those who asked, the log, systemd, the
 * metrics; see reload.h.
 */
#include "server/reload_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/command.h"
#include "server/notify.h"
#include "server/server.h"

#include <time.h>

/* --- who asked --------------------------------------------------------------------------- */

static struct command *
command_of(struct mail *m)
{
	return CONTAINER_OF(m, struct command, mail);
}

/* With what was wrong, or odd, for each. */
static void
answer_askers(struct reload *r, int status, const char *message)
{
	while (r->askers) {
		struct command *c = command_of(r->askers);

		r->askers = c->mail.next;
		conf_errors_add_all(&c->reply.errors, &r->errors);
		command_answer(c, status, "%s", message);
	}
}

static void
log_errors(struct conf_errors *e)
{
	conf_errors_sort(e);
	for (size_t i = 0; i < e->count; i++) {
		if (e->list[i].is_warning)
			log_warning("%s", e->list[i].text);
		else
			log_error("%s", e->list[i].text);
	}
}

/* --- the end of it ------------------------------------------------------------------------- */

bool
reload_is_given_up(const struct reload *r)
{
	return r->is_stopping || gauge_read(&r->server->state) == SERVER_DRAINING;
}

/* Those who asked last, too. */
void
reload_answer_all(struct reload *r, int status, const char *message)
{
	answer_askers(r, status, message);
	r->askers = r->next_askers;
	r->next_askers = NULL;
	answer_askers(r, status, message);
}

void
reload_begin_next(struct reload *r)
{
	if (reload_is_given_up(r))
		reload_answer_all(r, 503, "the server ends");
	else if (r->is_asked_again)
		reload_begin(r);
}

/* If somebody asked meanwhile, the next begins. */
static void
finish(struct reload *r, bool is_taken)
{
	struct server *s = r->server;

	conf_errors_fini(&r->errors);
	r->step = RELOAD_IDLE;
	r->site = r->prior = NULL;
	gauge_set(&s->reload_failed, !is_taken);
	gauge_set(&s->reloaded_at, (uint64_t)time(NULL));
	/* Workers that left meanwhile could have been sent mail. */
	crew_end_left(&s->crew);
	reload_begin_next(r);
}

void
reload_release(struct reload *r, struct site *site)
{
	struct site **at = &r->server->sites;

	/* At the end all of them are freed, by whoever started. */
	if (--site->holders > 0 || r->is_stopping)
		return;
	while (*at != site)
		at = &(*at)->next;
	*at = site->next;
	reaper_take(&r->server->reaper, site);
}

/* The first error, for a line that stands alone. */
static const char *
first_error(const struct reload *r)
{
	for (size_t i = 0; i < r->errors.count; i++) {
		if (!r->errors.list[i].is_warning)
			return r->errors.list[i].text;
	}
	return err_text(r->outcome ? r->outcome : ERR_SHUTDOWN);
}

/* One line of systemctl status: the place of the first error is worth more there than how many
 * there are. */
static void
tell_refused(const struct reload *r)
{
	char text[REPLY_MESSAGE_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	writer_text(&w, "reload refused: ");
	if (r->errors.errors > 1)
		writer_format(&w, "%u errors; ", r->errors.errors);
	writer_text(&w, first_error(r));
	text[w.len] = '\0';
	notify_ready(text);
}

/* Nothing has changed. */
void
reload_refuse(struct reload *r)
{
	struct server *s = r->server;
	char message[REPLY_MESSAGE_BYTES];
	struct writer w = writer_over(message, sizeof(message) - 1);

	log_errors(&r->errors);
	writer_text(&w, "reload refused, nothing has changed: ");
	/* Errors follow in full, each with its place; without any there is only the reason. */
	if (r->errors.errors > 0)
		writer_format(&w, "%u error%s", r->errors.errors, r->errors.errors > 1 ? "s" : "");
	else
		writer_text(&w, first_error(r));
	message[w.len] = '\0';
	log_error("%s", message);
	if (!reload_is_given_up(r))
		tell_refused(r);
	answer_askers(r, r->errors.errors ? 422 : 503, message);
	acceptor_forget(&s->acceptor);
	logs_cancel(&s->logs);
	crew_dismiss_recruits(&s->crew);
	if (r->site)
		reload_release(r, r->site);
	finish(r, false);
}

void
reload_on_shortage(struct reload *r, int err)
{
	r->outcome = err;
	conf_error(&r->errors, r->path, 0, "cannot reload: %s", err_text(err));
}

void
reload_succeed(struct reload *r)
{
	const struct site *site = r->site;
	uint64_t took = clock_monotonic() - r->began_ns;
	char message[REPLY_MESSAGE_BYTES];
	struct writer w = writer_over(message, sizeof(message) - 1);

	writer_format(&w, "reloaded: %u workers, %u routes, in %llu ms", site->workers,
		      site->route_count, (unsigned long long)(took / CLOCK_MS));
	message[w.len] = '\0';
	log_errors(&r->errors);
	log_notice("%s", message);
	if (!reload_is_given_up(r))
		notify_serving(site->workers, site->route_count);
	answer_askers(r, 200, message);
	finish(r, true);
}
