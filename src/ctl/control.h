/*
 * forebayctl: its command line, and the table of what it can do. A process of
 * its own; control_server.c knows where the server is.
 */
#ifndef FOREBAY_CTL_CONTROL_H
#define FOREBAY_CTL_CONTROL_H

/* What the process ends with. */
enum control_exit {
	CONTROL_OK,
	CONTROL_NO, /* the server answered, and said no */
	CONTROL_USAGE,
	CONTROL_NO_ANSWER, /* it cannot be reached, or what answers is no forebayd */
};

/* Does what the arguments say; prints to standard output, and what is wrong to standard error. */
enum control_exit control_run(int argc, char **argv);

#endif
