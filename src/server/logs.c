/*
 * Both logs at once; see logs.h.
 */
#include "server/logs.h"

#include "server/site.h"

void
logs_init(struct logs *l)
{
	error_log_init(&l->error);
}

void
logs_fini(struct logs *l)
{
	error_log_fini(&l->error);
}

void
logs_check(const struct site *site, struct conf_errors *e)
{
	error_log_check(&site->log, site->conf, e);
}

int
logs_prepare(struct logs *l, const struct site *site, struct conf_errors *e)
{
	return error_log_prepare(&l->error, &site->log, site->conf, e);
}

void
logs_commit(struct logs *l)
{
	error_log_commit(&l->error);
}

void
logs_cancel(struct logs *l)
{
	error_log_cancel(&l->error);
}

void
logs_reopen(struct logs *l)
{
	error_log_reopen(&l->error);
	log_notice("SIGUSR1: logs are opened again");
}
