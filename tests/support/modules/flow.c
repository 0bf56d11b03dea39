/*
 * Flows for tests: one that follows a script, one that composes what the demo
 * composes, and one that never ends.
 */
#include <forebay_module.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTS_MAX = 64 };

/* --- script: what the route or the request says, step by step --------------------- */

struct script {
	struct forebay_bytes text;
};

static const struct forebay_param script_params[] = { { .name = "script",
							.type = FOREBAY_TEXT,
							FOREBAY_FIELD(struct script, text),
							.help = "steps, with ; between them" },
						      FOREBAY_PARAMS_END };

static const char *const script_reads[] = { "query.script", "query.x", "header.x-a",
					    "request.method", NULL };

static int
wait_parts(struct forebay_flow *f, char *list, int how)
{
	const char *parts[PARTS_MAX];
	size_t count = 0;
	char *rest = NULL;

	for (char *at = strtok_r(list, ",", &rest); at && count < PARTS_MAX;
	     at = strtok_r(NULL, ",", &rest))
		parts[count++] = at;
	return forebay_wait(f, parts, count, how);
}

static void
burn(long ms)
{
	struct timespec t;
	long until;

	clock_gettime(CLOCK_MONOTONIC, &t);
	until = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
	do
		clock_gettime(CLOCK_MONOTONIC, &t);
	while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < until);
}

/* The value of a path of a part's JSON, as text: "part path". */
static void
pick(struct forebay_flow *f, char *what)
{
	char *path = strchr(what, ' ');
	struct forebay_bytes found;

	if (!path)
		return;
	*path = '\0';
	found = forebay_text(f, forebay_find(f, forebay_part_body(f, what), path + 1));
	if (found.at)
		forebay_put_string(f, found);
	else
		forebay_putf(f, "null");
}

/* Of steps that cannot fail. */
static void
speak(struct forebay_flow *f, const char *word, char *what)
{
	char *equals = strchr(what, '=');

	if (strcmp(word, "say") == 0)
		forebay_put(f, what, strlen(what));
	else if (strcmp(word, "put") == 0)
		forebay_put_part(f, what);
	else if (strcmp(word, "pick") == 0)
		pick(f, what);
	else if (strcmp(word, "get") == 0)
		forebay_put_string(f, forebay_get(f, what));
	else if (strcmp(word, "status") == 0)
		forebay_putf(f, "%d", forebay_part_status(f, what));
	else if (strcmp(word, "answer") == 0)
		forebay_answer(f, (int)strtol(what, NULL, 10), "text/plain");
	else if (strcmp(word, "burn") == 0)
		burn(strtol(what, NULL, 10));
	else if (equals) {
		*equals = '\0';
		if (strcmp(word, "set") == 0)
			forebay_set(f, what,
				    (struct forebay_bytes){ equals + 1, strlen(equals + 1) });
		else
			forebay_answer_field(f, what, equals + 1);
	}
}

static int
step(struct forebay_flow *f, char *line)
{
	char *what = strchr(line, ' ');
	bool is_must;
	int result = 0;

	if (what)
		*what++ = '\0';
	else
		what = line + strlen(line);
	is_must = line[0] && line[strlen(line) - 1] == '!';
	if (is_must)
		line[strlen(line) - 1] = '\0';
	if (strcmp(line, "call") == 0)
		result = forebay_call(f, what);
	else if (strcmp(line, "all") == 0)
		result = wait_parts(f, what, FOREBAY_ALL);
	else if (strcmp(line, "any") == 0)
		result = wait_parts(f, what, FOREBAY_ANY);
	else if (strcmp(line, "sleep") == 0)
		result = forebay_sleep(f, strtoull(what, NULL, 10) * 1000000);
	else if (strcmp(line, "fail") == 0)
		return forebay_flow_fail(f, "it was told to: %s", what);
	else
		speak(f, line, what);
	return result < 0 && (is_must || result == FOREBAY_CANCELLED) ? result : 0;
}

static int
script(struct forebay_flow *f)
{
	const struct script *p = f->params;
	struct forebay_bytes given = forebay_get(f, "query.script");
	struct forebay_bytes text = given.at ? given : p->text;
	char *copy = forebay_flow_alloc(f, text.len + 1), *rest = NULL;
	int result = 0;

	if (!copy)
		return FOREBAY_NO_MEMORY;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	for (char *at = strtok_r(copy, ";", &rest); at && !result; at = strtok_r(NULL, ";", &rest))
		result = step(f, at);
	return result;
}

/* --- country: the demo's composition ------------------------------------------------ */

static const char *const country_calls[] = { "country", "subdivisions", "neighbours", "note",
					     NULL };
static const char *const country_reads[] = { "country.code", NULL };

static int
country(struct forebay_flow *f)
{
	int err = forebay_all(f, "country", "subdivisions", "neighbours", NULL);

	if (!err) {
		forebay_set(f, "code", forebay_get(f, "country.code"));
		err = forebay_call(f, "note");
	}
	if (err)
		return err;
	forebay_put(f, "{\"country\":", 11);
	forebay_put_part(f, "country");
	forebay_put(f, ",\"subdivisions\":", 16);
	forebay_put_part(f, "subdivisions");
	forebay_put(f, ",\"neighbours\":", 14);
	forebay_put_part(f, "neighbours");
	forebay_put(f, ",\"note\":", 8);
	forebay_put_part(f, "note");
	return forebay_put(f, "}", 1);
}

/* --- stubborn: does not listen --------------------------------------------------------- */

static int
stubborn(struct forebay_flow *f)
{
	int result = 0;

	while (result <= 0)
		result = forebay_sleep(f, 1000000);
	return result;
}

/* --- deep: uses much of its stack -------------------------------------------------------- */

static int
deep(struct forebay_flow *f)
{
	volatile char room[48 << 10];

	for (size_t i = 0; i < sizeof(room); i += 1024)
		room[i] = 'x';
	return forebay_putf(f, "\"%c%g%s\"", room[1024], 1.5, "");
}

static const struct forebay_flow_type flows[] = {
	{ .name = "script",
	  .help = "follows a script",
	  .params = script_params,
	  .params_size = sizeof(struct script),
	  .reads = script_reads,
	  .run = script },
	{ .name = "country",
	  .help = "composes a country",
	  .reads = country_reads,
	  .calls = country_calls,
	  .run = country },
	{ .name = "stubborn", .help = "never ends", .run = stubborn },
	{ .name = "deep", .help = "needs much stack", .run = deep },
	FOREBAY_FLOWS_END
};

const struct forebay_module forebay_module = {
	FOREBAY_MODULE_HEAD,
	.name = "flow",
	.version = "1",
	FOREBAY_FLOWS(flows),
};
