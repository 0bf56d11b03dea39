/*
 * The monitor; see monitor.h. First version: serves nothing yet.
 */
#include "server/monitor.h"

int
monitor_open(struct monitor *m, struct server *server)
{
	m->server = server;
	return 0;
}

int
monitor_start(struct monitor *m)
{
	(void)m;
	return 0;
}

void
monitor_stop(struct monitor *m)
{
	(void)m;
}
