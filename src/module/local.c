/*
 * What a thread of a pool keeps for a job of a module: its thread_init is
 * called at its first run there, its thread_fini on the same thread, when the
 * thread leaves or the module goes.
 */
#include "base/mem.h"
#include "module/module_priv.h"

struct local {
	const struct module_job *job;
	void *state; /* the module's */
};

static void
end_local(void *argument)
{
	struct local *l = argument;

	if (l->job->job->thread_fini)
		l->job->job->thread_fini(l->job->module->state, l->state);
	mem_free(&l);
}

static int
make_local(const struct module_job *j, struct pool_thread *t, void **state, struct writer *why)
{
	struct local *l = mem_alloc(sizeof(*l));
	int err = l ? module_thread_init(j->module, j->job, false, state, why) : ERR_MEMORY;

	if (err) {
		mem_free(&l);
		return err;
	}
	*l = (struct local){ .job = j, .state = *state };
	err = pool_keep_local(t, j, l, end_local);
	if (err)
		end_local(l);
	return err;
}

/* A process has one thread that runs jobs. */
static int
take_alone(struct module_job *j, void **state, struct writer *why)
{
	int err = 0;

	if (!j->has_alone)
		err = module_thread_init(j->module, j->job, false, &j->alone, why);
	j->has_alone |= !err;
	*state = j->alone;
	return err;
}

void
local_end_alone(struct module_job *j)
{
	if (j->has_alone && j->job->thread_fini)
		j->job->thread_fini(j->module->state, j->alone);
	j->has_alone = false;
}

int
local_take(struct module_job *j, struct pool_thread *t, void **state, struct writer *why)
{
	const struct local *l = t ? pool_local(t, j) : NULL;

	if (!t)
		return take_alone(j, state, why);
	if (!l)
		return make_local(j, t, state, why);
	*state = l->state;
	return 0;
}
