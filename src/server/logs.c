/*
 * Both logs at once; see logs.h.
 */
#include "server/logs.h"

#include "base/log_file.h"
#include "server/site.h"

#include <errno.h>

int
logs_init(struct logs *l)
{
	error_log_init(&l->error);
	return access_writer_init(&l->access);
}

void
logs_fini(struct logs *l)
{
	access_writer_fini(&l->access);
	error_log_fini(&l->error);
}

static void
complain_access(const struct site *site, int number, struct conf_errors *e)
{
	conf_error_at(e, conf_find(site->conf, SLICE("access_log"), SLICE("")), "path",
		      "%.*s: %s%s", SLICE_PRINT(site->access.path), strerror(number),
		      log_file_advice(number));
}

void
logs_check(const struct site *site, struct conf_errors *e)
{
	error_log_check(&site->log, site->conf, e);
	if (access_writer_check(site->access.path) != 0)
		complain_access(site, errno, e);
}

int
logs_prepare(struct logs *l, const struct site *site, struct conf_errors *e)
{
	int err = error_log_prepare(&l->error, &site->log, site->conf, e);
	int of_access = access_writer_prepare(&l->access, site->access.path);

	if (of_access == ERR_SYSTEM) {
		complain_access(site, errno, e);
		of_access = ERR_SYNTAX;
	}
	l->is_prepared = true;
	l->is_stale = false;
	if (err || of_access)
		logs_cancel(l);
	return err ? err : of_access;
}

void
logs_commit(struct logs *l)
{
	error_log_commit(&l->error);
	access_writer_commit(&l->access);
	l->is_prepared = false;
	if (l->is_stale)
		logs_reopen(l);
	l->is_stale = false;
}

void
logs_cancel(struct logs *l)
{
	error_log_cancel(&l->error);
	access_writer_cancel(&l->access);
	l->is_prepared = l->is_stale = false;
}

void
logs_reopen(struct logs *l)
{
	l->is_stale = l->is_prepared;
	error_log_reopen(&l->error);
	access_writer_reopen(&l->access);
	log_notice("SIGUSR1: opening the log files again");
}
