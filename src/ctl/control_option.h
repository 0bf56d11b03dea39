/*
 * Options of a command of forebayctl that reads its command line itself (plan,
 * advise): a table of them, read and explained in one way.
 */
#ifndef FOREBAY_CTL_CONTROL_OPTION_H
#define FOREBAY_CTL_CONTROL_OPTION_H

#include "ctl/control.h"

#include <float.h>
#include <stdbool.h>
#include <stddef.h>

struct control_option;

/* Reads a value into its place; false, and nothing changed, if it is not one. */
typedef bool (*control_option_fn)(const struct control_option *o, void *place, const char *text);

struct control_option {
	const char *name, *value; /* value: its form in --help; NULL: none is taken */
	const char *help;
	const char *wanted; /* of a wrong value */
	control_option_fn take;
	size_t place; /* offset in the command's own struct */
	size_t given; /* offset of a bool there that is set with it; 0: none */
	double least, most; /* of a number; most 0: no bound */
	char letter; /* 0: none */
};

#define CONTROL_ABOVE_0 DBL_MIN /* for least */

/* Ways to take a value, and what they fill. */
bool control_option_flag(const struct control_option *o, void *place, const char *text); /* bool */
bool control_option_text(const struct control_option *o, void *place,
			 const char *text); /* const char *, borrowed */
bool control_option_whole(const struct control_option *o, void *place,
			  const char *text); /* unsigned */
/* double: a plain number, a rate per second, seconds */
bool control_option_number(const struct control_option *o, void *place, const char *text);
bool control_option_rate(const struct control_option *o, void *place, const char *text);
bool control_option_time(const struct control_option *o, void *place, const char *text);
/* uint64_t, ns */
bool control_option_duration(const struct control_option *o, void *place, const char *text);
/* struct advice_wish: p99=150ms */
bool control_option_slo(const struct control_option *o, void *place, const char *text);

enum { CONTROL_OPTIONS_MAX = 24 };

struct control_options {
	const char *command; /* the first word that is no option */
	const struct control_option *table;
	int count;
};

/* The whole command line. What is wrong is said. */
enum control_exit control_options_read(const struct control_options *o, void *into, int argc,
				       char **argv);
/* Their lines of --help. */
void control_options_print(const struct control_options *o);
/* On standard error, in one line. */
enum control_exit control_options_complain(const struct control_options *o, const char *what,
					   const char *word, const char *more);
/* One option alone, into the command's own struct. */
bool control_option_take(const struct control_option *o, void *into, const char *text);

#endif
