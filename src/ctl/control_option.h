/*
 * Options of a command of forebayctl that reads its command line itself (plan,
 * advise): a table of them, read and explained in one way.
 */
#ifndef FOREBAY_CTL_CONTROL_OPTION_H
#define FOREBAY_CTL_CONTROL_OPTION_H

#include "ctl/control.h"

#include <stdbool.h>

/* Takes one value into the command's own; false if it is not one. */
typedef bool (*control_option_fn)(void *into, const char *text);

struct control_option {
	const char *name, *value; /* value: its form in --help; NULL: none is taken */
	const char *help;
	const char *wanted; /* of a wrong value */
	control_option_fn take;
	char letter; /* 0: none */
};

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
/* A whole number within bounds; false, and nothing changed, if it is not. */
bool control_option_whole(const char *text, unsigned from, unsigned to, unsigned *value);

#endif
