/*
 * Whether the folder of bodies that are written to disk can be: found when a site
 * is built, and not by the first large one. Builder thread.
 */
#include "config/errors.h"
#include "plan/pond.h"
#include "server/site_priv.h"

#include <unistd.h>

void
site_check_spool(const struct site *s, struct conf_errors *e)
{
	for (unsigned i = 0; i < s->route_count; i++) {
		const struct plan *p = s->routes[i].plan;
		bool has_files = p->pond && p->pond->file > 0;

		if (!(p->spool || has_files) || access(s->spool.dir, W_OK | X_OK) == 0)
			continue;
		conf_error_at(e, conf_find(s->conf, SLICE("server"), SLICE("")), "spool_dir",
			      "%s cannot be written to, and [route %.*s] has %s", s->spool.dir,
			      SLICE_PRINT(s->routes[i].name),
			      p->spool ? "buffer_body" : "buffer_response");
		return;
	}
}
