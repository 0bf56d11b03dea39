/*
 * Reading a table of options with getopt_long; see control_option.h.
 */
#include "ctl/control_option.h"

#include "config/suggest.h"
#include "config/value.h"
#include "ctl/quantity.h"
#include "planner/advice.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 22, WANTED_BYTES = 96, LETTERS_MAX = 2 + 2 * CONTROL_OPTIONS_MAX };

/* --- values ---------------------------------------------------------------------------------- */

bool
control_option_flag(const struct control_option *o, void *place, const char *text)
{
	(void)o;
	(void)text;
	*(bool *)place = true;
	return true;
}

bool
control_option_text(const struct control_option *o, void *place, const char *text)
{
	(void)o;
	*(const char **)place = text;
	return true;
}

static bool
is_within(const struct control_option *o, double n)
{
	return n >= o->least && (o->most == 0 || n <= o->most);
}

bool
control_option_whole(const struct control_option *o, void *place, const char *text)
{
	uint64_t n;

	if (value_uint(slice_of(text), &n) != 0 || n > UINT_MAX || !is_within(o, (double)n))
		return false;
	*(unsigned *)place = (unsigned)n;
	return true;
}

static bool
take_quantity(const struct control_option *o, double *place, const char *text,
	      int (*read)(struct slice s, double *value))
{
	double n;

	if (read(slice_of(text), &n) != 0 || !is_within(o, n))
		return false;
	*place = n;
	return true;
}

bool
control_option_number(const struct control_option *o, void *place, const char *text)
{
	return take_quantity(o, place, text, quantity_number);
}

bool
control_option_rate(const struct control_option *o, void *place, const char *text)
{
	return take_quantity(o, place, text, quantity_rate);
}

bool
control_option_time(const struct control_option *o, void *place, const char *text)
{
	return take_quantity(o, place, text, quantity_time);
}

bool
control_option_duration(const struct control_option *o, void *place, const char *text)
{
	uint64_t ns;

	if (value_duration(slice_of(text), &ns) != 0 || !is_within(o, (double)ns))
		return false;
	*(uint64_t *)place = ns;
	return true;
}

bool
control_option_slo(const struct control_option *o, void *place, const char *text)
{
	struct advice_wish *wish = place;
	double share, seconds;

	if (quantity_percentile(slice_of(text), &share, &seconds) != 0 || !is_within(o, seconds))
		return false;
	wish->slo_p = share;
	wish->slo_s = seconds;
	return true;
}

bool
control_option_take(const struct control_option *o, void *into, const char *text)
{
	if (!o->take(o, (char *)into + o->place, text))
		return false;
	if (o->given)
		*(bool *)((char *)into + o->given) = true;
	return true;
}

/* --- the command line ------------------------------------------------------------------------- */

enum control_exit
control_options_complain(const struct control_options *o, const char *what, const char *word,
			 const char *more)
{
	fprintf(stderr, "forebayctl: %s: %s%s%s%s; see forebayctl %s --help\n", o->command, what,
		word ? ": " : "", word ? word : "", more ? more : "", o->command);
	return CONTROL_USAGE;
}

void
control_options_print(const struct control_options *o)
{
	for (int i = 0; i < o->count; i++) {
		const struct control_option *p = &o->table[i];
		int width = NAME_WIDTH - 2 - (int)strlen(p->name);

		printf("  --%s %-*s%s\n", p->name, width, p->value ? p->value : "", p->help);
	}
}

static enum control_exit
complain_name(const struct control_options *o, const char *word)
{
	struct suggest near;

	suggest_init(&near, slice_of(word + strspn(word, "-")));
	for (int i = 0; i < o->count; i++)
		suggest_offer(&near, slice_of(o->table[i].name));
	return control_options_complain(o, "no such option", word, suggest_text(&near));
}

static enum control_exit
take(const struct control_options *o, const struct control_option *p, void *into, const char *value)
{
	char what[WANTED_BYTES];

	if (control_option_take(p, into, value))
		return CONTROL_OK;
	snprintf(what, sizeof(what), "--%s: %s", p->name, p->wanted);
	return control_options_complain(o, what, value, NULL);
}

static void
list(const struct control_options *o, struct option longs[CONTROL_OPTIONS_MAX + 1],
     char letters[LETTERS_MAX])
{
	char *at = letters;

	*at++ = ':';
	for (int i = 0; i < o->count; i++) {
		const struct control_option *p = &o->table[i];

		longs[i] = (struct option){
			.name = p->name,
			.has_arg = p->value ? required_argument : no_argument,
		};
		if (!p->letter)
			continue;
		*at++ = p->letter;
		if (p->value)
			*at++ = ':';
	}
	*at = '\0';
	longs[o->count] = (struct option){ .name = NULL };
}

static const struct control_option *
find(const struct control_options *o, int letter, int at)
{
	if (letter == 0)
		return &o->table[at];
	for (int i = 0; i < o->count; i++) {
		if (o->table[i].letter == letter)
			return &o->table[i];
	}
	return NULL;
}

enum control_exit
control_options_read(const struct control_options *o, void *into, int argc, char **argv)
{
	enum control_exit code = CONTROL_OK;
	struct option longs[CONTROL_OPTIONS_MAX + 1];
	char letters[LETTERS_MAX];
	int letter, at = 0;

	list(o, longs, letters);
	opterr = 0;
	optind = 0; /* begins anew */
	while (code == CONTROL_OK &&
	       (letter = getopt_long(argc, argv, letters, longs, &at)) != -1) {
		const struct control_option *p = find(o, letter, at);

		if (p)
			code = take(o, p, into, optarg);
		else if (letter == ':')
			code = control_options_complain(o, "a value is missing", argv[optind - 1],
							NULL);
		else
			code = complain_name(o, argv[optind - 1]);
	}
	if (code == CONTROL_OK && argc - optind > 1)
		code =
		    control_options_complain(o, "options alone, without", argv[optind + 1], NULL);
	return code;
}
