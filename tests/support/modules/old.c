/*
 * A module as it was when ABI 1 was new: its structs end where those of the first header ended,
 * and behind them is nothing that a server may read.
 */
#define forebay_module forebay_module_of_today
#include <forebay_module.h>
#undef forebay_module

struct old_job {
	const char *name, *help;
	const struct forebay_param *params;
	size_t params_size;
	int (*run)(struct forebay_call *c);
	int (*thread_init)(struct forebay_setup *s);
	void (*thread_fini)(void *module, void *thread);
};

struct old_module {
	uint32_t abi, size, job_size, param_size;
	const char *name, *version;
	const struct forebay_param *params;
	size_t params_size;
	int (*init)(struct forebay_setup *s);
	void (*fini)(void *module);
	const struct old_job *jobs;
};

struct add_params {
	uint32_t number;
};

static const struct forebay_param params[] = { { .name = "number",
						 .type = FOREBAY_UINT,
						 FOREBAY_FIELD(struct add_params, number),
						 .def = "1",
						 .help = "what is added" },
					       FOREBAY_PARAMS_END };

static int
add_run(struct forebay_call *c)
{
	return forebay_printf(c, "%zu",
			      c->input.len + ((const struct add_params *)c->params)->number);
}

static int
name_run(struct forebay_call *c)
{
	return forebay_printf(c, "old");
}

static const struct old_job jobs[] = { { .name = "add",
					 .help = "bytes of the input and a number",
					 .params = params,
					 .params_size = sizeof(struct add_params),
					 .run = add_run },
				       { .name = "old", .help = "its name", .run = name_run },
				       { .name = NULL } };

extern FOREBAY_EXPORT const struct old_module forebay_module;
const struct old_module forebay_module = { .abi = 1,
					   .size = sizeof(struct old_module),
					   .job_size = sizeof(struct old_job),
					   .param_size = sizeof(struct forebay_param),
					   .name = "old",
					   .jobs = jobs };
