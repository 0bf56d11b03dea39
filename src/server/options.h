/*
 * The command line of forebayd.
 */
#ifndef FOREBAY_SERVER_OPTIONS_H
#define FOREBAY_SERVER_OPTIONS_H

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK,
	OPTIONS_DUMP,
	OPTIONS_MATCH,
	OPTIONS_EXPLAIN,
	OPTIONS_TRY, /* a module, in this process: for forebayd itself */
	OPTIONS_SERVE, /* a module's jobs, in this process: for forebayd itself */
	OPTIONS_SPAWNER, /* starts programs for a server: for forebayd itself */
	OPTIONS_VERSION,
	OPTIONS_HELP,
	OPTIONS_WRONG, /* said on standard error */
};

struct options {
	enum options_action action;
	const char *path; /* of the configuration */
	const char *match; /* "GET /x" */
	const char *route; /* to explain */
	int is_dot; /* as Graphviz */
	const char *module; /* file to try, or to serve */
	int is_verbose; /* debug lines in the log */
};

void options_parse(struct options *o, int argc, char **argv);
void options_print_help(void);
void options_print_version(void);

#endif
