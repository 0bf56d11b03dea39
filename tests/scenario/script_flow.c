/*
 * The flow that follows a script; see script_flow.h.
 */
#include "script_flow.h"

#include "base/clock.h"
#include "plan/plan.h"

#include <check.h>
#include <stdlib.h>

enum { NAME_BYTES = 64 };

struct script_conf {
	struct slice script;
};

/* Where it is. */
struct script {
	struct flow *f;
	bool is_deaf;
};

static const struct conf_key keys[] = {
	{ "script", CONF_TEXT, CONF_FIELD(struct script_conf, script), .help = "what to do" },
	CONF_KEYS_END
};

static unsigned
number_of(struct slice s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n = 10 * n + (unsigned)(s.at[i] - '0');
	return n;
}

static int
wait_parts(struct script *s, struct slice list, enum flow_wait how)
{
	char names[PLAN_PARTS_MAX][NAME_BYTES];
	const char *parts[PLAN_PARTS_MAX];
	size_t count = 0;

	while (list.len > 0 && count < PLAN_PARTS_MAX) {
		struct slice name = slice_cut(&list, ',');

		ck_assert_uint_lt(name.len, NAME_BYTES);
		memcpy(names[count], name.at, name.len);
		names[count][name.len] = '\0';
		parts[count] = names[count];
		count++;
	}
	return s->f->ops->wait(s->f, parts, count, how);
}

static int
do_call(struct script *s, struct slice what)
{
	return wait_parts(s, what, FLOW_ALL);
}

static int
do_any(struct script *s, struct slice what)
{
	return wait_parts(s, what, FLOW_ANY);
}

static int
do_sleep(struct script *s, struct slice what)
{
	return s->f->ops->sleep(s->f, number_of(what) * CLOCK_MS);
}

static int
do_set(struct script *s, struct slice what)
{
	struct slice name = slice_cut(&what, '=');

	return s->f->ops->set(s->f, name, what);
}

static int
do_put(struct script *s, struct slice what)
{
	return s->f->ops->splice(s->f, what);
}

static int
do_say(struct script *s, struct slice what)
{
	return s->f->ops->write(s->f, what);
}

static int
do_get(struct script *s, struct slice what)
{
	struct slice value;
	int err = s->f->ops->get(s->f, what, &value);

	return err ? err : s->f->ops->write(s->f, value);
}

static int
do_status(struct script *s, struct slice what)
{
	return s->f->ops->set_status(s->f, (int)number_of(what));
}

static int
do_field(struct script *s, struct slice what)
{
	struct slice name = slice_cut(&what, '=');

	return s->f->ops->set_field(s->f, name, what);
}

static int
do_burn(struct script *s, struct slice what)
{
	uint64_t until = clock_monotonic() + number_of(what) * CLOCK_MS;

	(void)s;
	while (clock_monotonic() < until)
		;
	return 0;
}

static int
do_deaf(struct script *s, struct slice what)
{
	(void)what;
	s->is_deaf = true;
	return 0;
}

static int
do_fail(struct script *s, struct slice what)
{
	(void)s;
	(void)what;
	return ERR_FAILED;
}

static const struct {
	struct slice word;
	int (*run)(struct script *s, struct slice what);
} steps[] = {
	{ SLICE_INIT("call"), do_call },     { SLICE_INIT("all"), do_call },
	{ SLICE_INIT("any"), do_any },       { SLICE_INIT("sleep"), do_sleep },
	{ SLICE_INIT("set"), do_set },       { SLICE_INIT("put"), do_put },
	{ SLICE_INIT("say"), do_say },       { SLICE_INIT("get"), do_get },
	{ SLICE_INIT("status"), do_status }, { SLICE_INIT("field"), do_field },
	{ SLICE_INIT("burn"), do_burn },     { SLICE_INIT("deaf"), do_deaf },
	{ SLICE_INIT("fail"), do_fail },
};

static int
run_step(struct script *s, struct slice line)
{
	struct slice word = slice_cut(&line, ' ');
	bool is_must = word.len > 0 && word.at[word.len - 1] == '!';
	int result = 0;
	size_t i = 0;

	if (is_must)
		word.len--;
	while (i < sizeof(steps) / sizeof(steps[0]) && !slice_eq(steps[i].word, word))
		i++;
	ck_assert_msg(i < sizeof(steps) / sizeof(steps[0]), "%.*s", SLICE_PRINT(word));
	do
		result = steps[i].run(s, line);
	while (result == ERR_CANCELLED && s->is_deaf);
	return result < 0 && (is_must || result == ERR_CANCELLED || steps[i].run == do_fail)
		   ? result
		   : 0;
}

static int
run(struct flow *f)
{
	const struct script_conf *conf = f->conf;
	struct script s = { .f = f };
	struct slice rest = conf->script;
	int err = 0;

	while (rest.len > 0 && !err) {
		struct slice line = slice_trim(slice_cut(&rest, ';'));

		if (line.len > 0)
			err = run_step(&s, line);
	}
	return err;
}

static const char *const reads[] = { "query.x", "request.method", NULL };
static const char *const strict_reads[] = { "a.x", "a:header.x-a", "body.n", NULL };
static const char *const strict_calls[] = { "a", "b", NULL };

static const struct flow_type script = {
	.name = "script",
	.keys = keys,
	.conf_size = sizeof(struct script_conf),
	.reads = reads,
	.scratch = 1 << 16,
	.run = run,
};
static const struct flow_type strict = {
	.name = "strict",
	.keys = keys,
	.conf_size = sizeof(struct script_conf),
	.reads = strict_reads,
	.calls = strict_calls,
	.scratch = 1 << 16,
	.run = run,
};

const struct flow_type *const script_flows[] = { &script, &strict };
