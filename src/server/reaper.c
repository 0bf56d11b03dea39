/*
 * The reaper; see reaper.h.
 */
#include "server/reaper.h"

#include "base/list.h"
#include "server/site.h"

static void
free_all(struct site **list)
{
	while (*list) {
		struct site *site = *list;

		*list = site->next;
		site_free(&site);
	}
}

static void
run(void *argument)
{
	struct reaper *r = argument;

	free_all(&r->dying);
	mailbox_send(r->home, &r->done);
}

static void
start(struct reaper *r)
{
	if (r->thread.is_running || !r->dead)
		return;
	r->dying = r->dead;
	r->dead = NULL;
	/* Without a thread it is done here: late is better than never. */
	if (thread_start(&r->thread) != 0)
		free_all(&r->dying);
}

static void
on_done(struct mail *m, void *receiver)
{
	struct reaper *r = CONTAINER_OF(m, struct reaper, done);

	(void)receiver;
	thread_join(&r->thread);
	start(r);
}

void
reaper_init(struct reaper *r, struct mailbox *home)
{
	*r = (struct reaper){
		.home = home,
		.done.deliver = on_done,
		.thread = { .role = THREAD_BUILDER, .name = "reaper", .run = run, .argument = r },
	};
}

void
reaper_take(struct reaper *r, struct site *site)
{
	site->next = r->dead;
	r->dead = site;
	start(r);
}

void
reaper_stop(struct reaper *r)
{
	thread_join(&r->thread);
	free_all(&r->dead);
}
