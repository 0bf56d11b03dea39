/*
 * Where the error log goes; see error_log.h.
 */
#include "server/error_log.h"

#include "base/log_file.h"
#include "base/mem.h"
#include "config/conf.h"
#include "server/journal.h"

#include <errno.h>
#include <unistd.h>

void
error_log_init(struct error_log *l)
{
	*l = (struct error_log){ .is_verbose = log_level() == LOG_LEVEL_DEBUG, .next.fd = -1 };
	if (journal_is_stderr())
		log_to_fd(STDERR_FILENO, LOG_FORMAT_PREFIXED);
}

void
error_log_fini(struct error_log *l)
{
	error_log_cancel(l);
	mem_free(&l->path);
}

static bool
is_stderr(const struct log_conf *c)
{
	return slice_eq(c->target, SLICE("stderr"));
}

static bool
is_journal(const struct log_conf *c)
{
	return slice_eq(c->target, SLICE("journal"));
}

static const struct conf_section *
section_of(const struct conf *conf)
{
	return conf_find(conf, SLICE("log"), SLICE(""));
}

static void
complain(const struct log_conf *c, const struct conf *conf, int number, struct conf_errors *e)
{
	conf_error_at(e, section_of(conf), "target", "%.*s: %s%s", SLICE_PRINT(c->target),
		      strerror(number), log_file_advice(number));
}

/* Whether the journal, if it is the target, can be written to. */
static bool
check_journal(const struct log_conf *c, const struct conf *conf, struct conf_errors *e)
{
	const char *why;

	if (!is_journal(c) || journal_is_there(&why))
		return true;
	conf_error_at(e, section_of(conf), "target", "%s: say stderr or name a file", why);
	return false;
}

void
error_log_check(const struct log_conf *c, const struct conf *conf, struct conf_errors *e)
{
	check_journal(c, conf, e);
	if (!is_journal(c) && !is_stderr(c) && log_file_check(c->target.at) != 0)
		complain(c, conf, errno, e);
}

int
error_log_prepare(struct error_log *l, const struct log_conf *c, const struct conf *conf,
		  struct conf_errors *e)
{
	error_log_cancel(l);
	l->next.conf = *c;
	if (!check_journal(c, conf, e))
		return ERR_SYNTAX;
	if (is_journal(c) || is_stderr(c))
		return 0;
	l->next.path = mem_copy_text(c->target.at);
	if (!l->next.path)
		return ERR_MEMORY;
	l->next.fd = log_file_open(l->next.path);
	if (l->next.fd >= 0)
		return 0;
	complain(c, conf, errno, e);
	return ERR_SYNTAX;
}

static void
take_level(const struct error_log *l, unsigned level)
{
	log_set_level(l->is_verbose ? LOG_LEVEL_DEBUG : (enum log_level)level);
}

void
error_log_commit(struct error_log *l)
{
	const struct log_conf *c = &l->next.conf;
	enum log_format format = c->is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;

	take_level(l, c->level);
	mem_free(&l->path);
	l->path = l->next.path;
	l->next.path = NULL;
	if (l->next.fd >= 0)
		log_to_fd(l->next.fd, format);
	else if (is_journal(c))
		log_to_sender(journal_send);
	else
		log_to_fd(STDERR_FILENO,
			  !c->is_json && journal_is_stderr() ? LOG_FORMAT_PREFIXED : format);
	l->format = format;
	l->next.fd = -1;
}

void
error_log_cancel(struct error_log *l)
{
	mem_free(&l->next.path);
	if (l->next.fd >= 0)
		close(l->next.fd);
	l->next.fd = -1;
}

void
error_log_reopen(struct error_log *l)
{
	int fd;

	if (!l->path)
		return;
	fd = log_file_open(l->path);
	if (fd < 0)
		log_error("log: %s: %s%s; going on with the old file", l->path, strerror(errno),
			  log_file_advice(errno));
	else
		log_to_fd(fd, l->format);
}
