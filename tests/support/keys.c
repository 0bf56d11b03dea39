/*
 * keys prints every key of every key table as lines of the manual, below a line
 * "@ PLACE" for each table: "@ server", "@ upstream NAME", "@ source fixed",
 * "@ job digest". For tests/lint/manual.py, which keeps man/forebay.conf.5 in step.
 */
#include "server/keys.h"
#include "accesslog/access_conf.h"
#include "accesslog/access_field.h"
#include "config/value.h"
#include "guard/guard.h"
#include "module/module.h"
#include "plan/edits.h"
#include "plan/plan.h"
#include "route/route.h"
#include "server/site_priv.h"
#include "source/jobs.h"

#include <ctype.h>
#include <stdio.h>

enum { TEXT_BYTES = 64 };

/* Words that read better in a manual than conf_type_name's. */
static const char *
type_name(enum conf_type type)
{
	switch (type) {
	case CONF_TEXT:
	case CONF_KNOWN:
		return "text";
	case CONF_UINT:
	case CONF_INT:
	case CONF_DECIMAL:
		return "number";
	case CONF_FAMILY:
		return "template";
	default:
		return conf_type_name(type);
	}
}

static void
print_value(const struct conf_key *k)
{
	if (k->type == CONF_BOOL) {
		printf(" Cm yes | Cm no");
	} else if (k->words) {
		for (const char *const *word = k->words; *word; word++)
			printf("%s %s", word == k->words ? " Cm" : " |", *word);
		if (k->type == CONF_PATH)
			printf(" | Ar path");
	} else {
		printf(" Ar %s", type_name(k->type));
	}
	if (k->flags & CONF_AUTO)
		printf(" | Cm auto");
	printf("\n");
}

/* A sentence, so that no line begins with what roff takes for a request. */
static void
print_sentence(const char *half)
{
	putchar(toupper((unsigned char)half[0]));
	for (const char *c = half + 1; *c; c++) {
		if (*c == '\\')
			printf("\\e");
		else
			putchar(*c);
	}
	printf(".\n");
}

static void
print_number(const struct conf_key *k, int64_t value)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	if (k->type == CONF_DURATION)
		value_write_duration(&w, (uint64_t)value);
	else if (k->type == CONF_SIZE)
		value_write_size(&w, (uint64_t)value);
	else if (k->type == CONF_DECIMAL)
		value_write_decimal(&w, (uint64_t)value);
	else
		writer_i64(&w, value);
	printf("%.*s", (int)w.len, text);
}

static void
print_range(const struct conf_key *k)
{
	bool is_number = k->type == CONF_UINT || k->type == CONF_INT || k->type == CONF_DECIMAL ||
			 k->type == CONF_DURATION || k->type == CONF_SIZE;

	if (!is_number || k->max == 0)
		return;
	printf("From ");
	print_number(k, k->min);
	printf(" to ");
	print_number(k, k->max);
	printf(".\n");
}

static void
print_key(const struct conf_key *k)
{
	printf(".It Ic %s%s No =", k->name, k->type == CONF_FAMILY ? "NAME" : "");
	print_value(k);
	print_sentence(k->help);
	print_range(k);
	if (k->flags & CONF_REQUIRED)
		printf("Required.\n");
	if (k->def && k->def[0])
		printf("Default: %s.\n", k->def);
}

static void
print_keys(const char *kind, const char *name, const struct conf_key *keys)
{
	if (!keys || !keys->name)
		return;
	printf("@ %s%s%s\n", kind, name ? " " : "", name ? name : "");
	for (; keys->name; keys++)
		print_key(keys);
}

static void
print_sections_of_sources(const struct source_ops *const *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (all[i]->section)
			print_keys(all[i]->section, "NAME", all[i]->section_keys);
	}
}

static void
print_parts(const struct source_ops *const *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		print_keys("source", all[i]->name, all[i]->part_keys);
}

static void
print_jobs(void)
{
	size_t count;
	const struct job_type *const *all = jobs_all(&count);

	for (size_t i = 0; i < count; i++)
		print_keys("job", all[i]->name, all[i]->keys);
}

/* What may stand in the format of [access_log]. */
static void
print_fields(void)
{
	printf("@ access_log fields\n");
	for (const struct access_field *f = access_fields; f->name; f++) {
		bool is_family = f->name[strlen(f->name) - 1] == '.';

		printf(".It Ic {%s%s}\n%s\n", f->name, is_family ? "NAME" : "", f->help);
	}
}

int
main(void)
{
	size_t count;
	const struct source_ops *const *sources = source_all_ops(&count);

	print_keys("server", NULL, server_keys);
	print_keys("admin", NULL, admin_keys);
	print_keys("listen", "NAME", listen_keys);
	print_keys("log", NULL, log_keys);
	print_keys("access_log", NULL, access_keys);
	print_fields();
	print_keys("limits", NULL, limits_keys);
	print_keys("pool", "NAME", pool_keys);
	print_keys("resolver", NULL, resolver_keys);
	print_keys("module", "NAME", module_keys);
	print_keys("headers", NULL, edits_keys);
	print_keys("error_page", "STATUS", error_page_keys);
	print_sections_of_sources(sources, count);
	for (unsigned i = 0; guard_kinds[i]; i++) {
		if (guard_kinds[i]->section)
			print_keys(guard_kinds[i]->section,
				   guard_kinds[i]->is_single ? NULL : "NAME",
				   guard_kinds[i]->section_keys);
	}
	print_keys("route", "NAME", route_keys);
	for (unsigned i = 0; guard_kinds[i]; i++) {
		if (guard_kinds[i]->keys)
			print_keys("guard", guard_kinds[i]->name, guard_kinds[i]->keys);
	}
	print_keys("route", "plan", plan_keys);
	print_keys("route", "headers", edits_keys);
	print_keys("route", "report", plan_report_keys);
	print_keys("route", "join", plan_join_keys);
	print_keys("route", "flow", plan_flow_keys);
	print_keys("source", NULL, plan_source_keys);
	print_keys("subrequest", "ROUTE.NAME", plan_part_keys);
	print_keys("subrequest", "result", plan_result_keys);
	print_keys("subrequest", "cache", plan_stash_keys);
	print_parts(sources, count);
	print_jobs();
	return 0;
}
