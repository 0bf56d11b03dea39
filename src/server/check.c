/*
 * -t, --dump, --match and --explain; see check.h.
 */
#include "server/check.h"

#include "base/mem.h"
#include "config/suggest.h"
#include "plan/explain.h"
#include "server/logs.h"
#include "server/privileges.h"
#include "server/site.h"
#include "server/text_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_BYTES = 1 << 18, DUMP_BYTES = CONF_MAX_BYTES };

/* Built whole; errors and warnings are printed. NULL after any error. */
static struct site *
build(const char *path)
{
	struct conf_errors errors;
	char *text = mem_alloc(TEXT_BYTES);
	struct writer w = writer_over(text, text ? TEXT_BYTES : 0);
	struct site *site;
	int err = ERR_MEMORY;

	conf_errors_init(&errors);
	site = site_open(path, &errors);
	/* As root, what is readable is judged as the user who will serve. */
	if (site && site->user.len && geteuid() == 0) {
		if (privileges_drop(site) != 0)
			errors.errors++; /* said in the log */
		else
			privileges_check_files(site, &errors);
	}
	if (site)
		err = site_complete(site, NULL, &errors);
	if (site)
		logs_check(site, &errors);
	conf_errors_write(&errors, &w);
	fwrite(w.at, 1, w.len, stderr);
	if (err == ERR_MEMORY && errors.errors == 0)
		fprintf(stderr, "forebayd: out of memory\n");
	if (err || errors.errors)
		site_free(&site);
	conf_errors_fini(&errors);
	mem_free(&text);
	return site;
}

static void
print_shares(const struct site *site, const char *path)
{
	char *text = mem_alloc(TEXT_BYTES);
	struct writer w = writer_over(text, text ? TEXT_BYTES : 0);
	struct slice rest, line;

	site_write_budget(site, &w);
	site_write_cpus(site, &w);
	rest = writer_slice(&w);
	while (text_file_line(&rest, &line))
		printf("%s: %.*s\n", path, SLICE_PRINT(line));
	mem_free(&text);
}

int
check_run(const char *path)
{
	struct site *site = build(path);

	if (!site)
		return EXIT_FAILURE;
	printf("%s: all right: %u route%s, %u part%s\n", path, site->route_count,
	       site->route_count == 1 ? "" : "s", site->part_count,
	       site->part_count == 1 ? "" : "s");
	print_shares(site, path);
	site_free(&site);
	return EXIT_SUCCESS;
}

int
check_dump(const char *path)
{
	struct site *site = build(path);
	char *text = site ? mem_alloc(DUMP_BYTES) : NULL;
	struct writer w = writer_over(text, text ? DUMP_BYTES : 0);
	int code = EXIT_FAILURE;

	if (text) {
		site_dump(site, &w);
		if (!w.is_full && fwrite(w.at, 1, w.len, stdout) == w.len && fflush(stdout) == 0)
			code = EXIT_SUCCESS;
	}
	mem_free(&text);
	site_free(&site);
	return code;
}

int
check_match(const char *path, const char *request)
{
	struct site *site = build(path);
	char *text = site ? mem_alloc(TEXT_BYTES) : NULL;
	struct writer w = writer_over(text, text ? TEXT_BYTES : 0);
	int err = ERR_MEMORY;

	if (text) {
		err = route_explain(site->router, slice_of(request), &site->arena, &w);
		fwrite(w.at, 1, w.len, err ? stderr : stdout);
	}
	mem_free(&text);
	site_free(&site);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* NULL, when what is nearest has been told. */
static const struct route *
find_route(const struct site *site, struct slice name)
{
	struct suggest near;

	suggest_init(&near, name);
	for (unsigned i = 0; i < site->route_count; i++) {
		if (slice_eq(site->routes[i].name, name))
			return &site->routes[i];
		suggest_offer(&near, site->routes[i].name);
	}
	fprintf(stderr, "forebayd: there is no route %s%s\n", conf_quote(name).text,
		suggest_text(&near));
	return NULL;
}

int
check_explain(const char *path, const char *name, bool is_dot)
{
	struct site *site = build(path);
	const struct route *route = site ? find_route(site, slice_of(name)) : NULL;
	char *text = route ? mem_alloc(TEXT_BYTES) : NULL;
	struct writer w = writer_over(text, text ? TEXT_BYTES : 0);
	int code = EXIT_FAILURE;

	if (text && is_dot)
		explain_dot(route->plan, &w);
	else if (text)
		explain_text(route->plan, route->max_body, &w);
	if (text && !w.is_full && fwrite(w.at, 1, w.len, stdout) == w.len && fflush(stdout) == 0)
		code = EXIT_SUCCESS;
	mem_free(&text);
	site_free(&site);
	return code;
}
